"""The simulation against the definition: every node's codes on a few images, bit for bit (section 3 of the design)."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from math import prod
from typing import Any, ClassVar

import numpy as np

from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.evaluating.engine import EngineLike, opened
from bittrue.analysis.evaluating.executor import Unit
from bittrue.analysis.progress import Progress, showing
from bittrue.data import Batch, DataLike
from bittrue.definition import Codes as DefinedCodes
from bittrue.definition import interpret_step
from bittrue.display import View
from bittrue.environment import exact_environment
from bittrue.errors import BittrueError, PlanError
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.program import Bypass, FixedNetwork, MultiplyAccumulate, Step
from bittrue.result import SavedResult
from bittrue.simulation.simulator import BatchResult, Simulator
from bittrue.simulation.values import Value
from bittrue.wording import counted

_CODE = 20  # products that take as long as what happens to each code besides

BATCH_SIZE = 2  # as small as it can be while a kernel that mixes images up is still found out


@dataclass(frozen=True)
class FirstMismatch:
    """Where the simulation first differs, in the order of the steps of the first batch that does.

    site: the site, or the name of a step in between. what: "code", "value" (the network's output as float64), "fraction
    bits" of all codes, or "overflows" of `image` and those that were simulated with it. index: the place in the image's
    tensor, flat in row-major order; None for the latter two. expected: by the definition.
    """

    site: str
    what: str
    image: int
    index: int | None
    expected: int | float
    got: int | float | None


@dataclass(frozen=True, repr=False)
class Verification(SavedResult):
    """What was compared, and how it went.

    values: codes that were compared. mismatches: how many differed, wrong overflow counts and output values included.
    not_compared: steps that FLOAT has a part in, for which there is no definition.
    """

    network: str
    plan: str
    data: Mapping[str, Any]
    against: str
    images: int
    values: int
    mismatches: int
    first: FirstMismatch | None
    not_compared: tuple[str, ...]

    file: ClassVar[str] = "verification"

    def view(self) -> View:
        values, images = counted(self.values, "value"), counted(self.images, "image")
        sentences = [
            f"Against the {self.against}: {values} on {images}, {counted(self.mismatches, 'mismatch', 'mismatches')}."
        ]
        if self.first is not None:
            first = self.first
            place = "" if first.index is None else f", index {first.index}"
            sentences.append(f"The first: {first.what} of {first.site}, image {first.image}{place}.")
            sentences.append(f"Expected {first.expected}, got {first.got}.")
        if self.not_compared:
            sentences.append(f"Without a definition, since FLOAT has a part in them: {', '.join(self.not_compared)}.")
        return tuple(sentences)

    def records(self) -> list[dict[str, Any]]:
        """One row: what was compared, and where the first mismatch lies."""
        first = {} if self.first is None else asdict(self.first)
        counts = {name: getattr(self, name) for name in ("against", "images", "values", "mismatches")}
        return [counts | {f"first_{entry.name}": first.get(entry.name) for entry in fields(FirstMismatch)}]

    def to_json(self) -> dict[str, Any]:
        """verify.json's object."""
        return {"bittrue": 1, **asdict(self)}

    @classmethod
    def from_json(cls, content: Any, source: str) -> "Verification":
        try:
            values = {entry.name: content[entry.name] for entry in fields(cls)}
            first = None if values["first"] is None else FirstMismatch(**values["first"])
            return cls(**values | {"first": first, "not_compared": tuple(values["not_compared"])})
        except (KeyError, TypeError, ValueError) as error:
            raise BittrueError(f"{source}: not a verification ({error!r}); make one with `bittrue verify`.") from None


@exact_environment()
def verify(
    network: Network,
    plan: Plan,
    dataset: DataLike,
    *,
    against: str = "reference",
    images: int | None = 2,
    engine: EngineLike = None,
    progress: Progress | None = None,
) -> Verification:
    """Compare the simulation of the first `images` examples (None: all) with the definition in Python integers.

    Every step's codes and their binary point, every overflow count, and the network's output values. The definition
    goes its own way through the network: it takes nothing from the simulation but the images. engine: see
    `measure_ranges`.

    Raises: DataError where the data doesn't fit; PlanError for another network's plan, or one with nothing to compare;
    CarrierError where no exact result can be promised; BittrueError for another witness.
    """
    if against != "reference":
        raise BittrueError(f"There is no witness {against!r} here: compare with reference, the definition.")
    chosen = chosen_images(network, dataset, images)
    # A program for each, so that a kernel that writes into its weights is found out: the definition's stay as they are.
    program = lower_network(network, plan)
    without_definition = _reached_by_float(program)
    if program.steps[0].name in without_definition:
        raise PlanError(
            f"site {network.input.name}.output: it is FLOAT, so that no node has integers to compare; give it a format."
        )
    by_start: dict[int, _Compared] = {}
    with opened(engine) as carrying_out, showing(progress, "verify", chosen.images) as advance:

        def take(part: Unit[Plan], compared: _Compared) -> None:
            by_start[part.images.start] = compared
            if carrying_out.is_apart:
                advance(len(part.images))

        executor = carrying_out.executor(chosen, BATCH_SIZE, progress)
        executor.run(_Comparing(network, program, advance), [Unit(plan, range(chosen.images))], take)
    found = [by_start[start] for start in sorted(by_start)]
    return Verification(
        network=network.hash,
        plan=plan.hash,
        data={"name": chosen.name, "sha256": chosen.sha256, "images": chosen.images},
        against=against,
        images=chosen.images,
        values=sum(compared.values for compared in found),
        mismatches=sum(compared.mismatches for compared in found),
        first=next((compared.first for compared in found if compared.first is not None), None),
        not_compared=tuple(sorted(without_definition, key=list(program.by_name).index)),
    )


@dataclass(frozen=True)
class _Compared:
    """What the comparison of a batch found; see Verification and FirstMismatch."""

    values: int
    mismatches: int
    first: FirstMismatch | None


@dataclass(frozen=True, eq=False)
class _Comparing:
    """The work of comparing each batch with the definition.

    program: of the plan, where it is lowered already; it doesn't travel. advance: called with each part of an image
    that is done, in this process.
    """

    network: Network
    program: FixedNetwork | None = None
    advance: Callable[[float], None] = lambda images: None

    def __reduce__(self) -> tuple[Any, ...]:
        return _Comparing, (self.network,)

    def prepare(self, plan: Plan) -> Callable[[Batch], _Compared]:
        program = lower_network(self.network, plan) if self.program is None else self.program
        simulator = Simulator(lower_network(self.network, plan))
        without_definition = _reached_by_float(program)

        def compute(batch: Batch) -> _Compared:
            comparison = _Comparison(program, without_definition, simulator)
            comparison.add(batch.x, batch.start, self.advance)
            return _Compared(comparison.values, comparison.mismatches, comparison.first)

        return compute


class _Comparison:
    """The comparison of one batch."""

    def __init__(self, program: FixedNetwork, without_definition: frozenset[str], simulator: Simulator) -> None:
        self.program, self.without_definition = program, without_definition
        self.values = self.mismatches = 0
        self.first: FirstMismatch | None = None
        self._simulator = simulator
        work = {step.name: _work(step) for step in program.steps if step.name not in without_definition}
        self._shares = {name: part / sum(work.values()) for name, part in work.items()}

    def add(self, x: np.ndarray, start: int, advance: Callable[[float], None]) -> None:
        """Compare the images (batch, *shape), the first of which is the data set's number `start`."""
        seen: dict[str, tuple[int | None, list[list[int | float]]]] = {}

        def observe(step: Step, codes: Value) -> None:
            if step.name not in self.without_definition:
                # Python's numbers, which compare exactly: an integer with a float too, should a code be no integer.
                seen[step.name] = (codes.fraction_bits, codes.rows())

        result = self._simulator.run(x, observe)
        overflows: Counter[str] = Counter()
        for image in range(len(x)):
            got = {name: (bits, rows[image]) for name, (bits, rows) in seen.items()}
            outputs = result.outputs[image].ravel().tolist()
            overflows.update(self._one_image(x[image], start + image, got, outputs, advance))
        self._overflows(result, overflows, start)

    def _one_image(
        self,
        x: np.ndarray,
        image: int,
        got: Mapping[str, tuple[int | None, list[int | float]]],
        outputs: list[float],
        advance: Callable[[float], None],
    ) -> dict[str, int]:
        """Interpret one image step by step, keeping what a later step reads; returns the overflows by site."""
        readers = Counter(name for step in self.program.steps for name in step.inputs)
        values: dict[str, DefinedCodes] = {}
        overflows: dict[str, int] = {}
        for step in self.program.steps:
            if step.name in self.without_definition:
                continue
            given = x.ravel().tolist() if step is self.program.steps[0] else None
            expected = interpret_step(step, [values[name] for name in step.inputs], given)
            advance(self._shares[step.name])
            values[step.name] = expected
            self._codes(step, image, expected, *got[step.name])
            if step.name == self.program.output:
                in_float = [_nearest_float(code, expected.binary_point) for code in expected.codes]
                self._compare(step, "value", image, in_float, outputs)
            if step.site is not None and step.quantizer is not None:
                overflows[step.site] = expected.overflows
            for role, count in expected.inner_overflows.items():
                overflows[step.inner_site(role)] = count
            for name in step.inputs:
                readers[name] -= 1
                if not readers[name]:
                    del values[name]
        return overflows

    def _codes(
        self, step: Step, image: int, expected: DefinedCodes, fraction_bits: int | None, got: list[int | float]
    ) -> None:
        self.values += len(expected.codes)
        if fraction_bits == expected.fraction_bits:
            self._compare(step, "code", image, expected.codes, got)
            return
        site, point = step.site or step.name, expected.binary_point
        self._note(site, "fraction bits", image, None, point, fraction_bits, len(expected.codes))

    def _compare(
        self, step: Step, what: str, image: int, expected: list[int] | list[float], got: list[int | float] | list[float]
    ) -> None:
        differing = [index for index, (ours, theirs) in enumerate(zip(expected, got, strict=True)) if ours != theirs]
        if differing:
            index = differing[0]
            self._note(step.site or step.name, what, image, index, expected[index], got[index], len(differing))

    def _overflows(self, result: BatchResult, expected: Mapping[str, int], start: int) -> None:
        for site, count in expected.items():
            got = result.overflows.get(site)
            if got != count:
                self._note(site, "overflows", start, None, count, got, 1)

    def _note(
        self,
        site: str,
        what: str,
        image: int,
        index: int | None,
        expected: int | float,
        got: int | float | None,
        count: int,
    ) -> None:
        self.mismatches += count
        if self.first is None:
            whole = int(got) if isinstance(got, float) and what == "code" and got.is_integer() else got
            self.first = FirstMismatch(site, what, image, index, expected, whole)


def _work(step: Step) -> int:
    """About how long the definition of a step takes, in products: a bar moves by it, and nothing else depends on it."""
    instruction = step.instruction
    products = instruction.weight[..., 0].size if isinstance(instruction, MultiplyAccumulate) else 0
    return prod(step.type.shape) * (products + _CODE)


def _nearest_float(code: int, fraction_bits: int) -> float:
    """The float64 next to a code's value; Python rounds the quotient of two integers correctly, however large."""
    return code / (1 << fraction_bits) if fraction_bits >= 0 else float(code << -fraction_bits)


def _reached_by_float(program: FixedNetwork) -> frozenset[str]:
    """The steps that are computed in float32, and those that read from them, directly or not."""
    reached: set[str] = set()
    for step in program.steps:
        if isinstance(step.instruction, Bypass) or step.type.is_float or reached.intersection(step.inputs):
            reached.add(step.name)
    return frozenset(reached)
