"""Units of evaluation, and what carries them out (docs/decisions/0012-evaluation-units.md)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from bittrue.analysis.evaluating.batches import reading
from bittrue.analysis.progress import Progress, showing
from bittrue.data import Batch, Dataset
from bittrue.plan import Plan

Under = TypeVar("Under", bound=Plan | None)
"""A plan, or None for the float network and for work that has its program."""

Asked = TypeVar("Asked", bound=Plan | None, contravariant=True)
Found = TypeVar("Found")
"""What is found out about some images, such as a Record."""

Given = TypeVar("Given", covariant=True)


@dataclass(frozen=True)
class Unit(Generic[Under]):
    """Images of a data set under a plan; None: in the float network, or in the program that the work has."""

    plan: Under
    images: range


class Work(Protocol[Asked, Given]):
    """What is done with the images of units."""

    def prepare(self, plan: Asked) -> Callable[[Batch], Given]:
        """Lower the plan and lay out its kernels; what this returns is then called with each batch of its images."""


class Executor(Protocol):
    """Carries out units, here or elsewhere."""

    def run(
        self, work: Work[Under, Found], units: Iterable[Unit[Under]], take: Callable[[Unit[Under], Found], None]
    ) -> None:
        """Have `work` done on all units, and call `take`, in this process and one call at a time, with what was found.

        A unit may be cut into parts: `take` gets the part, and the parts of a unit cover each of its images once. They
        come as they are finished, in any order. An error of the work, or of `take`, ends the run and is raised here.
        """


@dataclass(frozen=True)
class InProcess:
    """The executor of one process: a batch is a part, in the order of the units and of their images."""

    images: Dataset
    batch_size: int

    def run(
        self, work: Work[Under, Found], units: Iterable[Unit[Under]], take: Callable[[Unit[Under], Found], None]
    ) -> None:
        for plan, under in groupby(units, attrgetter("plan")):
            compute = work.prepare(plan)
            for unit in under:
                with reading(self.images, self.batch_size, start=unit.images.start, images=len(unit.images)) as batches:
                    for batch in batches:
                        part = range(batch.start, batch.start + len(batch.x))
                        take(Unit(unit.plan, part), compute(batch))


def run_through(
    executor: Executor,
    work: Work[Under, Found],
    unit: Unit[Under],
    take: Callable[[Found], None],
    progress: Progress | None,
    what: str,
) -> None:
    """One unit, with `what` shown on the display while it lasts."""
    with showing(progress, what, len(unit.images)) as advance:

        def took(part: Unit[Under], found: Found) -> None:
            take(found)
            advance(len(part.images))

        executor.run(work, [unit], took)
