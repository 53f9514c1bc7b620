"""Small networks, one row a case: each operator with its variants, in shapes where an index off by one shows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from zlib import crc32

import numpy as np

from bittrue.network import Network, NetworkBuilder, Operator, Parameter
from bittrue.operators import (
    Absolute,
    AdaptiveAveragePooling,
    AdaptiveMaxPooling,
    Add,
    Average,
    AveragePooling,
    BatchNormalization,
    Broadcast,
    Clip,
    Concatenate,
    Convolution,
    ConvolutionTransposed,
    Dense,
    Divide,
    DivideConstant,
    Flatten,
    GlobalAveragePooling,
    GlobalMaxPooling,
    Identity,
    Input,
    LayerNormalization,
    LogSoftmax,
    Mask,
    MatMul,
    Maximum,
    MaxPooling,
    Minimum,
    Multiply,
    Pad,
    Pointwise,
    PReLU,
    ReduceMaximum,
    ReduceMean,
    ReduceMinimum,
    ReduceSum,
    ReLU,
    Reshape,
    ScaleOffset,
    Slice,
    Softmax,
    Subtract,
    Take,
    Transpose,
    UpsamplingBilinear,
    UpsamplingNearest,
    ZeroPadding,
)
from bittrue.program.functions import (
    ELU,
    GELU,
    SELU,
    Erf,
    Exp,
    HardSigmoid,
    HardSwish,
    Log,
    LogSigmoid,
    Mish,
    Reciprocal,
    Sigmoid,
    Sign,
    SiLU,
    Softplus,
    Softsign,
    Sqrt,
    Square,
    Tanh,
)
from bittrue.shapes import Padding, Shape


class Draft:
    """A network that grows node by node; parameters are random numbers that depend on the case's name alone."""

    def __init__(self, name: str, shape: Shape) -> None:
        self._builder = NetworkBuilder(name)
        self._random = np.random.default_rng(crc32(name.encode()))
        self.last = self._builder.add(self._builder.unique_name("image"), Input(shape))

    def add(self, name: str, operator: Operator, *inputs: str) -> str:
        """Add a node that reads `inputs`, or else the node before it."""
        self.last = self._builder.add(self._builder.unique_name(name), operator, *(inputs or (self.last,)))
        return self.last

    def parameter(self, name: str, *shape: int, scale: float = 0.5) -> Parameter:
        return Parameter(name, (scale * self._random.standard_normal(shape)).astype(np.float32))

    def convolution(
        self,
        name: str,
        kernel: tuple[int, ...],
        channels: int,
        *inputs: str,
        strides: tuple[int, ...] | None = None,
        padding: Padding | None = None,
        dilation: tuple[int, ...] | None = None,
        groups: int = 1,
        bias: bool = True,
    ) -> str:
        ones = (1,) * len(kernel)
        per_group = self.shape(*inputs)[-1] // groups
        operator = Convolution(
            self.parameter(f"{name}.weight", *kernel, per_group, channels),
            self.parameter(f"{name}.bias", channels) if bias else None,
            strides or ones,
            padding or ((0, 0),) * len(kernel),
            dilation or ones,
            groups,
        )
        return self.add(name, operator, *inputs)

    def transposed(
        self,
        name: str,
        kernel: tuple[int, ...],
        channels: int,
        strides: tuple[int, ...],
        padding: Padding | None = None,
        *,
        output_padding: tuple[int, ...] | None = None,
        dilation: tuple[int, ...] | None = None,
        groups: int = 1,
        bias: bool = True,
    ) -> str:
        per_group = self.shape()[-1] // groups
        operator = ConvolutionTransposed(
            self.parameter(f"{name}.weight", *kernel, per_group, channels),
            self.parameter(f"{name}.bias", channels) if bias else None,
            strides,
            padding or ((0, 0),) * len(kernel),
            output_padding or (0,) * len(kernel),
            dilation or (1,) * len(kernel),
            groups,
        )
        return self.add(name, operator)

    def dense(self, name: str, units: int, *inputs: str, bias: bool = True) -> str:
        weight = self.parameter(f"{name}.weight", self.shape(*inputs)[-1], units)
        return self.add(name, Dense(weight, self.parameter(f"{name}.bias", units) if bias else None), *inputs)

    def norm(self, name: str, *inputs: str, gamma: bool = True, beta: bool = True, epsilon: float = 1e-3) -> str:
        channels = self.shape(*inputs)[-1]
        variance = Parameter(f"{name}.variance", self._random.uniform(0.25, 2, channels).astype(np.float32))
        operator = BatchNormalization(
            self.parameter(f"{name}.gamma", channels, scale=1) if gamma else None,
            self.parameter(f"{name}.beta", channels) if beta else None,
            self.parameter(f"{name}.mean", channels),
            variance,
            epsilon,
        )
        return self.add(name, operator, *inputs)

    def shape(self, *inputs: str) -> Shape:
        return self._builder.shape(inputs[0] if inputs else self.last)

    def finish(self) -> Network:
        return self._builder.finish(self.last)


@dataclass(frozen=True)
class Case:
    """name: in tests' names. shape: of the input. extend: adds the nodes after the input."""

    name: str
    shape: Shape
    extend: Callable[[Draft], object] = field(repr=False)

    @property
    def network(self) -> Network:
        return _network(self)

    def has(self, *operators: type[Operator]) -> bool:
        return any(isinstance(node.operator, operators) for node in self.network.nodes)


@cache
def _network(case: Case) -> Network:
    draft = Draft(case.name, case.shape)
    case.extend(draft)
    return draft.finish()


def _after_add(draft: Draft) -> None:
    """Operands with different fraction bits wherever a plan gives each site its own."""
    source = draft.last
    first = draft.dense("first", 3, source)
    second = draft.convolution("second", (1, 1), 3, source)
    draft.add("add", Add(), first, second, source)
    draft.add("relu", ReLU())


def _concatenated(axis: int) -> Callable[[Draft], None]:
    def extend(draft: Draft) -> None:
        source = draft.last
        first = draft.convolution("first", (1, 1), 2, source)
        second = draft.norm("second", source)
        draft.add("concatenate", Concatenate(axis), first, second, source, first)

    return extend


def _shared(draft: Draft) -> None:
    """One layer used twice: two nodes, one weight site (B5)."""
    layer = Dense(draft.parameter("dense.weight", 3, 3), draft.parameter("dense.bias", 3))
    draft.add("dense", layer)
    draft.add("relu", ReLU())
    draft.add("dense", layer)


def _residual(draft: Draft) -> None:
    """A value with two consumers ends its group (B12)."""
    first = draft.convolution("conv1", (3, 3), 3, padding=((1, 1), (1, 1)))
    draft.norm("norm1")
    relu = draft.add("relu1", ReLU())
    draft.convolution("conv2", (3, 3), 3, padding=((1, 1), (1, 1)), bias=False)
    second = draft.norm("norm2")
    draft.add("add", Add(), relu, second)
    draft.add("relu2", ReLU())
    draft.add("again", Add(), draft.last, first)


def _twice(draft: Draft) -> None:
    """An operand that is added to itself."""
    draft.dense("dense", 2)
    draft.add("add", Add(), draft.last, draft.last)


def _network_of_all(draft: Draft) -> None:
    draft.convolution("conv", (3, 3), 4, strides=(2, 2), padding=((1, 0), (0, 1)))
    draft.add("relu", ReLU())
    draft.norm("norm")
    draft.add("pool", MaxPooling((2, 2), (1, 1), ((0, 1), (1, 0))))
    draft.add("dropout", Identity())
    draft.add("flatten", Flatten())
    draft.dense("dense", 5)
    draft.add("softmax", Softmax())


def _two(operator: Operator, channels: int = 3) -> Callable[[Draft], str]:
    """Of two values with formats of their own, the second of which may be broadcast."""

    def extend(draft: Draft) -> str:
        source = draft.last
        first = draft.dense("first", 3, source)
        return draft.add("node", operator, first, draft.dense("second", channels, source))

    return extend


def _excited(operator: Operator) -> Callable[[Draft], str]:
    """As squeeze-and-excitation does it: (height, width, channels) and (1, 1, channels)."""

    def extend(draft: Draft) -> str:
        source = draft.last
        draft.add("squeeze", GlobalMaxPooling(keepdims=True))
        draft.dense("excite", draft.shape(source)[-1])
        return draft.add("node", operator, source, draft.last)

    return extend


def _attended(draft: Draft) -> None:
    """Two matrix products, one with a transposed matrix, of two heads."""
    source = draft.last
    heads = []
    for name in ("query", "key", "value"):
        draft.dense(name, 4, source)
        draft.add(f"{name}_heads", Reshape((3, 2, 2)))
        heads.append(draft.add(f"{name}_moved", Transpose((1, 2, 0) if name == "key" else (1, 0, 2))))
    scores = draft.add("scores", MatMul(), *heads[:2])
    draft.add("output", MatMul(), scores, heads[2])


def _repeated_matrices(draft: Draft) -> None:
    """(2, 3, 2) by (2, 4): the same second matrix for each of the first ones."""
    source = draft.last
    second = draft.add("second", Slice((0,), (1,), (1,), (0,)), source)
    second = draft.add("matrix", Reshape((3, 2)), second)
    draft.add("node", MatMul(), source, draft.add("turned", Transpose((1, 0)), second))


def _constant(role: str, *shape: int, scale: float = 0.5) -> Callable[[Draft], str]:
    def extend(draft: Draft) -> str:
        draft.dense("dense", draft.shape()[-1])
        roles = ("scale", "offset") if role == "both" else (role,)
        constants = {name: draft.parameter(f"node.{name}", *shape, scale=scale) for name in roles}
        return draft.add("node", ScaleOffset(constants.get("scale"), constants.get("offset")))

    return extend


def _divided(*divisors: float) -> Callable[[Draft], str]:
    """By numbers that no format of the plans makes 0."""
    divisor = Parameter("node.divisor", np.array(divisors if len(divisors) > 1 else divisors[0], np.float32))
    return _followed(DivideConstant(divisor))


def _followed(operator: Operator) -> Callable[[Draft], str]:
    """A dense layer, so that numbers of many sizes arrive, and the operator."""

    def extend(draft: Draft) -> str:
        draft.dense("dense", 4)
        return draft.add("node", operator)

    return extend


def _only(operator: Operator) -> Callable[[Draft], str]:
    return lambda draft: draft.add("node", operator)


def _chain(*operators: Operator) -> Callable[[Draft], object]:
    return lambda draft: [draft.add(f"node{index}", operator) for index, operator in enumerate(operators)]


def _prelu(*slopes: int) -> Callable[[Draft], str]:
    return lambda draft: draft.add("node", PReLU(draft.parameter("node.slope", *slopes)))


def _layer_norm(axes: int, *, gamma: bool = True, beta: bool = True) -> Callable[[Draft], str]:
    def extend(draft: Draft) -> str:
        shape = draft.shape()[-axes:]
        factors = draft.parameter("node.gamma", *shape, scale=1) if gamma else None
        offsets = draft.parameter("node.beta", *shape) if beta else None
        return draft.add("node", LayerNormalization(factors, offsets, 1e-3, axes))

    return extend


CASES = (
    Case("conv", (5, 5, 2), lambda d: d.convolution("conv", (3, 3), 3)),
    Case("conv-1x1", (1, 1, 1), lambda d: d.convolution("conv", (1, 1), 1)),
    Case("conv-strides", (7, 5, 2), lambda d: d.convolution("conv", (3, 2), 3, strides=(2, 3))),
    Case("conv-dilation", (7, 5, 1), lambda d: d.convolution("conv", (2, 3), 2, dilation=(3, 2))),
    Case("conv-groups", (3, 3, 4), lambda d: d.convolution("conv", (2, 2), 6, groups=2)),
    Case("conv-depthwise", (3, 4, 3), lambda d: d.convolution("conv", (2, 2), 6, groups=3, padding=((1, 1), (0, 0)))),
    Case("conv-asymmetric", (4, 3, 2), lambda d: d.convolution("conv", (2, 2), 2, padding=((0, 1), (1, 0)))),
    Case("conv-no-bias", (3, 3, 2), lambda d: d.convolution("conv", (3, 3), 2, padding=((1, 1), (1, 1)), bias=False)),
    Case("conv1d", (11, 2), lambda d: d.convolution("conv", (3,), 3, strides=(2,), padding=((2, 0),), dilation=(2,))),
    Case("conv1d-groups", (5, 4), lambda d: d.convolution("conv", (2,), 4, groups=2, padding=((1, 1),))),
    Case(
        "conv1d-depthwise",
        (6, 3),
        lambda d: d.convolution("conv", (3,), 6, groups=3, padding=((0, 1),), dilation=(2,), bias=False),
    ),
    Case(
        "conv-groups-dilation",
        (6, 5, 4),
        lambda d: d.convolution("conv", (2, 3), 6, groups=2, strides=(2, 1), padding=((1, 0), (0, 2)), dilation=(3, 2)),
    ),
    Case("transposed", (3, 2, 2), lambda d: d.transposed("conv", (3, 2), 3, (2, 3), ((1, 0), (0, 1)))),
    Case("transposed-no-stride", (3, 3, 1), lambda d: d.transposed("conv", (3, 3), 2, (1, 1), ((1, 1), (1, 1)))),
    Case("transposed-1x1", (2, 2, 2), lambda d: d.transposed("conv", (1, 1), 2, (1, 1), bias=False)),
    Case(
        "transposed-groups",
        (2, 3, 4),
        lambda d: d.transposed("conv", (2, 3), 6, (3, 2), ((1, 1), (0, 2)), output_padding=(2, 1), groups=2),
    ),
    # Its last position is beyond the full result and holds the bias alone.
    Case(
        "transposed-1d",
        (4, 2),
        lambda d: d.transposed("conv", (2,), 2, (3,), ((1, 0),), output_padding=(1,), dilation=(2,), groups=2),
    ),
    Case("dense", (7,), lambda d: d.dense("dense", 3)),
    Case("dense-wide", (67,), lambda d: d.dense("dense", 2)),
    Case("dense-rank-3", (2, 3, 4), lambda d: d.dense("dense", 3)),
    Case("dense-no-bias", (5,), lambda d: d.dense("dense", 1, bias=False)),
    Case("norm", (2, 3, 3), lambda d: d.norm("norm")),
    Case("norm-of-dense", (4,), lambda d: (d.dense("dense", 3), d.norm("norm", epsilon=1e-5))),
    Case("norm-no-gamma", (3, 2), lambda d: d.norm("norm", gamma=False)),
    Case("norm-no-beta", (1, 2, 3), lambda d: d.norm("norm", beta=False)),
    Case("norm-neither", (5,), lambda d: d.norm("norm", gamma=False, beta=False)),
    Case("relu", (3, 2, 3), _followed(ReLU())),
    Case("relu-alone", (7,), _only(ReLU())),
    Case("relu6", (5,), _followed(ReLU(max_value=0.7))),
    Case("relu-below-zero", (5,), _only(ReLU(max_value=-0.5))),  # as a bound that wraps may be
    Case("leaky-relu", (5,), _followed(ReLU(negative_slope=0.25))),
    Case("relu-threshold", (5,), _followed(ReLU(threshold=0.5))),
    Case("relu-all", (5,), _followed(ReLU(max_value=1.5, negative_slope=0.375, threshold=0.25))),
    Case("relu-negative-slope", (5,), _followed(ReLU(negative_slope=-0.5, threshold=-0.25))),
    Case("sigmoid", (4,), _followed(Pointwise(Sigmoid()))),
    Case("tanh", (4,), _followed(Pointwise(Tanh()))),
    Case("prelu", (3, 2), _prelu(2)),
    Case("prelu-shared", (5,), _prelu(1)),
    Case("prelu-positions", (2, 2, 3), _prelu(2, 2, 3)),
    Case("prelu-columns", (2, 2, 3), _prelu(2, 3)),
    Case("clip", (7,), _only(Clip(-0.75, 1.25))),
    Case("clip-below", (5,), _followed(Clip(0.0, None))),
    Case("clip-nothing", (3,), _only(Clip(None, None))),
    Case("absolute", (5,), _only(Absolute())),
    Case("exp", (4,), _chain(Clip(-4.0, 3.0), Pointwise(Exp()))),
    Case("erf", (5,), _only(Pointwise(Erf()))),
    Case("square", (5,), _only(Pointwise(Square()))),
    Case("elu", (5,), _only(Pointwise(ELU(0.75)))),
    Case("selu", (5,), _only(Pointwise(SELU()))),
    Case("gelu", (5,), _only(Pointwise(GELU(approximate=False)))),
    Case("gelu-tanh", (5,), _only(Pointwise(GELU(approximate=True)))),
    Case("silu", (5,), _only(Pointwise(SiLU()))),
    Case("mish", (5,), _only(Pointwise(Mish()))),
    Case("softplus", (5,), _only(Pointwise(Softplus()))),
    Case("log-sigmoid", (5,), _only(Pointwise(LogSigmoid()))),
    Case("sign", (5,), _only(Pointwise(Sign()))),
    Case("softsign", (5,), _only(Pointwise(Softsign()))),
    Case("hard-sigmoid", (5,), _only(Pointwise(HardSigmoid()))),
    Case("hard-sigmoid-of-onnx", (5,), _only(Pointwise(HardSigmoid(0.2, 0.625)))),
    Case("hard-swish", (5,), _only(Pointwise(HardSwish()))),
    Case("softmax", (4,), _followed(Softmax())),
    Case("softmax-rank-3", (1, 2, 3), _only(Softmax())),
    Case("softmax-of-one", (1,), _only(Softmax())),
    Case("softmax-causal", (4, 4), _followed(Softmax(Mask(np.tri(4, dtype=np.bool_))))),
    Case("softmax-masked", (2, 3, 4), _only(Softmax(Mask(np.array([[1, 0, 1, 1], [0, 1, 0, 0], [0, 1, 1, 0]]) > 0)))),
    Case("softmax-one-mask", (2, 4), _only(Softmax(Mask(np.array([False, True, True, False]))))),
    Case("log-softmax", (4,), _only(LogSoftmax())),
    Case("log-softmax-rank-3", (1, 2, 3), _only(LogSoftmax())),
    Case("log-softmax-of-one", (1,), _only(LogSoftmax())),
    Case("layer-norm", (2, 5), _layer_norm(1)),
    Case("layer-norm-two-axes", (2, 2, 3), _layer_norm(2, beta=False)),
    Case("layer-norm-neither", (4,), _layer_norm(1, gamma=False, beta=False)),
    Case("max-pooling", (5, 5, 2), _only(MaxPooling((2, 3), (2, 1), ((0, 1), (1, 0))))),
    Case("max-pooling-1d", (7, 3), _only(MaxPooling((3,), (2,), ((1, 1),)))),
    Case("max-pooling-whole", (3, 2, 2), _only(MaxPooling((3, 2), (1, 1), ((0, 0), (0, 0))))),
    Case("max-pooling-dilation", (7, 5, 2), _only(MaxPooling((2, 3), (2, 1), ((0, 1), (1, 1)), dilation=(3, 2)))),
    Case("max-pooling-ceil", (6, 5, 2), _only(MaxPooling((3, 2), (2, 4), ((0, 0), (1, 1)), ceil_mode=True))),
    Case("max-pooling-ceil-dropped", (4, 2), _only(MaxPooling((1,), (2,), ((0, 1),), ceil_mode=True))),
    Case("max-pooling-3d", (3, 2, 4, 2), _only(MaxPooling((2, 2, 3), (1, 1, 2), ((0, 1), (0, 0), (1, 0))))),
    Case("average-pooling", (5, 4, 2), _only(AveragePooling((2, 2), (2, 2), ((0, 0), (0, 0))))),
    Case("average-pooling-padded", (5, 5, 2), _only(AveragePooling((3, 2), (2, 1), ((1, 0), (0, 1))))),
    Case("average-pooling-counts", (3, 3, 2), _only(AveragePooling((3, 3), (1, 1), ((1, 1), (2, 0)), True))),
    Case("average-pooling-divisor", (5, 4, 2), _only(AveragePooling((3, 2), (2, 2), ((1, 1), (0, 1)), divisor=5))),
    Case("average-pooling-sum", (4, 4, 2), _only(AveragePooling((2, 2), (2, 2), ((0, 0), (0, 0)), divisor=1))),
    Case("average-pooling-1d", (7, 2), _only(AveragePooling((3,), (2,), ((1, 1),)))),
    Case(
        "average-pooling-ceil", (6, 5, 2), _only(AveragePooling((3, 3), (2, 3), ((1, 0), (0, 1)), True, ceil_mode=True))
    ),
    Case("average-pooling-ceil-1d", (6, 2), _only(AveragePooling((3,), (4,), ((1, 0),), ceil_mode=True))),
    Case(
        "average-pooling-dilation", (6, 5, 1), _only(AveragePooling((2, 2), (1, 2), ((1, 0), (1, 1)), dilation=(3, 2)))
    ),
    Case("average-pooling-3d", (2, 3, 2, 2), _only(AveragePooling((2, 2, 1), (1, 2, 1), ((0, 0), (1, 0), (0, 0))))),
    Case("adaptive-average", (5, 7, 2), _only(AdaptiveAveragePooling((3, 5)))),
    Case("adaptive-average-even", (6, 4, 2), _only(AdaptiveAveragePooling((3, 1)))),
    Case("adaptive-average-wider", (2, 3), _only(AdaptiveAveragePooling((3,)))),
    Case("adaptive-maximum", (5, 6, 2), _only(AdaptiveMaxPooling((2, 3)))),
    Case("adaptive-maximum-1d", (7, 2), _only(AdaptiveMaxPooling((4,)))),
    Case("reduce-mean", (3, 2, 3), _only(ReduceMean((0, 2)))),
    Case("reduce-mean-keepdims", (2, 3, 4), _only(ReduceMean((1,), keepdims=True))),
    Case("reduce-mean-last", (3, 4), _followed(ReduceMean((1,), keepdims=True))),
    Case("reduce-mean-all", (3, 2), _only(ReduceMean((0, 1)))),
    Case("reduce-sum", (3, 2, 3), _followed(ReduceSum((1, 2)))),
    Case("reduce-sum-rows", (3, 5, 2), _followed(ReduceSum((0,), keepdims=True))),
    Case("reduce-maximum", (3, 2, 3), _followed(ReduceMaximum((2,)))),
    Case("reduce-minimum", (3, 2, 3), _followed(ReduceMinimum((0, 2), keepdims=True))),
    Case("reduce-minimum-columns", (3, 4, 2), _only(ReduceMinimum((1,)))),
    Case("global-average-3d", (2, 3, 2, 2), _only(GlobalAveragePooling())),
    Case("global-average", (3, 5, 3), _only(GlobalAveragePooling())),
    Case("global-average-of-eight", (2, 4, 3), _only(GlobalAveragePooling(keepdims=True))),
    Case("global-maximum", (3, 5, 3), _only(GlobalMaxPooling())),
    Case("global-maximum-keepdims", (7, 2), _only(GlobalMaxPooling(keepdims=True))),
    Case("add", (2, 2, 3), _after_add),
    Case("add-to-itself", (3,), _twice),
    Case("add-broadcast", (2, 3, 2), _excited(Add())),
    Case("subtract", (2, 3), _two(Subtract())),
    Case("subtract-broadcast", (2, 3), _two(Subtract(), 1)),
    Case("multiply", (2, 3), _two(Multiply())),
    Case("multiply-broadcast", (2, 3, 2), _excited(Multiply())),
    Case("average", (2, 3), _two(Average())),
    Case("maximum", (2, 3), _two(Maximum())),
    Case("minimum-broadcast", (2, 3), _two(Minimum(), 1)),
    Case("matrix-product", (3, 5), _attended),
    Case("matrix-product-repeated", (2, 3, 2), _repeated_matrices),
    Case("scale", (2, 3), _constant("scale", 3)),
    Case("offset-each", (2, 3), _constant("offset", 2, 3)),
    Case("scale-offset-number", (2, 3), _constant("both")),
    Case("scale-offset-rows", (2, 3), _constant("both", 2, 1)),
    Case("divide-number", (2, 3), _divided(3 + 3 / 512)),
    Case("divide-channels", (5,), _divided(3 + 3 / 512, -2.5 - 3 / 512, 3.5 + 1 / 512, 2.75 + 1 / 512)),
    Case("take", (2, 4), _followed(Take((3, 0, 0, 2), 1))),
    Case("take-rows", (3, 2, 2), _only(Take((2, 0), 0))),
    Case("transpose", (2, 3, 2), _followed(Transpose((2, 0, 1)))),
    Case("slice", (5, 3, 2), _followed(Slice((1, -1), (4, -9), (2, -1), (0, 2)))),
    Case("broadcast", (3,), _followed(Broadcast((2, 3, 4)))),
    Case("upsampling-nearest", (2, 3, 2), _followed(UpsamplingNearest((2, 3)))),
    Case("upsampling-nearest-1d", (3, 2), _only(UpsamplingNearest((2,)))),
    Case("upsampling-bilinear", (2, 3, 2), _followed(UpsamplingBilinear((2, 2), False))),
    Case("upsampling-bilinear-thirds", (3, 2, 1), _followed(UpsamplingBilinear((3, 1), False))),
    Case("upsampling-bilinear-corners", (3, 2, 2), _followed(UpsamplingBilinear((2, 3), True))),
    Case("upsampling-bilinear-1d", (3, 2), _only(UpsamplingBilinear((4,), False))),
    Case("pad", (2, 3, 2), _followed(Pad(((1, 0), (0, 2), (1, 1))))),
    Case("pad-value", (2, 3), _followed(Pad(((1, 0), (0, 2)), -0.3125))),
    Case("concatenate-rows", (2, 2, 2), _concatenated(0)),
    Case("concatenate-columns", (2, 2, 2), _concatenated(1)),
    Case("concatenate-channels", (2, 2, 2), _concatenated(2)),
    Case("flatten", (2, 3, 2), _followed(Flatten())),
    Case("reshape", (2, 3, 2), _followed(Reshape((4, 1, 6)))),
    Case("zero-padding", (2, 3, 2), _followed(ZeroPadding(((1, 0), (0, 2))))),
    Case("zero-padding-1d", (3, 2), _only(ZeroPadding(((2, 1),)))),
    Case("identity", (3,), _followed(Identity())),
    Case("shared", (3,), _shared),
    Case("residual", (3, 3, 3), _residual),
    Case("whole", (7, 7, 2), _network_of_all),
)


def _quotient(draft: Draft) -> None:
    source = draft.last
    numerator = draft.dense("numerator", 3, source)
    draft.add("positive", ReLU(), draft.dense("divisor", 3, source))
    offset = Parameter("away.offset", np.array(1.5, np.float32))
    draft.add("node", Divide(), numerator, draft.add("away", ScaleOffset(None, offset)))


QUOTIENT = Case("quotient", (2, 3), _quotient)

POSITIVE_CASES = (
    Case("log", (6,), _chain(Clip(0.125, 9.0), Pointwise(Log()))),
    Case("sqrt", (6,), _chain(Clip(0.125, 9.0), Pointwise(Sqrt()))),
    Case("reciprocal", (6,), _chain(Clip(0.125, 9.0), Pointwise(Reciprocal()))),
    QUOTIENT,
)
"""Functions that not every number has, and so not under every plan."""


def inputs_of(case: Case, *, fraction_bits: int = 3, images: int = 2) -> np.ndarray:
    """Random images, then hostile ones: zeros, the far ends of narrow formats, ties of `fraction_bits` with tiny steps
    beside them. float32, (batch, *shape)."""
    random = np.random.default_rng(crc32(case.name.encode()) + 1)
    shape = case.shape
    tie = (random.integers(-8, 8, shape) + 0.5) * 2.0**-fraction_bits
    beside = np.nextafter(tie.astype(np.float32), random.choice([-np.inf, np.inf], shape).astype(np.float32))
    hostile = [
        np.zeros(shape),
        random.choice([-1.0, 1.0], shape) * 4096.0,
        tie,
        np.where(random.random(shape) < 0.5, tie, beside),
    ]
    return np.stack([*random.standard_normal((images, *shape)), *hostile]).astype(np.float32)
