"""The small Keras model's twin in PyTorch, channels first, with the same numbers: what `file.py:function` names."""

import keras
import numpy as np
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(4, eps=epsilon)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.dense1 = nn.Linear(64, 10)
        self.dense2 = nn.Linear(10, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm1(self.conv1(x)))
        x = nn.functional.max_pool2d(x + self.depthwise(x), 2)
        return torch.softmax(self.dense2(torch.relu(self.dense1(torch.flatten(x, 1)))), 1)


def twin(model: keras.Model) -> nn.Module:
    """The module with the Keras model's numbers, in evaluation mode."""
    module = Small(model.get_layer("norm1").epsilon).eval()
    arrays = {layer.name: [np.array(weight.numpy()) for weight in layer.weights] for layer in model.layers}
    norm = dict(zip(("weight", "bias", "running_mean", "running_var"), arrays["norm1"], strict=True))
    state = {f"norm1.{name}": value for name, value in norm.items()}
    for name in ("conv1", "depthwise"):
        kernel, state[f"{name}.bias"] = arrays[name]
        state[f"{name}.weight"] = kernel.transpose(3, 2, 0, 1) if name == "conv1" else kernel.transpose(2, 3, 0, 1)
    for name in ("dense1", "dense2"):
        kernel, state[f"{name}.bias"] = arrays[name]
        if name == "dense1":  # Keras flattens rows, columns, channels; PyTorch channels, rows, columns
            kernel = kernel.reshape(4, 4, 4, 10).transpose(2, 0, 1, 3).reshape(64, 10)
        state[f"{name}.weight"] = kernel.T
    state["norm1.num_batches_tracked"] = np.array(0)
    module.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in state.items()})
    return module


def build() -> tuple[nn.Module, torch.Tensor]:
    """The module and an example of its input."""
    import small_model

    return twin(small_model.trained()), torch.zeros(1, 3, 8, 8)
