"""Units: each image once, a plan made ready once, errors where they belong; and an executor that goes its own way."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis.networks import RecordedProgress, Through, convolutional, random_images
from bittrue.analysis.asked import sweep_rows
from bittrue.analysis.evaluating.executor import Found, InProcess, Under, Unit, Work, run_through
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.sweep import sweep
from bittrue.data import Batch, Dataset
from bittrue.errors import BittrueError, CarrierError
from bittrue.files import dump_json


class Numbering:
    """Work that says which images it saw."""

    def __init__(self) -> None:
        self.prepared = 0

    def prepare(self, plan: None) -> Callable[[Batch], list[int]]:
        self.prepared += 1
        return lambda batch: list(range(batch.start, batch.start + len(batch.x)))


def test_every_image_of_every_unit_comes_once_and_in_order(tmp_path: Path) -> None:
    work, found = Numbering(), []
    units = [Unit(None, range(3, 8)), Unit(None, range(20, 24)), Unit(None, range(1))]
    executor = InProcess(random_images(tmp_path), batch_size=2)
    executor.run(work, units, lambda part, images: found.append((part, images)))
    assert [images for _, images in found] == [[3, 4], [5, 6], [7], [20, 21], [22, 23], [0]]
    assert all(list(part.images) == images for part, images in found)
    assert work.prepared == 1


def test_nothing_is_prepared_where_nothing_is_to_be_done(tmp_path: Path) -> None:
    work = Numbering()
    InProcess(random_images(tmp_path), 2).run(work, [], lambda part, found: None)
    assert work.prepared == 0


def test_the_display_shows_what_is_done(tmp_path: Path) -> None:
    progress, executor = RecordedProgress(), InProcess(random_images(tmp_path), 30)
    run_through(executor, Numbering(), Unit(None, range(40)), lambda images: None, progress, "numbers")
    assert progress.events == [("numbers", 40), 30, 10, "finished"]


@dataclass(frozen=True)
class Backwards:
    """As a cluster might: units cut small, in threads, the last part first."""

    images: Dataset
    batch_size: int

    def run(
        self, work: Work[Under, Found], units: Iterable[Unit[Under]], take: Callable[[Unit[Under], Found], None]
    ) -> None:
        parts = [Unit(unit.plan, range(image, image + 1)) for unit in units for image in unit.images]

        def compute(part: Unit[Under]) -> Found:
            (batch,) = self.images.batches(1, start=part.images.start, images=1)
            return work.prepare(part.plan)(batch)

        with ThreadPoolExecutor(1) as pool:
            for part, found in [(part, pool.submit(compute, part)) for part in reversed(parts)]:
                take(part, found.result())


def test_a_sweep_is_the_same_whoever_carries_it_out(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    rows = sweep_rows(network, fraction_bits=[1, 4])
    here = dump_json(sweep(network, dataset, rows, batch_size=1).to_json())
    kept, engine = tmp_path / "results.sqlite", Through(Backwards)
    assert dump_json(sweep(network, dataset, rows, store=kept, engine=engine).to_json()) == here
    # What one executor has begun, the other goes on with.
    assert dump_json(sweep(network, dataset, rows, store=kept).to_json()) == here


def test_ranges_are_the_same_whoever_carries_it_out(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    here = measure_ranges(network, dataset, batch_size=1)
    assert measure_ranges(network, dataset, engine=Through(Backwards)) == here


class Failing:
    def prepare(self, plan: None) -> Callable[[Batch], None]:
        def compute(batch: Batch) -> None:
            if batch.start:
                raise CarrierError("the second batch is too wide.")

        return compute


def test_an_error_ends_the_run(tmp_path: Path) -> None:
    taken: list[int] = []
    with pytest.raises(BittrueError, match="second batch"):
        InProcess(random_images(tmp_path), 10).run(
            Failing(), [Unit(None, range(40))], lambda part, found: taken.append(part.images.start)
        )
    assert taken == [0]


def test_an_error_of_the_taker_ends_it_too(tmp_path: Path) -> None:
    work = Numbering()

    def full(part: Unit[None], found: list[int]) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        InProcess(random_images(tmp_path), 10).run(work, [Unit(None, range(40))], full)
    assert work.prepared == 1
