"""Who computes what next: parts of units to workers, by what these have laid out and how long it takes them.

Nothing here knows of a cluster. A crew carries parts to workers and says what became of them; it may be Ray's actors,
or a model of a thousand workers in which the clock is a number (benchmarks/scaling.py).
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bittrue.analysis.evaluating.executor import Unit
from bittrue.errors import BittrueError

AIM = 1.0
"""Seconds that a part should take a worker: much longer than what it costs to hand one out, and short enough that
little is lost with a worker, and that all workers end together."""

AHEAD = 2
"""Parts that a worker has at a time: one under way, and one to go on with while the first one's results travel."""

KEPT_PLANS = 2
"""Plans whose kernels a worker keeps laid out."""

ATTEMPTS = 3
"""Workers that may die of the same part before it is given up."""


@dataclass(frozen=True, eq=False)
class Part:
    """Images of a unit, whole batches; place: of the unit and of the first image, in the order of one process. key: of
    the unit's plan."""

    unit: Unit[Any]
    images: range
    place: tuple[int, int]
    key: str


@dataclass(frozen=True)
class Found:
    """What a worker found out about a part: each batch's images and what the work gave, as far as it came; the error
    that ended it, if one did. prepared, computed: seconds."""

    batches: Sequence[tuple[range, Any]]
    error: Exception | None
    prepared: float
    computed: float


@dataclass(frozen=True)
class Done:
    """A part came back."""

    worker: str
    part: Part
    found: Found


@dataclass(frozen=True)
class Lost:
    """A part didn't, and another worker must have it. why: what ended the worker under it; None where the part was only
    waiting there."""

    worker: str
    part: Part
    why: str | None


class Crew(Protocol):
    """The workers of one dispatch."""

    def workers(self) -> Sequence[str]:
        """Those that take parts now."""

    def send(self, worker: str, part: Part) -> None:
        """Have a worker compute a part after those that it has."""

    def wait(self) -> Iterable[Done | Lost]:
        """What happened, as soon as something has; workers may have come or gone, too."""


@dataclass(eq=False)
class _Open:
    """A unit whose images aren't all handed out."""

    unit: Unit[Any]
    number: int
    key: str
    left: range


@dataclass(frozen=True)
class Pace:
    """How long workers took for images, all parts together: the small parts at the end would say too much alone."""

    seconds: float = 0.0
    images: int = 0

    @property
    def seconds_an_image(self) -> float:
        return self.seconds / self.images

    def after(self, seconds: float, images: int) -> "Pace":
        """With a part more."""
        return Pace(self.seconds + seconds, self.images + images)


@dataclass(eq=False)
class Dispatch:
    """One run of an executor. aim: see AIM."""

    crew: Crew
    batch_size: int
    key_of: Callable[[Any], str]
    aim: float = AIM
    paces: dict[str, Pace] = field(default_factory=dict)
    """By the key of a plan; what is known of one is the first guess for others."""
    laid_out: dict[str, "OrderedDict[str, None]"] = field(default_factory=dict)
    """By worker the keys of the plans whose kernels it has, the latest last."""
    done: int = 0

    def run(self, units: Iterable[Unit[Any]], take: Callable[[Unit[Any], Any], None]) -> None:
        """Have all units carried out. Units are asked for when workers have nothing else to do; where they are a
        sequence, parts get smaller towards the end of all, else towards the end of those that are known."""
        self._unasked = sum(len(unit.images) for unit in units) if isinstance(units, Sequence) else None
        self._units: Iterator[Unit[Any]] | None = iter(units)
        self._numbers = 0
        self._open: list[_Open] = []
        self._again: deque[Part] = deque()
        self._with: dict[str, list[Part]] = {}
        self._handed: dict[str, int] = {}
        self._blamed: dict[tuple[int, int], int] = {}
        self._failed: tuple[tuple[int, int], Exception] | None = None
        while self._is_left():
            self._hand_out()
            for event in self.crew.wait():
                self._with[event.worker].remove(event.part)
                self._handed[event.part.key] -= 1
                if isinstance(event, Lost):
                    self._lost(event)
                else:
                    self._took(event, take)
        if self._failed is not None:
            raise self._failed[1]

    def _is_left(self) -> bool:
        return any(self._with.values()) or bool(self._again or self._open) or self._ask() is not None

    def _took(self, event: Done, take: Callable[[Unit[Any], Any], None]) -> None:
        part, found = event.part, event.found
        images = 0
        for batch, given in found.batches:
            take(Unit(part.unit.plan, batch), given)
            images += len(batch)
        self.done += 1
        if images:
            self.paces[part.key] = self.paces.get(part.key, Pace()).after(found.computed, images)
        if found.error is not None:
            place = (part.place[0], part.images.start + images)
            if self._failed is None or place < self._failed[0]:
                self._failed = place, found.error
                # What comes before it may be wrong, too, and one process would have said so instead.
                self._units = None
                self._open = [unit for unit in self._open if (unit.number, unit.left.start) < place]
                self._again = deque(part for part in self._again if part.place < place)

    def _lost(self, event: Lost) -> None:
        part = event.part
        self.laid_out.pop(event.worker, None)
        if event.why is not None:
            self._blamed[part.place] = self._blamed.get(part.place, 0) + 1
            if self._blamed[part.place] == ATTEMPTS:
                raise BittrueError(
                    f"{ATTEMPTS} workers ended over the images {part.images.start:,} to {part.images.stop - 1:,} (the "
                    f"last: {event.why}): give workers more memory, or lower --batch-size."
                )
        if self._failed is None or part.place < self._failed[0]:
            self._again.append(part)

    def _hand_out(self) -> None:
        """Give parts to all workers that may have one more."""
        for depth in range(1, AHEAD + 1):
            for worker in self.crew.workers():
                has = self._with.setdefault(worker, [])
                while len(has) < depth and (part := self._next(worker)) is not None:
                    self._laid(worker, part.key)
                    self._handed[part.key] = self._handed.get(part.key, 0) + 1
                    has.append(part)
                    self.crew.send(worker, part)

    def _laid(self, worker: str, key: str) -> None:
        kept: OrderedDict[str, None] = self.laid_out.setdefault(worker, OrderedDict())
        kept[key] = None
        kept.move_to_end(key)
        while len(kept) > KEPT_PLANS:
            kept.popitem(last=False)

    def _next(self, worker: str) -> Part | None:
        """What is lost comes first; then a unit whose kernels lie at the worker; then one that nobody has begun; then
        the one that has the most left for each part under way."""
        if self._again:
            return self._again.popleft()
        kept = self.laid_out.get(worker, ())
        for unit in self._open:
            if unit.key in kept:
                return self._cut(unit)
        lone = next((unit for unit in self._open if not self._handed.get(unit.key)), None) or self._ask()
        if lone is not None:
            return self._cut(lone)
        if not self._open:
            return None
        return self._cut(max(self._open, key=lambda unit: len(unit.left) / (1 + self._handed.get(unit.key, 0))))

    def _ask(self) -> _Open | None:
        if self._units is None:
            return None
        unit = next(self._units, None)
        if unit is None:
            self._units = None
            return None
        if self._unasked is not None:
            self._unasked -= len(unit.images)
        found = _Open(unit, self._numbers, self.key_of(unit.plan), unit.images)
        self._numbers += 1
        if unit.images:
            self._open.append(found)
            return found
        return self._ask()

    def _cut(self, unit: _Open) -> Part:
        """The next images of a unit, as many as take about `aim`, but no more than leave something for all workers."""
        known = self.paces.get(unit.key) or next(reversed(self.paces.values()), None)
        images = self.batch_size if known is None else int(self.aim / max(known.seconds_an_image, 1e-9))
        unasked = 0 if self._units is None else self._unasked
        if unasked is not None:
            left = unasked + sum(len(other.left) for other in self._open)
            images = min(images, left // (AHEAD * max(len(self.crew.workers()), 1)))
        images = max(images // self.batch_size, 1) * self.batch_size
        part = Part(unit.unit, unit.left[:images], (unit.number, unit.left.start), unit.key)
        unit.left = unit.left[images:]
        if not unit.left:
            self._open.remove(unit)
        return part
