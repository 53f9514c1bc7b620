"""Parts go to workers whose kernels fit, take about as long as is aimed at, and come back once each, whoever dies."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from bittrue.analysis.evaluating.executor import Unit
from bittrue.engines.dispatch import AHEAD, ATTEMPTS, Dispatch, Done, Found, Lost, Part
from bittrue.errors import BittrueError, CarrierError


@dataclass
class Model:
    """Workers that take `seconds` an image by a clock that is a number; `dies` and `fails` say what goes wrong."""

    names: list[str]
    seconds: float = 0.01
    dies: Callable[[str, Part], bool] = lambda worker, part: False
    fails: Callable[[int], bool] = lambda image: False
    has: dict[str, list[Part]] = field(default_factory=dict)
    free: dict[str, float] = field(default_factory=dict)
    sent: list[tuple[str, Part]] = field(default_factory=list)
    most: int = 0

    def workers(self) -> Sequence[str]:
        return list(self.names)

    def send(self, worker: str, part: Part) -> None:
        self.has.setdefault(worker, []).append(part)
        self.most = max(self.most, len(self.has[worker]))
        self.sent.append((worker, part))

    def wait(self) -> Iterator[Done | Lost]:
        waiting = [worker for worker, parts in self.has.items() if parts]
        worker = min(waiting, key=lambda name: self.free.get(name, 0.0) + self.seconds * len(self.has[name][0].images))
        part = self.has[worker][0]
        if self.dies(worker, part):
            self.names.remove(worker)
            self.names.append(f"{worker}'")
            for place, lost in enumerate(self.has.pop(worker)):
                yield Lost(worker, lost, "it was killed" if place == 0 else None)
            return
        self.has[worker].pop(0)
        took = self.seconds * len(part.images)
        self.free[worker] = self.free.get(worker, 0.0) + took
        batches: list[tuple[range, Any]] = []
        error = None
        for start in range(part.images.start, part.images.stop, 10):
            batch = range(start, min(start + 10, part.images.stop))
            if any(self.fails(image) for image in batch):
                error = CarrierError(f"images {start}")
                break
            batches.append((batch, start))
        yield Done(worker, part, Found(batches, error, 0.0, took))


UNITS = [Unit(name, range(400)) for name in ("a", "b", "c")]


def carried_out(model: Model, units: Sequence[Unit[Any]] = UNITS, **options: Any) -> Counter[tuple[str, int]]:
    found: Counter[tuple[str, int]] = Counter()
    dispatch = Dispatch(model, 10, str, **options)
    dispatch.run(units, lambda part, start: found.update((part.plan, image) for image in part.images))
    return found


WHOLE = Counter((unit.plan, image) for unit in UNITS for image in unit.images)


@pytest.mark.parametrize("workers", [1, 2, 7, 200])
def test_each_image_comes_once(workers: int) -> None:
    model = Model([str(number) for number in range(workers)])
    assert carried_out(model) == WHOLE
    assert model.most == (AHEAD if workers < 60 else 1)
    assert all(part.images.start % 10 == 0 for _, part in model.sent)


def test_whoever_dies() -> None:
    generator = np.random.default_rng(1)
    model = Model(list("stuv"), dies=lambda worker, part: bool(generator.random() < 0.2) and len(worker) < 9)
    assert carried_out(model, aim=0.3) == WHOLE
    assert max(map(len, model.names)) > 2


def test_a_part_that_its_workers_die_of_is_given_up() -> None:
    model = Model(list("st"), dies=lambda worker, part: part.unit.plan == "b" and 200 in part.images)
    with pytest.raises(
        BittrueError, match=r"3 workers ended over the images [\d,]+ to \d+ \(the last: it was killed\)"
    ):
        carried_out(model, aim=0.2)
    deaths = sum(name.count("'") for name in model.names)
    assert deaths == ATTEMPTS


def test_parts_grow_to_what_is_aimed_at_and_shrink_towards_the_end() -> None:
    model = Model(["s", "t"], seconds=0.001)
    carried_out(model, [Unit("a", range(10_000))], aim=1.0)
    sizes = [len(part.images) for _, part in model.sent]
    assert sizes[0] == 10
    assert max(sizes) == 1000
    assert sizes[-1] < 100


@pytest.mark.parametrize("images", [2500, 3000, 5000])
def test_workers_end_together(images: int) -> None:
    model = Model(["s", "t"], seconds=0.0003)
    carried_out(model, [Unit(name, range(images)) for name in "abc"], aim=1.0)
    ends = sorted(model.free.values())
    assert ends[1] - ends[0] < 0.05


def test_a_plans_units_go_where_its_kernels_are() -> None:
    """Each worker that begins takes a plan that nobody has; a plan is laid out twice only when none is left."""
    model = Model(["s", "t", "u"])
    carried_out(model, aim=0.2)
    begun: dict[str, list[str]] = {}
    for worker, part in model.sent:
        plans = begun.setdefault(worker, [])
        if part.key not in plans:
            plans.append(part.key)
    assert [begun[worker][0] for worker in "stu"] == ["a", "b", "c"]
    assert sum(len(plans) for plans in begun.values()) <= 5


def test_units_are_asked_for_when_someone_has_nothing_to_do() -> None:
    """So that whoever gives them may stop, having seen enough."""
    seen = 0

    def units() -> Iterator[Unit[str]]:
        for start in range(0, 1000, 10):
            if seen >= 100:
                return
            yield Unit("a", range(start, start + 10))

    def take(part: Unit[str], start: int) -> None:
        nonlocal seen
        seen += len(part.images)

    Dispatch(Model(["s", "t"]), 10, str).run(units(), take)
    assert 100 <= seen <= 100 + 10 * 2 * AHEAD


def test_nothing_to_do_needs_no_worker() -> None:
    Dispatch(Model([]), 10, str).run([], lambda part, found: None)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_first_error_in_the_order_of_one_process_is_raised(workers: int) -> None:
    model = Model([str(number) for number in range(workers)], fails=lambda image: image in (155, 320, 399))
    with pytest.raises(CarrierError, match="^images 150$"):
        carried_out(model, [Unit("a", range(400))], aim=0.3)


def test_an_error_of_the_taker_ends_it() -> None:
    def full(part: Unit[str], start: int) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        Dispatch(Model(["s"]), 10, str).run(UNITS, full)
