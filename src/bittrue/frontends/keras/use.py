"""What the rule of a Keras layer sees of one use of the layer, and what it may make of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.keras.config import Settings
from bittrue.network import Operator, Parameter, format_shape
from bittrue.plan import Spec
from bittrue.shapes import Padding, Shape

ParameterReader = Callable[[dict[str, Shape | None]], dict[str, Parameter]]
"""Takes each role with the shape that Keras stores, in Keras's order, None where the layer goes without; returns those
that are there."""

ArrayReader = Callable[[tuple[str, ...], int], list[np.ndarray]]
"""Takes the attributes that lead to a layer inside of the layer, and how many arrays it has; returns them in Keras's
order."""


@dataclass(frozen=True)
class LayerUse:
    """One use of a layer: its settings, the shapes that it reads, and its trained arrays."""

    settings: Settings
    shapes: tuple[Shape, ...]
    parameters: ParameterReader
    parameter_name: Callable[[str], str] = str
    """The name of a parameter that the layer has in its settings, by its role."""
    arrays: ArrayReader = field(default=lambda path, count: [])
    """The arrays of a layer inside of the layer."""
    operands: tuple[object, ...] = ()
    """The positional arguments of an operation of `keras.ops`, with an Operand in the place of each tensor."""

    @property
    def shape(self) -> Shape:
        return self.shapes[0]

    def spatial(self, rank: int) -> Shape:
        """The input's spatial axes, of which the layer needs `rank`."""
        if len(self.shape) != rank + 1:
            needed = "×".join((*AXES[rank], "channels"))
            raise ModelError(f"it needs an input of {needed} and reads {format_shape(self.shape)}")
        return self.shape[:-1]

    def channels(self, rank: int) -> int:
        """The channels of an input with `rank` spatial axes."""
        self.spatial(rank)
        return self.shape[-1]

    def parameter_shape(self, flag: str, *shape: int) -> Shape | None:
        """The shape of a parameter that the layer has where the setting `flag` says so."""
        return shape if self.settings.flag(flag) else None

    def padding(
        self, window: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...], *others: str
    ) -> Padding:
        """Zeros before and after on each spatial axis; `same` puts an odd one at the end, as TensorFlow does.

        others: what else than `valid` and `same` the layer may say: `causal`.
        """
        spatial = self.spatial(len(window))
        kind = self.settings.choice("padding", "valid", "same", *others)
        if kind == "valid":
            return ((0, 0),) * len(window)
        if kind == "causal":  # what is later in time is never read
            return tuple((step * (reach - 1), 0) for reach, step in zip(window, dilation, strict=True))
        totals = [_same_padding(*axis) for axis in zip(spatial, window, strides, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)


@dataclass(frozen=True)
class Chain:
    """The operators of a layer that becomes several nodes, each reading the one before it.

    parts: names that are put behind the layer's own, with their operators; the `last` node has the layer's name. The
    parameters of a part have roles with its name before them, `depthwise.weight`.
    """

    parts: tuple[tuple[str, Operator], ...]
    last: Operator


Part = tuple[str, Operator, tuple[str | int, ...]]
"""A node of a layer that becomes several: a name that is put behind the layer's own, the operator, and what it reads:
the layer's inputs by their number, earlier parts by name, the node of the layer's name as the empty one."""


@dataclass(frozen=True)
class Graph:
    """The operators of a layer that becomes several nodes, which may read any of those before them.

    `last` has the layer's name; it reads the last of the parts, or what `reads` says. Roles are as in Chain.
    behind: parts that come after it, as a fused activation does. quantizers: those that the model itself holds, by the
    role of the site: `output` and `weight` of `last`, `relu.output` of a part.
    """

    parts: tuple[Part, ...]
    last: Operator
    reads: tuple[str | int, ...] = ()
    behind: tuple[Part, ...] = ()
    quantizers: Mapping[str, Spec] = field(default_factory=dict)


@dataclass(frozen=True)
class Outputs:
    """The operators of a layer with several outputs, one each, all of them reading its inputs."""

    operators: tuple[Operator, ...]


UNREAD = "unread "
"""How the roles of stored numbers begin that only training reads."""

COUNTER = f"{UNREAD}count"

Rule = Callable[[LayerUse], Operator | Chain | Graph | Outputs]


@dataclass(frozen=True)
class LayerKind:
    """What a class of Keras layers means.

    reads_several: whether it reads several tensors, where all others read one.
    has_activation: whether its `activation` argument becomes a node of its own.
    holds_constants: whether its parameters are numbers of its settings, not weights of the layer.
    as_activation: the name of the node where the layer stands as another one's `activation`; empty where none may.
    call_flags: the arguments of its call that are true or false, and that its rule knows.
    note: what is told of a layer that is read, behind its name.
    inner: the layers inside of it that hold its weights, in the order in which its rule asks for them: (attribute,
    name).
    """

    rule: Rule
    reads_several: bool = False
    has_activation: bool = False
    holds_constants: bool = False
    as_activation: str = ""
    call_flags: tuple[str, ...] = ()
    note: str = ""
    inner: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Unsupported:
    """A class of Keras layers that is refused by name; what to do instead, in words behind `is not supported:`."""

    remedy: str


AXES = {1: ("steps",), 2: ("height", "width")}
"""What an error calls the spatial axes."""


def _same_padding(size: int, window: int, stride: int, dilation: int) -> int:
    """The zeros that make ⌈size / stride⌉ windows fit."""
    last_start = (-(-size // stride) - 1) * stride
    return max(last_start + (window - 1) * dilation + 1 - size, 0)
