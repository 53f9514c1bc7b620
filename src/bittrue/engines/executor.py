"""The executor of a cluster: a dispatch whose crew are Ray's actors."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from bittrue.analysis.evaluating.executor import Found as WorkFound
from bittrue.analysis.evaluating.executor import Under, Unit, Work
from bittrue.analysis.progress import Progress
from bittrue.data import Dataset
from bittrue.engines.dispatch import Dispatch, Done, Lost, Pace, Part
from bittrue.engines.travel import CHUNK_BYTES, Chunked, packed_work
from bittrue.engines.travel import reference as reference_to
from bittrue.engines.worker import StudyFacts, unpacked_found
from bittrue.engines.workers import MEMORY, Member, Workers
from bittrue.errors import BittrueError
from bittrue.network import Network
from bittrue.plan import Plan

WAIT = 1.0
"""Seconds after which workers are looked after, should nothing come back."""

CHUNKS_BYTES = 256 << 20
"""Of chunks so many are kept in the object store at a time; those used longest ago go first, and are read again."""

KEPT_PLANS = 64
KEPT_NETWORKS = KEPT_STUDIES = 4
_numbers = count(1)


@dataclass(eq=False)
class Shelf:
    """What lies in the object store for workers to fetch."""

    ray: Any
    networks: "OrderedDict[str, Any]" = field(default_factory=OrderedDict)
    plans: "OrderedDict[str, Any]" = field(default_factory=OrderedDict)

    def network(self, network: Network) -> Any:
        """Where a network lies, which is put there once."""
        return self._kept(self.networks, network.hash, network, KEPT_NETWORKS)

    def plan(self, key: str, plan: Plan) -> Any:
        return self._kept(self.plans, key, plan, KEPT_PLANS)

    def put(self, thing: object) -> Any:
        """Where a thing lies from now on, as long as the reference is kept.

        Raises: BittrueError where there is no room for it.
        """
        try:
            return self.ray.put(thing)
        except (self.ray.exceptions.ObjectStoreFullError, self.ray.exceptions.OutOfDiskError) as error:
            raise BittrueError(
                f"The object store of this node is full, and its disk, too ({str(error).splitlines()[0]}): start the "
                "node with a larger --object-store-memory, or make room on the disk."
            ) from None

    def _kept(self, kept: "OrderedDict[str, Any]", key: str, thing: object, most: int) -> Any:
        if key not in kept:
            kept[key] = self.put(thing)
            while len(kept) > most:
                kept.popitem(last=False)
        kept.move_to_end(key)
        return kept[key]


@dataclass(eq=False)
class ClusterExecutor:
    """Carries out units of `images` on workers, which keep what they have laid out from one run to the next."""

    workers: Workers
    shelf: Shelf
    images: Dataset
    batch_size: int
    progress: Progress | None
    paces: dict[str, Pace] = field(default_factory=dict)
    received: list[int] = field(default_factory=list)
    """Bytes of what came back, part by part."""

    def __post_init__(self) -> None:
        self._studies: dict[int, tuple[object, _Study]] = {}
        self._data: tuple[bytes | None, Chunked] | None = None
        self._chunks: OrderedDict[int, Any] = OrderedDict()

    def run(
        self,
        work: Work[Under, WorkFound],
        units: Iterable[Unit[Under]],
        take: Callable[[Unit[Under], WorkFound], None],
    ) -> None:
        began, images = time.monotonic(), 0
        if self.progress is not None:
            self.workers.tell = self.progress.tell
        crew = _Crew(self, work)
        dispatch = Dispatch(crew, self.batch_size, _key, paces=self.paces)

        def took(part: Unit[Any], found: Any) -> None:
            nonlocal images
            take(part, found)
            images += len(part.images)
            if self.progress is not None:
                rate = images / max(time.monotonic() - began, 1e-3)
                workers = len(self.workers.ready())
                self.progress.beside(
                    f"{workers} {'worker' if workers == 1 else 'workers'}, {dispatch.done + 1:,} units, "
                    f"{rate:,.{0 if rate >= 10 else 1}f} images/s"
                )

        try:
            dispatch.run(units, took)
        finally:
            crew.forget()

    def study(self, work: object) -> "_Study":
        """The study of a work on these images, which is packed once."""
        known = self._studies.get(id(work))
        if known is None:
            if self._data is None:
                self._data = reference_to(self.images), Chunked.of(self.images)
            refers, chunked = self._data
            content, networks = packed_work(work)
            facts = StudyFacts(content, refers, chunked.travelling, self.batch_size)
            name = f"study {next(_numbers)}"
            known = work, _Study(name, self.shelf.put(facts), networks)
            if len(self._studies) == KEPT_STUDIES:
                self._studies.pop(next(iter(self._studies)))
            self._studies[id(work)] = known
        return known[1]

    def chunks(self, images: range) -> dict[int, list[Any]]:
        """Where the chunks lie that hold these images."""
        if self._data is None:
            raise RuntimeError("chunks of a study that wasn't begun")
        chunked, found = self._data[1], {}
        for number in chunked.of_images(images):
            if number not in self._chunks:
                chunk = chunked.read(number)
                self._chunks[number] = self.shelf.put(chunk)
            self._chunks.move_to_end(number)
            found[number] = [self._chunks[number]]
        while len(self._chunks) > max(CHUNKS_BYTES // CHUNK_BYTES, len(found)):
            self._chunks.popitem(last=False)
        return found


@dataclass(frozen=True, eq=False)
class _Study:
    name: str
    facts: Any
    networks: dict[str, Network]


def _key(plan: Plan | None) -> str:
    return "" if plan is None else plan.hash


class _Crew:
    """Ray's actors for one run."""

    def __init__(self, executor: ClusterExecutor, work: object) -> None:
        self._executor, self._work = executor, work
        self._workers, self._ray = executor.workers, executor.workers.ray
        self._under_way: dict[Any, tuple[Member, Part]] = {}
        self._beginning: dict[Any, Member] = {}
        self._study: _Study | None = None

    @property
    def study(self) -> _Study:
        if self._study is None:
            self._study = self._executor.study(self._work)
        return self._study

    def workers(self) -> Sequence[str]:
        return [member.name for member in self._workers.ready() if self.study.name in member.studies]

    def send(self, worker: str, part: Part) -> None:
        member, executor = self._workers.members[worker], self._executor
        plan = part.unit.plan
        held = [] if plan is None else [executor.shelf.plan(part.key, plan)]
        chunks = {} if member.studies[self.study.name] else executor.chunks(part.images)
        images = part.images.start, part.images.stop
        reference = member.handle.compute.remote(self.study.name, part.key, held, images, chunks)
        self._under_way[reference] = member, part

    def wait(self) -> Iterator[Done | Lost]:
        self._workers.tend()
        gone = next((member for member, _ in self._under_way.values() if member.dead is not None), None)
        if gone is not None:
            yield from self._lost(gone)
            return
        self._begin()
        mine = [*self._under_way, *self._beginning]
        references = [*mine, *self._workers.references()]
        if not references:
            time.sleep(0.1)
            return
        arrived, _ = self._ray.wait(references, num_returns=1, timeout=WAIT)
        if not any(reference in self._under_way or reference in self._beginning for reference in arrived):
            return
        ready, _ = self._ray.wait(mine, num_returns=len(mine), timeout=0)
        for reference in ready:
            if reference in self._beginning:
                self._begun(self._beginning.pop(reference), reference)
            elif reference in self._under_way:
                yield from self._came(reference)

    def forget(self) -> None:
        """Have nothing more to do with what is under way."""
        for reference in self._under_way:
            self._ray.cancel(reference)
        self._under_way.clear()

    def _begin(self) -> None:
        beginning = set(map(id, self._beginning.values()))
        for member in self._workers.ready():
            if self.study.name not in member.studies and id(member) not in beginning:
                networks = {key: [self._executor.shelf.network(own)] for key, own in self.study.networks.items()}
                self._beginning[member.handle.begin.remote(self.study.name, self.study.facts, networks)] = member

    def _begun(self, member: Member, reference: Any) -> None:
        try:
            said = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._workers.bury_unbegun(member, self._reason(error), error)
            return
        if isinstance(said, Exception):
            raise said
        self._workers.has_begun()
        member.studies[self.study.name] = said

    def _came(self, reference: Any) -> Iterator[Done | Lost]:
        member, part = self._under_way[reference]
        try:
            content = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._workers.bury(member, self._reason(error))
            yield from self._lost(member)
            return
        del self._under_way[reference]
        self._executor.received.append(len(content))
        yield Done(member.name, part, unpacked_found(content))

    def _lost(self, member: Member) -> Iterator[Lost]:
        """All that a worker had. Its calls are answered in their order: the first was under way, the others waited."""
        lost = [(reference, part) for reference, (its, part) in self._under_way.items() if its is member]
        for place, (reference, part) in enumerate(lost):
            del self._under_way[reference]
            yield Lost(member.name, part, member.dead if place == 0 else None)

    def _reason(self, error: Exception) -> str:
        """Why a worker ended; an error in bittrue's own part of it is raised."""
        cause = getattr(error, "cause", None)
        if isinstance(cause, MemoryError):
            return MEMORY
        if isinstance(error, self._ray.exceptions.RayTaskError) and not isinstance(
            cause, self._ray.exceptions.RayError
        ):
            raise error
        return self._workers.cause(error)
