"""The network's input: float32 values, which are exact numbers, rounded once by the input's quantizer (B11)."""

from dataclasses import dataclass

from bittrue import program
from bittrue.errors import PlanError
from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, Word, grouping, output_site, sites
from bittrue.program import Bounds
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class Input(Operator):
    """The network's input; `shape` leaves the batch axis out."""

    shape: Shape


@shape_of.rule(Input)
def _(operator: Input, shapes: tuple[Shape, ...]) -> Shape:
    return operator.shape


@sites.rule(Input)
def _(operator: Input, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node, finite=False),)


@grouping.rule(Input)
def _(operator: Input) -> Grouping:
    return Grouping.END


@output_kind.rule(Input)
def _(operator: Input) -> OutputKind:
    return OutputKind.OTHER


@float_value.rule(Input)
def _(operator: Input) -> FloatFunction:
    return lambda x: x


@lower.rule(Input)
def _(operator: Input, context: LoweringContext) -> None:
    if context.spec("output") is Word.FLOAT:
        context.finish_float(program.Quantize())
    elif context.spec("output") is Word.EXACT:
        raise PlanError(
            f"site {context.node.name}.output: EXACT is impossible for an input, whose float32 values "
            "need up to 277 bits; give it a format, or FLOAT."
        )
    else:
        context.finish(program.Quantize(), (), None, Bounds())


@bypass.rule(Input)
def _(operator: Input, context: LoweringContext) -> Operator:
    return operator
