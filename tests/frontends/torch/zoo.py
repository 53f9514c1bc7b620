"""Small PyTorch models, each built like one of the well-known topologies, their random weights always the same."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


def conv(inputs: int, outputs: int, size: int = 3, activation: type[nn.Module] = nn.ReLU, **options: int) -> nn.Module:
    """A convolution that keeps the image's size at stride 1, its batch norm and its activation."""
    layers = [nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False, **options), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([] if activation is nn.Identity else [activation()]))


class Vgg(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(24, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 5), nn.Softmax(1)),
        )


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv(inputs, outputs, stride=stride)
        self.second = conv(outputs, outputs, activation=nn.Identity)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv(inputs, outputs, 1, nn.Identity, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.second(self.first(x)) + self.shortcut(x))


class ResNet(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            *(conv(3, 4), nn.MaxPool2d(3, 2, 1), Residual(4, 4, 1), Residual(4, 6, 2)),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
        )


class Inverted(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.skips = inputs == outputs and stride == 1
        self.body = nn.Sequential(
            conv(inputs, 8, 1, nn.ReLU6),
            conv(8, 8, 3, nn.ReLU6, stride=stride, groups=8),
            conv(8, outputs, 1, nn.Identity),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skips else self.body(x)


class MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(conv(3, 4, 3, nn.ReLU6, stride=2), Inverted(4, 4, 1), Inverted(4, 6, 2))
        self.classifier = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean([2, 3]))


class Grown(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, 2, 3, padding=1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(x)], 1)


class DenseNet(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(3, 4, 3, padding=1), Grown(4), Grown(6), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1)),
            *(nn.AvgPool2d(2), Grown(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
        )


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                conv(3, 2, 1),
                nn.Sequential(conv(3, 2, 1), conv(2, 3, 3)),
                nn.Sequential(conv(3, 2, 1), conv(2, 2, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(3, 2, 1)),
            ]
        )
        self.head = nn.Linear(9, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([branch(x) for branch in self.branches], 1)
        return self.head(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))


class UNet(nn.Module):
    def __init__(self, up: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.down, self.bottom, self.up = conv(3, 4), conv(4, 6), up()
        self.join, self.head = conv(4 + 6, 4), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        y = self.up(self.bottom(functional.max_pool2d(x, 2)))
        return torch.sigmoid(self.head(self.join(torch.cat([x, y], 1))))


class Encoder(nn.Module):
    """A transformer's layer, its norms first."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Linear(12, 8))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self, class_token: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8)) if class_token else None
        self.places = nn.Parameter(torch.randn(1, 4 + class_token, 8))
        self.encoder, self.norm, self.head = Encoder(), nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        x = self.norm(self.encoder(x + self.places))
        return self.head(x.mean(1) if self.token is None else x[:, 0])


class KeywordSpotter(nn.Sequential):
    """Frames of filter-bank features, its channels, in time."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv1d(6, 8, 3, padding=1), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 8, 3, groups=8, dilation=2)),
            *(nn.Conv1d(8, 6, 1), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2), nn.AdaptiveAvgPool1d(1)),
            *(nn.Flatten(), nn.Linear(6, 4)),
        )


class Autoencoder(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            *(nn.Linear(24, 10), nn.ReLU(), nn.Linear(10, 3), nn.Tanh()),
            *(nn.Linear(3, 10), nn.LeakyReLU(0.125), nn.Linear(10, 24), nn.Sigmoid()),
        )


class SqueezeAndExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = conv(3, 6, activation=nn.SiLU), nn.Conv2d(6, 4, 1)
        self.squeeze, self.excite = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        weights = torch.sigmoid(self.excite(functional.relu(self.squeeze(functional.adaptive_avg_pool2d(x, 1)))))
        return self.head(x * weights)


@dataclass(frozen=True)
class Topology:
    """build: the untrained module; shape: one input, channels first; moves: the nodes of its Network that only move
    values, where those are the topology's own; None where heads of attention are cut out and put together."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...] = (3, 8, 8)
    moves: tuple[str, ...] | None = ()


TOPOLOGIES = {
    "VGG": Topology(Vgg, moves=("Flatten",)),
    "ResNet": Topology(ResNet),
    "MobileNetV2": Topology(MobileNet),
    "DenseNet": Topology(DenseNet, moves=("Concatenate", "Concatenate", "Concatenate")),
    "Inception": Topology(Inception, moves=("Concatenate",)),
    "U-Net, transposed": Topology(lambda: UNet(lambda: nn.ConvTranspose2d(6, 6, 2, 2)), moves=("Concatenate",)),
    "U-Net, nearest": Topology(
        lambda: UNet(lambda: nn.Upsample(scale_factor=2)), moves=("UpsamplingNearest", "Concatenate")
    ),
    "U-Net, bilinear": Topology(
        lambda: UNet(lambda: nn.Upsample(scale_factor=2, mode="bilinear")), moves=("Concatenate",)
    ),
    "vision transformer, means": Topology(lambda: VisionTransformer(False), moves=None),
    "vision transformer, class token": Topology(lambda: VisionTransformer(True), moves=None),
    "keyword spotter": Topology(KeywordSpotter, (6, 12)),
    "autoencoder": Topology(Autoencoder, (24,)),
    "squeeze and excite": Topology(SqueezeAndExcite),
}


def trained(topology: Topology) -> nn.Module:
    """The same numbers each time; batch norms have statistics of their own."""
    torch.manual_seed(11)
    module = topology.build().train()
    with torch.no_grad():
        for _ in range(2):
            module(torch.randn(6, *topology.shape))
    return module.eval()
