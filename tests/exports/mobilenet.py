"""A network like MobileNet, small: depthwise and pointwise convolutions, batch norms, ReLU6, weights drawn by a seed.

bittrue ranges tests/exports/mobilenet.py:build --data cifar10:DIR --scale 1/255 …
"""

import torch
from torch import nn

CHANNELS = ((8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2))
"""Of each block: channels in, channels out, and the stride of its depthwise convolution."""


class Separable(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, out, 1, bias=False)
        self.pointwise_norm = nn.BatchNorm2d(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.relu6(self.depthwise_norm(self.depthwise(x)))
        return nn.functional.relu6(self.pointwise_norm(self.pointwise(x)))


class MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, CHANNELS[0][0], 3, 2, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(CHANNELS[0][0])
        self.blocks = nn.ModuleList([Separable(*block) for block in CHANNELS])
        self.classes = nn.Linear(CHANNELS[-1][1], 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.relu6(self.first_norm(self.first(x)))
        for block in self.blocks:
            x = block(x)
        return self.classes(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def build(size: int = 32) -> tuple[nn.Module, torch.Tensor]:
    """The network in evaluation mode, and an example of its input: (1, 3, size, size)."""
    generator = torch.Generator().manual_seed(15)
    module = MobileNet().eval()
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not tensor.is_floating_point():
                continue
            drawn = torch.randn(tensor.shape, generator=generator)
            if tensor.ndim > 1:  # He's initialization: the sums keep their spread from layer to layer
                tensor.copy_(drawn * (2.0 / tensor[0].numel()) ** 0.5)
            elif name.endswith(("running_var", "norm.weight")):
                tensor.copy_(torch.exp(drawn / 4))
            else:
                tensor.copy_(drawn / 8)
    return module, torch.zeros(1, 3, size, size)
