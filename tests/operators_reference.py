"""`python tests/operators_reference.py docs/operators.md`: the operators and instructions, from the tables themselves.

Sites and instructions are those of the cases, lowered under each option that changes them.
"""

import inspect
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator

from bittrue import operators, program
from bittrue.files import write_text
from bittrue.lowering import lower_network
from bittrue.network import Operator
from bittrue.operators import Divide, Pointwise
from bittrue.operators.functions import float_function
from bittrue.plan import STUDY_OPTIONS, PlanOptions, sites_of, uniform_plan
from bittrue.program import FixedNetwork, Function, Instruction, Lookup, functions
from bittrue.program.functions import Log, Reciprocal, Sqrt
from cases import CASES, Case, Draft
from test_rule_matrix import columns, rows

OPTIONS = (PlanOptions(), STUDY_OPTIONS, PlanOptions(softmax="table", layer_norm="table"))

HEAD = """# Operators and instructions

Made by `python tests/operators_reference.py docs/operators.md`; a test keeps it fresh.

Every operator of a trained network becomes instructions, which compute in integers. Shapes and axes leave the batch
axis out, and channels are last. A site is a number that hardware stores or passes on (B5); `B1` to `B14` are rules of
the [specification](specification.md).
"""


def reference() -> str:
    """The reference in Markdown."""
    sites, instructions = _found()
    lines = [HEAD, "## Operators\n"]
    lines += _table(
        ("Operator", "What it computes", "Sites", "Instructions", "Gaps"),
        (
            (f"`{cls.__name__}`", _meaning(cls), _listed(sites[cls]), _listed(instructions[cls]), _gaps(cls, Operator))
            for cls in _named_operators()
        ),
    )
    for heading, module, base in (
        ("Instructions", program, Instruction),
        ("Functions of one code, which a `Lookup` evaluates", functions, Function),
    ):
        lines.append(f"## {heading}\n")
        lines += _table(
            (heading.split()[0].removesuffix("s"), "What it computes", "Gaps"),
            ((f"`{cls.__name__}`", _meaning(cls), _gaps(cls, base)) for cls in _by_name(module, base)),
        )
    return "\n".join(lines)


def _inputs_that_fail(draft: Draft) -> None:
    """Operators that the cases leave out, since some of their inputs are errors."""
    image = draft.last
    for operator in (Pointwise(Log()), Pointwise(Reciprocal()), Pointwise(Sqrt())):
        draft.add("node", operator)
    draft.add("divide", Divide(), draft.last, image)


REFERENCE_CASES = (*CASES, Case("inputs-that-fail", (2,), _inputs_that_fail))


def _found() -> tuple[dict[type, list[str]], dict[type, list[str]]]:
    """The roles of each operator's sites, and the names of the instructions that it becomes, as first met."""
    sites: dict[type, list[str]] = defaultdict(list)
    instructions: dict[type, list[str]] = defaultdict(list)
    for case in REFERENCE_CASES:
        for options in OPTIONS:
            kinds = {node.name: type(node.operator.written) for node in case.network.nodes}
            for site in sites_of(case.network, options).values():
                _add(sites[kinds[site.node]], site.role)
            lowered = lower_network(case.network, uniform_plan(case.network, 12, 7, options=options))
            for node, name in _steps(lowered):
                _add(instructions[kinds[node]], name)
    return sites, instructions


def _steps(lowered: FixedNetwork) -> Iterator[tuple[str, str]]:
    """Each step's node, and its instruction's name, with the function's where it evaluates one."""
    for step in lowered.steps:
        name = type(step.instruction).__name__
        if isinstance(step.instruction, Lookup):
            name += f"({type(step.instruction.function).__name__})"
        yield step.node, name


def _add(found: list[str], name: str) -> None:
    if name not in found:
        found.append(name)


def _named_operators() -> list[type]:
    """The operators as networks write them: each function of one code by its own name."""
    classes = {*_by_name(operators, Operator), *float_function} - {operators.Pointwise}
    return sorted(classes, key=lambda cls: cls.__name__.lower())


def _by_name(module: object, base: type) -> list[type]:
    known = rows(base)
    classes = [value for value in vars(module).values() if inspect.isclass(value) and value in known]
    return sorted(classes, key=lambda cls: cls.__name__.lower())


def _meaning(cls: type) -> str:
    """The docstring's first paragraph; of an instruction the second, too, where the formula is only there."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in (inspect.getdoc(cls) or "").split("\n\n")]
    if issubclass(cls, Instruction) and len(paragraphs) > 1 and "=" not in paragraphs[0]:
        return " ".join(paragraphs[:2])
    return paragraphs[0]


def _gaps(cls: type, base: type) -> str:
    reasons = ((name, table.gap(cls)) for name, table in columns(base).items())
    return "; ".join(f"{name}: {reason}" for name, reason in sorted(reasons) if reason is not None)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], cells: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in cells:
        yield f"| {' | '.join(map(_escaped, row))} |"
    yield ""


def _escaped(cell: str) -> str:
    """A cell's text, in which `|` ends no cell, and `][` is no reference to a link."""
    return cell.replace("|", "\\|").replace("][", "]\\[")


if __name__ == "__main__":
    write_text(sys.argv[1], reference())
