"""A cluster computes what one process computes, byte for byte, whoever dies meanwhile: with real kills on two nodes."""

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bittrue
from analysis.networks import RecordedProgress, convolutional
from bittrue.analysis.asked import SweepRow
from bittrue.analysis.evaluating.engine import opened
from bittrue.cli.demo import bundled_model
from bittrue.data import Dataset
from bittrue.engines.cluster import Cluster
from bittrue.errors import BittrueError, CarrierError
from bittrue.files import dump_json
from bittrue.network import Network
from engines.clusters import Strikes, kill, two_nodes, workers_of
from searches.test_search import NETWORK, examples

BATCH = 25


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def engine(cluster: Any) -> Iterator[Cluster]:
    with opened(f"ray://{cluster.address}") as found:
        assert isinstance(found, Cluster)
        yield found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "digits.keras"
    path.write_bytes(bundled_model())
    return path


@pytest.fixture(scope="module")
def network(model: Path) -> Network:
    return bittrue.load(model)


@pytest.fixture(scope="module")
def images(network: Network) -> Dataset:
    return bittrue.load_dataset("digits", shape=network.input.shape)


@pytest.fixture(scope="module")
def here(network: Network, images: Dataset) -> str:
    return swept(network, images)


def swept(network: Network, images: Dataset, **options: Any) -> str:
    found = bittrue.sweep(network, images, fraction_bits="2:6", batch_size=BATCH, **options)
    return dump_json(found.to_json())


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it didn't come to that"
        time.sleep(0.05)


def test_the_driver_is_interrupted_and_killed(
    cluster: Any, model: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The store is whole, the cluster free, and whoever goes on ends with the bytes of one process."""
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / model.name).write_bytes(model.read_bytes())
    words = [
        "sweep",
        model.name,
        "--data",
        "digits",
        "--fraction-bits",
        "2:4",
        "--batch-size",
        "10",
        "--out",
        "results",
    ]
    log = folder / "results" / "results.sqlite-wal"

    def size() -> int:
        return log.stat().st_size if log.exists() else 0

    def started() -> "subprocess.Popen[str]":
        call = [sys.executable, "-m", "bittrue", *words, "--engine", f"ray://{cluster.address}"]
        return subprocess.Popen(call, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        driver, already = started(), size()
        until(lambda already=already: size() > already + 150_000)  # type: ignore[misc]
        driver.send_signal(number)
        _, said = driver.communicate(timeout=60)
        assert driver.returncode == code, said
        if number == signal.SIGINT:
            assert said.splitlines()[-1].startswith("Interrupted: the same command goes on"), said
        until(lambda: not workers_of(cluster))
    network = bittrue.load(model)
    for out, engine in ((folder / "results", request.getfixturevalue("engine")), (tmp_path / "here", None)):
        bittrue.study(
            network,
            bittrue.load_dataset("digits", shape=network.input.shape),
            fraction_bits="2:4",
            batch_size=10,
            command=shlex.join(["bittrue", *words]),
            out=out,
            engine=engine,
        )
    for name in ("sweep.json", "ranges.json", "network.txt", "report.html"):
        assert (folder / "results" / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), name


def test_a_worker_is_killed_in_the_middle_of_a_sweep(
    network: Network, images: Dataset, here: str, engine: Cluster, cluster: Any, tmp_path: Path
) -> None:
    progress = Strikes(6, lambda: kill(workers_of(cluster)[0], signal.SIGKILL))
    assert swept(network, images, engine=engine, progress=progress, store=tmp_path / "store") == here
    assert [event for event in progress.told if "ended (it was killed" in event], progress.told
    assert sum(event for event in progress.events if isinstance(event, int | float)) == 6 * images.images


def test_a_worker_that_hangs_is_given_up(
    network: Network, images: Dataset, here: str, engine: Cluster, cluster: Any
) -> None:
    until(lambda: len(engine.workers.ready()) == 2 or engine.workers.tend() is not None)
    stopped = workers_of(cluster)[0]
    progress = Strikes(3, lambda: kill(stopped, signal.SIGSTOP))
    engine.workers.patience = 5.0  # a machine that is busy answers late, too
    try:
        assert swept(network, images, engine=engine, progress=progress) == here
    finally:
        engine.workers.patience = 30.0
        kill(stopped, signal.SIGKILL)
    assert [event for event in progress.told if "no sign of life" in event]


def test_what_one_engine_begins_the_other_goes_on_with(
    network: Network, images: Dataset, here: str, engine: Cluster, tmp_path: Path
) -> None:
    class StopError(Exception):
        pass

    def stop() -> None:
        raise StopError

    for first, second in ((engine, None), (None, engine)):
        store = tmp_path / f"store-{first is None}"
        with pytest.raises(StopError):
            swept(network, images, engine=first, progress=Strikes(4, stop), store=store)
        assert swept(network, images, engine=second, progress=RecordedProgress(), store=store) == here


def test_ranges_trace_verification_and_rows_that_end_early_are_the_same(engine: Cluster) -> None:
    """Of images in memory, which are sent in chunks."""
    network, plan = convolutional(), bittrue.study_plan(convolutional(), 2)
    generator = np.random.default_rng(5)
    images = generator.standard_normal((60, *network.input.shape)).astype(np.float32), generator.integers(0, 3, 60)
    for question in (
        lambda **options: bittrue.measure(network, images, plan, batch_size=7, **options),
        lambda **options: bittrue.trace(network, plan, images, batch_size=20, **options),
        lambda **options: bittrue.verify(network, plan, images, images=2, **options),
        lambda **options: bittrue.sweep(network, images, fraction_bits="2:4", decide=20.0, **options),
    ):
        assert dump_json(question(engine=engine).to_json()) == dump_json(question().to_json())


def test_an_error_of_the_work_is_said_as_in_one_process(engine: Cluster, network: Network) -> None:
    x = np.zeros((100, 8, 8, 1), np.float32)
    x[60:, 3, 4] = np.nan  # in several parts: the first is what one process stumbles over
    sentences = []
    for chosen in (None, engine):
        with pytest.raises(BittrueError) as raised:
            bittrue.measure_ranges(network, (x, np.zeros(100, np.int64)), batch_size=10, engine=chosen)
        sentences.append((type(raised.value), str(raised.value)))
    assert sentences[0] == sentences[1]


def test_a_row_that_is_no_use_is_named_as_in_one_process(
    images: Dataset, engine: Cluster, network: Network, tmp_path: Path
) -> None:
    """Though the rows are carried out side by side, those before it are finished."""
    rows = [SweepRow(f"F={bits}", bittrue.study_plan(network, bits)) for bits in (3, 4096, 4095)]
    sentences = []
    for chosen in (None, engine):
        store = tmp_path / str(chosen is None)
        with pytest.raises(CarrierError) as raised:
            bittrue.sweep(network, images, rows, store=store, engine=chosen, batch_size=BATCH)
        sentences.append(str(raised.value))
    assert sentences[0] == sentences[1]
    assert sentences[0].startswith("row F=4096: ")


def test_a_node_is_lost_in_the_middle_of_a_search(engine: Cluster, cluster: Any, tmp_path: Path) -> None:
    """After a worker was killed in it."""

    def searched(out: Path, **options: Any) -> dict[str, bytes]:
        found = {"max_drop": 5, "words": "2,4,6,8", "calibrate": 100, "steps": 4}
        bittrue.search(NETWORK, data, out=out, **found, **options)
        return {name: (out / name).read_bytes() for name in ("plan.json", "search.json")}

    def strike() -> None:
        kill(workers_of(cluster)[0], signal.SIGKILL)
        progress.left, progress.strike = 25, lambda: cluster.remove_node(node, allow_graceful=False)

    data = examples(700, seed=1)
    node = max(cluster.list_all_nodes(), key=lambda node: not node.head)
    progress = Strikes(20, strike)
    assert searched(tmp_path / "there", engine=engine, progress=progress) == searched(tmp_path / "here")
    assert [event for event in progress.told if "ended (it was killed" in event], progress.told
    assert progress.left <= 0
