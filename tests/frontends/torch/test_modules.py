"""PyTorch models become the Networks that compute what they compute, with the modules' names and no noise."""

import contextlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bittrue.errors import ModelError
from bittrue.frontends import load
from bittrue.frontends.onnx.model import from_onnx
from bittrue.frontends.torch.model import from_torch
from bittrue.network import Network
from frontends.onnx_zoo import channels_last, computed, operators

TOLERANCE = 1e-5


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(x + self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layer1 = nn.Sequential(Block(4))
        self.head = nn.Linear(8 * 2 * 3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = functional.relu(self.stem(x))
        x = torch.cat([first, self.layer1(first)], 1)
        x = functional.adaptive_avg_pool2d(functional.max_pool2d(x, 2), (2, 3))
        return self.head(torch.flatten(x, 1))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 2, 2)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mix = nn.Linear(8, 8)
        self.act = nn.GELU()
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        y = self.norm(x)
        y, _ = self.attention(y, y, y, need_weights=False)
        x = x + y
        return self.head((x + self.act(self.mix(x))).mean(1))


class Inverted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(3, 6, 1), nn.ReLU6(), nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.Hardswish()),
            *(nn.Conv2d(6, 3, 1), nn.SiLU(), nn.Dropout()),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + self.body(x)).mean([2, 3])


SHAPE = (1, 3, 4, 6)
EXPECTED = {
    Residual: "Convolution ReLU Convolution BatchNormalization ReLU Convolution BatchNormalization Add ReLU "
    "Concatenate MaxPooling AveragePooling Flatten Dense",
    Inverted: "Convolution ReLU Convolution HardSwish Convolution SiLU Add GlobalAveragePooling",
    Attention: "Convolution LayerNormalization Dense",
}


def trained(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(4)
    module = kind().train()
    for _ in range(2):
        module(torch.randn(5, *SHAPE[1:]))  # batch norms get statistics of their own
    return module


@cache
def network_of(kind: type[nn.Module]) -> Network:
    """The Network of `trained(kind)`, exported once."""
    return from_torch(trained(kind), torch.zeros(2, *SHAPE[1:]))


def relative_error(module: nn.Module, network: Network) -> float:
    x = torch.randn(3, *SHAPE[1:], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = module.eval()(x).numpy()
    return float(np.abs(computed(network, x.numpy()) - want).max() / np.abs(want).max())


@pytest.mark.parametrize("kind", EXPECTED)
def test_matches_torch(kind: type[nn.Module]) -> None:
    module = trained(kind)
    network = network_of(kind)
    assert operators(network).startswith(EXPECTED[kind])
    assert relative_error(module, network) <= TOLERANCE


class Functional(nn.Module):
    """A function of one image, and a trained matrix that it may use."""

    def __init__(self, function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.function, self.matrix = function, nn.Parameter(torch.randn(2, 6, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x, self.matrix)


FUNCTIONS: dict[str, tuple[Callable[[torch.Tensor, torch.Tensor], torch.Tensor], str | None]] = {
    "chunk": (lambda x, _: sum(x.chunk(3, -1)).flatten(1), "Slice Slice Slice ScaleOffset Add Add Transpose Flatten"),
    "split": (lambda x, _: x.split([1, 2], 1)[1].mean((2, 3)), "Slice GlobalAveragePooling"),
    "uneven split": (lambda x, _: x.split(4, 3)[1].mean((2, 3)), "Slice GlobalAveragePooling"),
    "adaptive mean": (
        lambda x, _: functional.adaptive_avg_pool2d(x, (3, 4)).amax((2, 3)),
        "AdaptiveAveragePooling GlobalMaxPooling",
    ),
    "adaptive maximum": (
        lambda x, _: functional.adaptive_max_pool2d(x, (3, 4)).mean((2, 3)),
        "AdaptiveMaxPooling GlobalAveragePooling",
    ),
    "adaptive, even": (
        lambda x, _: functional.adaptive_avg_pool2d(x, (2, 3)).amax((2, 3)),
        "AveragePooling GlobalMaxPooling",
    ),
    "adaptive, 1-D": (lambda x, _: functional.adaptive_avg_pool1d(x[:, :, 0], 4).mean(-1), None),
    "heads": (lambda x, m: torch.einsum("bchw,cwd->bhd", x, m[:1].expand(3, 6, 5)), None),
    "scores": (lambda x, _: torch.einsum("bchw,bcvw->bhvc", x, x * 2).mean(-1), None),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functional_code(name: str) -> None:
    function, wanted = FUNCTIONS[name]
    module = Functional(function)
    network = from_torch(module, torch.zeros(SHAPE))
    assert wanted is None or operators(network) == wanted
    assert relative_error(module, network) <= TOLERANCE


def test_names_are_the_modules_paths() -> None:
    network = network_of(Residual)
    names = [node.name for node in network.nodes]
    assert names[:5] == ["x", "stem", "relu", "layer1_0_conv1", "layer1_0_bn1"]
    assert names[-1] == "head"
    assert "layer1_0_conv2.weight" in network.parameters
    assert not any(name.endswith("conv1.bias") for name in network.parameters)


def test_the_module_stays_as_it_was() -> None:
    module = trained(Inverted)
    module.body[6].eval()
    before = [inner.training for inner in module.modules()]
    network = from_torch(module, torch.zeros(SHAPE))
    assert [inner.training for inner in module.modules()] == before
    hash_before = network.hash
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert Network(network.name, network.nodes, network.output).hash == hash_before


def test_nothing_is_printed_or_warned(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_torch(trained(Inverted), torch.zeros(SHAPE))
    assert capfd.readouterr() == ("", "")


def test_a_layer_used_twice_shares_its_weight() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.conv(x))

    network = from_torch(Twice(), torch.zeros(SHAPE))
    assert [node.name for node in network.nodes] == ["x", "conv", "conv_2"]
    assert list(network.parameters) == ["conv.weight", "conv.bias"]


@pytest.fixture
def program() -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(
            trained(Residual).eval(), (torch.zeros(2, *SHAPE[1:]),), dynamic_shapes=({0: batch},)
        )


def test_programs_and_their_files(program: torch.export.ExportedProgram, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, tmp_path / "model.pt2")
    network, from_file = load(program), load(tmp_path / "model.pt2")
    assert network.text == from_file.text == network_of(Residual).text
    assert network.hash == from_file.hash


def test_the_older_exporter_gives_the_same_function(tmp_path: Path) -> None:
    module = trained(Inverted).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(SHAPE),), str(tmp_path / "old.onnx"), dynamo=False, opset_version=13)
    network = from_onnx(tmp_path / "old.onnx")
    assert operators(network) == EXPECTED[Inverted]
    assert relative_error(module, network) <= TOLERANCE
    assert [node.name for node in network.nodes][1:4] == ["body_0", "body_1", "body_2"]


@pytest.mark.parametrize(
    ("example", "words"),
    [
        (None, "needs an example input"),
        (torch.zeros(3), "needs an example input"),
        (torch.zeros(1, 5, 4, 6), "PyTorch can't export it to ONNX"),
    ],
)
def test_examples_that_do_not_fit(example: torch.Tensor | None, words: str) -> None:
    with pytest.raises(ModelError, match=f"^the PyTorch model Residual: .*{words}"):
        from_torch(Residual(), example)


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    torch.save(Residual().state_dict(), tmp_path / "model.pt")
    with pytest.raises(ModelError, match=r"model\.pt is a pickle, which bittrue never loads because it may run code"):
        load(tmp_path / "model.pt")


def test_channels_last_is_how_the_network_reads() -> None:
    x = np.zeros((2, 3, 4, 6), np.float32)
    assert network_of(Inverted).input.shape == channels_last(x).shape[1:]


def test_load_takes_a_module_with_its_example() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).eval()
    example = torch.zeros(1, 1, 8, 8)
    assert load(module, example_input=example).hash == from_torch(module, example).hash
    for source in ("model.keras", 7):
        with pytest.raises(ModelError, match="an example input goes with a PyTorch module"):
            load(source, example_input=example)


def repacked(path: Path, changes: dict[str, bytes], added: dict[str, bytes] | None = None) -> Path:
    """The archive with other contents for the members that end so, and more members."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    for end, data in changes.items():
        contents |= {name: data for name in contents if name.endswith(end)}
    root = next(iter(contents)).partition("/")[0]
    contents |= {f"{root}/{name}": data for name, data in (added or {}).items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


class Payload:
    """A pickle that leaves a file behind where it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("archive") / "model.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = nn.Linear(3, 2)
        torch.export.save(torch.export.export(module, (torch.zeros(1, 3),)), path)
    return path.read_bytes()


def test_an_archive_runs_no_code(archive: bytes, tmp_path: Path) -> None:
    path, marker = tmp_path / "model.pt2", tmp_path / "executed"
    payload = io.BytesIO()
    torch.save((Payload(marker),), payload)

    def graph(old: str, new: str) -> bytes:
        with zipfile.ZipFile(path) as file:
            text = file.read(next(name for name in file.namelist() if name.endswith("models/model.json"))).decode()
        assert old in text
        return text.replace(old, new).encode()

    operator = "torch.ops.aten.linear.default"
    size = '{"as_int": 1}, {"as_int": 3}'
    code = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    expression = json.dumps({"as_expr": {"expr_str": code, "hint": None}})
    attacks: list[tuple[object, str]] = [
        (lambda: repacked(path, {"sample_inputs/model.pt": payload.getvalue()}), "may run code"),
        (lambda: repacked(path, {"weights_config.json": b'{"config": {"w": {"use_pickle": true}}}'}), "are pickled"),
        (lambda: repacked(path, {}, {"data/aotinductor/x.so": b"code"}), "which may be code"),
        (
            lambda: repacked(path, {"models/model.json": graph(operator, "torch.os.system")}),
            "os",
        ),
        (lambda: repacked(path, {"models/model.json": graph(size, f"{expression}, 3")}), "is computed"),
    ]
    for attack, words in attacks:
        path.write_bytes(archive)
        attack()  # type: ignore[operator]
        with pytest.raises(ModelError, match=rf"model\.pt2: .*{words}"):
            load(path)
    assert not marker.exists()

    # The canary: PyTorch itself does run the example inputs' pickle.
    path.write_bytes(archive)
    repacked(path, {"sample_inputs/model.pt": payload.getvalue()})
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        torch.export.load(path)
    assert marker.exists()


def test_damaged_archives(archive: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    for cut in (0, 10, len(archive) // 2, len(archive) - 1):
        path.write_bytes(archive[:cut])
        with pytest.raises(ModelError, match=r"model\.pt2: it is damaged or no \.pt2 file"):
            load(path)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Dropout1d(), (1, 3, 8)),
        (nn.Dropout2d(), (1, 3, 8, 8)),
        (nn.AlphaDropout(), (1, 6)),
        (nn.FeatureAlphaDropout(), (1, 3, 8, 8)),
        (nn.Identity(), (1, 6)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_only_training_knows(layer: nn.Module, shape: tuple[int, ...]) -> None:
    """A module is read in evaluation mode, whatever mode it is in."""
    module = nn.Sequential(layer, nn.ReLU()).train()
    assert set(operators(from_torch(module, torch.zeros(shape))).split()) <= {"Identity", "ReLU"}
    assert module.training


def test_a_plain_recurrent_layer_is_named() -> None:
    """The exporter makes other operators of its steps, of which nothing could be said that helps."""

    class Steps(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = torch.nn.RNN(4, 3, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.steps(x)[0][:, -1]

    with pytest.raises(
        ModelError, match=r"Steps: module steps \(RNN\): it keeps a state .*: use Conv1D over the steps"
    ):
        from_torch(Steps().eval(), torch.zeros(1, 5, 4))
    convolved = from_torch(nn.Sequential(nn.Conv1d(4, 3, 5), nn.Flatten()).eval(), torch.zeros(1, 4, 5))
    assert "Convolution" in operators(convolved)
