"""What travels comes out as it went in: data by reference with their digests, or in chunks; works without networks."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from analysis.networks import convolutional, random_images
from bittrue.analysis.evaluating.evaluation import Evaluation
from bittrue.analysis.evaluating.metrics import metric_named
from bittrue.analysis.evaluating.variants import Variants
from bittrue.data import Dataset, as_dataset, load_dataset
from bittrue.data.shuffled import shuffled
from bittrue.engines.travel import AbsentError, Chunked, packed_work, reference, referred, unpacked_work
from bittrue.engines.worker import StudyFacts, Worker
from bittrue.errors import BittrueError, ChangedError, DataError
from bittrue.plan import study_plan


def in_memory(targets: bool = False) -> Dataset:
    generator = np.random.default_rng(2)
    x = generator.random((37, 6, 6, 1)).astype(np.float32)
    return as_dataset((x, generator.random((37, 3)) if targets else generator.integers(0, 3, 37)))


def assert_same(ours: Dataset, theirs: Dataset) -> None:
    for mine, other in zip(ours.batches(5), theirs.batches(5), strict=True):
        np.testing.assert_array_equal(mine.x, other.x)
        for name in ("y", "targets"):
            a, b = getattr(mine, name), getattr(other, name)
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "part", [lambda data: data, lambda data: data.skip(9).take(20), lambda data: shuffled(data, 3)]
)
def test_files_are_found_again(part: object, tmp_path: Path) -> None:
    dataset = part(random_images(tmp_path))  # type: ignore[operator]
    content = reference(dataset)
    if content is None:  # an archive in another order lies in a temporary file
        assert dataset.source.__class__.__name__ == "ShuffledSource"
        return
    assert_same(dataset, referred(content))


def test_other_files_of_that_name_are_not_taken(tmp_path: Path) -> None:
    path, x = tmp_path / "x.npy", np.arange(4 * 36, dtype=np.uint8).reshape(4, 6, 6, 1)
    np.save(path, x)
    content = reference(load_dataset(path))
    assert content is not None
    x[2, 0, 0] += 1
    np.save(path, x)  # as long as before
    with pytest.raises(ChangedError, match="example 2 is another one"):
        list(referred(content).batches(2))
    np.save(path, x[:3])
    with pytest.raises(DataError, match="and .* where the study was started"):
        referred(content)
    path.unlink()
    with pytest.raises(AbsentError):
        referred(content)


def test_what_lies_in_memory_has_no_reference() -> None:
    assert reference(in_memory()) is None
    assert reference(shuffled(in_memory(), 1)) is None


@pytest.mark.parametrize("targets", [False, True])
@pytest.mark.parametrize(
    "part", [lambda data: data, lambda data: data.skip(9).take(20), lambda data: shuffled(data, 3)]
)
def test_chunks_are_the_same_images(part: object, targets: bool) -> None:
    dataset = part(in_memory(targets))  # type: ignore[operator]
    chunked = Chunked.of(dataset)
    chunked = Chunked(
        dataset, 8, pickle.loads(pickle.dumps(Chunked(dataset, 8, _with_size(chunked.travelling)).travelling))
    )
    source = chunked.travelling.source
    source.put({number: chunked.read(number) for number in chunked.of_images(range(dataset.images))})  # type: ignore[attr-defined]
    assert_same(dataset, chunked.travelling)
    assert source.number(5) == dataset.source.number(dataset.first + 5)


def _with_size(dataset: Dataset) -> Dataset:
    from dataclasses import replace

    from bittrue.data.source import Targets
    from bittrue.engines.travel import ChunkSource

    source = dataset.source
    assert isinstance(source, ChunkSource)
    targets = source.targets
    if targets is not None:
        targets = Targets(replace(targets.values, size=8), targets.why)  # type: ignore[type-var]
    return replace(dataset, source=replace(source, size=8, targets=targets))


def test_works_travel_without_their_networks_and_come_out_with_them() -> None:
    network, plan = convolutional(), study_plan(convolutional(), 3)
    for work in (Evaluation(network, metric_named("accuracy")), Variants(network, plan)):
        content, networks = packed_work(work)
        assert list(networks) == [network.hash]
        assert len(content) < 10_000
        assert unpacked_work(content, networks).network is network


def worker_with(dataset: Dataset) -> Worker:
    network = convolutional()
    content, networks = packed_work(Evaluation(network, metric_named("accuracy")))
    study = StudyFacts(content, reference(dataset), Chunked.of(dataset).travelling, 16)
    worker = Worker("10.0.0.7", 1, 1, ".")
    assert worker.begin("study", study, {key: lambda own=own: own for key, own in networks.items()})  # type: ignore[misc]
    return worker


def test_a_worker_computes_what_is_computed_here(tmp_path: Path) -> None:
    dataset, plan = random_images(tmp_path), study_plan(convolutional(), 3)
    found = worker_with(dataset).compute("study", "k", plan, range(16, 40), {})
    assert found.error is None
    assert [images for images, _ in found.batches] == [range(16, 32), range(32, 40)]
    compute = Evaluation(convolutional(), metric_named("accuracy")).prepare(plan)
    for (_, record), batch in zip(found.batches, dataset.batches(16, start=16, images=24), strict=True):
        np.testing.assert_array_equal(record.arrays["correct"], compute(batch).arrays["correct"])


def test_data_that_differ_on_a_worker_are_named_with_it(tmp_path: Path) -> None:
    path, x = tmp_path / "x.npy", np.zeros((20, 6, 6, 1), np.float32)
    np.save(path, x)
    np.save(tmp_path / "y.npy", np.zeros(20, np.int64))
    worker = worker_with(load_dataset(f"{path},{tmp_path / 'y.npy'}"))
    np.save(path, x + 1)
    error = worker.compute("study", "k", study_plan(convolutional(), 3), range(16), {}).error
    assert isinstance(error, BittrueError)
    assert str(error).startswith("The worker at 10.0.0.7 has other data under this name")
