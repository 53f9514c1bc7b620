"""A Network as an eager PyTorch user would write it: nn modules in channels_last memory, in-place ReLU. The float
yardstick."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from bittrue import operators
from bittrue.network import Network, Parameter
from bittrue.rules import RuleTable

module: RuleTable[Callable[..., nn.Module]] = RuleTable("eager module")
"""Rules `(operator) -> nn.Module`; values are channels first, as PyTorch has them."""


def tensor(parameter: Parameter) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.ascontiguousarray(parameter.value)), requires_grad=False)


@module.rule(operators.Convolution)
def _(operator: operators.Convolution) -> nn.Module:
    rows, columns, per_group, out = operator.weight.value.shape
    if any(before != after for before, after in operator.padding):
        pad = [size for pair in reversed(operator.padding) for size in pair]
        padding, first = 0, [nn.ZeroPad2d(pad)]
    else:
        padding, first = tuple(before for before, _ in operator.padding), []
    layer = nn.Conv2d(
        per_group * operator.groups,
        out,
        (rows, columns),
        operator.strides,
        padding,
        operator.dilation,
        operator.groups,
        bias=operator.bias is not None,
    )
    layer.weight = nn.Parameter(tensor(operator.weight).permute(3, 2, 0, 1).contiguous(), requires_grad=False)
    if operator.bias is not None:
        layer.bias = tensor(operator.bias)
    return nn.Sequential(*first, layer)


@module.rule(operators.Dense)
def _(operator: operators.Dense) -> nn.Module:
    layer = nn.Linear(*operator.weight.value.shape, bias=operator.bias is not None)
    layer.weight = nn.Parameter(tensor(operator.weight).T.contiguous(), requires_grad=False)
    if operator.bias is not None:
        layer.bias = tensor(operator.bias)
    return layer


class Norm(nn.BatchNorm2d):
    """Of images or of vectors."""

    def _check_input_dim(self, x: torch.Tensor) -> None:
        pass


@module.rule(operators.BatchNormalization)
def _(operator: operators.BatchNormalization) -> nn.Module:
    layer = Norm(len(operator.mean.value), eps=operator.epsilon)
    layer.running_mean, layer.running_var = tensor(operator.mean).data, tensor(operator.variance).data
    if operator.gamma is not None:
        layer.weight = tensor(operator.gamma)
    if operator.beta is not None:
        layer.bias = tensor(operator.beta)
    return layer


@module.rule(operators.ReLU)
def _(operator: operators.ReLU) -> nn.Module:
    return nn.ReLU6(inplace=True) if operator.max_value == 6 else nn.ReLU(inplace=True)


@module.rule(operators.MaxPooling)
def _(operator: operators.MaxPooling) -> nn.Module:
    return nn.MaxPool2d(operator.window, operator.strides)


class Flatten(nn.Module):
    """Channels last, so that trained dense weights fit; a view in channels_last memory."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


@module.rule(operators.Flatten)
def _(operator: operators.Flatten) -> nn.Module:
    return Flatten()


@module.rule(operators.Identity)
def _(operator: operators.Identity) -> nn.Module:
    return nn.Identity()


@module.rule(operators.Softmax)
def _(operator: operators.Softmax) -> nn.Module:
    return nn.Softmax(-1)


@module.rule(operators.AveragePooling)
def _(operator: operators.AveragePooling) -> nn.Module:
    return nn.AvgPool2d(operator.window, operator.strides)


class GlobalAverage(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


@module.rule(operators.GlobalAveragePooling)
def _(operator: operators.GlobalAveragePooling) -> nn.Module:
    return GlobalAverage()


class Sum(nn.Module):
    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        return torch.add(*xs)


@module.rule(operators.Add)
def _(operator: operators.Add) -> nn.Module:
    return Sum()


class Eager(nn.Module):
    """The modules of a Network, called node by node. after: what is done to each value, for a fake-quantized chain."""

    def __init__(self, network: Network, after: Callable[[torch.Tensor], torch.Tensor] | None = None) -> None:
        super().__init__()
        self.network, self.after = network, after
        self.layers = nn.ModuleDict(
            {f"layer_{node.name}": module[type(node.operator)](node.operator) for node in network.nodes if node.inputs}
        )
        self.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: channels first, in channels_last memory."""
        values = {self.network.input.name: x if self.after is None else self.after(x)}
        last = {name: node.name for node in self.network.nodes for name in node.inputs}
        for node in self.network.nodes:
            if not node.inputs:
                continue
            y = self.layers[f"layer_{node.name}"](*(values[name] for name in node.inputs))
            values[node.name] = y if self.after is None else self.after(y)
            for name in set(node.inputs):
                if last[name] == node.name:
                    del values[name]
        return values[self.network.output]
