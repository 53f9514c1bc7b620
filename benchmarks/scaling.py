"""How a sweep gets faster with more workers: measured on this machine, and from that a model of a thousand of them.

    python benchmarks/scaling.py resnet8.h5 --data cifar10:DIR --images 4000 --rounds 5

Each worker is one process with one thread. A round starts a cluster of so many workers on this machine, has them lay
out a first plan, and then times a sweep of four rows with the float row. More workers than processors are measured too:
they can't be faster, but what the driver does for each of them is the same. The model carries out the same units
through the same `Dispatch`, with workers whose clock is a number: what a part costs a worker and the driver is measured
with two workers, and the driver does one thing at a time.
"""

import argparse
import heapq
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import bittrue
from bittrue.analysis.evaluating.batches import default_batch_size
from bittrue.analysis.evaluating.executor import Executor, Unit
from bittrue.analysis.progress import SILENT, Progress
from bittrue.data import Dataset
from bittrue.engines.cluster import Cluster, opened_cluster
from bittrue.engines.dispatch import Dispatch, Done, Found, Lost, Part
from bittrue.engines.executor import ClusterExecutor

ROWS = "4:7"
MODELLED = (1, 2, 4, 8, 10, 30, 100, 300, 1000)


@dataclass
class Watched:
    """A cluster that remembers its executors."""

    cluster: Cluster
    executors: list[ClusterExecutor] = field(default_factory=list)
    is_apart: bool = True

    def executor(self, images: Dataset, batch_size: int, progress: Progress | None) -> Executor:
        made = self.cluster.executor(images, batch_size, progress)
        assert isinstance(made, ClusterExecutor)
        self.executors.append(made)
        return made


@dataclass(frozen=True)
class Round:
    """seconds: of the sweep. driver: the driver's processor time. parts, bytes: that came back."""

    seconds: float
    driver: float
    parts: int
    bytes: int
    image: float
    """Seconds an image takes a worker, the mean over rows."""


def measured(network: bittrue.Network, images: Dataset, workers: int) -> Round:
    """One round."""
    import ray

    ray.init(
        address="local",
        num_cpus=workers,
        object_store_memory=1 << 30,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="CRITICAL",
    )
    try:
        with opened_cluster(None) as cluster:
            engine = Watched(cluster)
            few = images.take(default_batch_size(network) * workers)
            bittrue.sweep(network, few, fraction_bits="3", engine=engine, progress=SILENT)
            while len(cluster.workers.ready()) < workers:
                cluster.workers.tend()
                time.sleep(0.05)
            bittrue.sweep(network, few, fraction_bits="3", engine=engine, progress=SILENT)
            engine.executors.clear()
            began, used = time.perf_counter(), time.process_time()
            bittrue.sweep(network, images, fraction_bits=ROWS, engine=engine, progress=SILENT)
            seconds, driver = time.perf_counter() - began, time.process_time() - used
            received = [size for executor in engine.executors for size in executor.received]
            known = [pace.seconds_an_image for executor in engine.executors for pace in executor.paces.values()]
            return Round(seconds, driver, len(received), sum(received), statistics.mean(known))
    finally:
        ray.shutdown()


@dataclass
class Modelled:
    """A crew by a clock that is a number. image, prepared: seconds of a worker. driver: seconds of the driver a part.
    fetch: seconds until the network is at a worker."""

    count: int
    image: float
    prepared: float
    driver: float
    fetch: float
    clock: float = 0.0
    busy: float = 0.0
    parts: int = 0
    free: dict[str, float] = field(default_factory=dict)
    laid_out: dict[str, list[str]] = field(default_factory=dict)
    coming: list[tuple[float, int, str, Part, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = [str(number) for number in range(self.count)]
        self.free = {name: self.fetch * math.log2(self.count + 1) for name in self.names}

    def workers(self) -> Sequence[str]:
        return self.names

    def send(self, worker: str, part: Part) -> None:
        begins = max(self.free[worker], self.clock)
        kept = self.laid_out.setdefault(worker, [])
        seconds = self.image * len(part.images)
        if part.key not in kept:
            kept[:] = [*kept[-1:], part.key]
            begins += self.prepared
        self.free[worker] = begins + seconds
        self.parts += 1
        heapq.heappush(self.coming, (self.free[worker], self.parts, worker, part, seconds))

    def wait(self) -> Iterator[Done | Lost]:
        arrived, _, worker, part, seconds = heapq.heappop(self.coming)
        self.clock = max(self.clock, arrived) + self.driver
        self.busy += self.driver
        yield Done(worker, part, Found([(part.images, None)], None, 0.0, seconds))


def modelled(
    workers: int, *, rows: int, images: int, batch: int, image: float, prepared: float, driver: float, fetch: float
) -> tuple[float, float, int, float]:
    """Seconds of a sweep, the share of them in which the driver is busy, parts, and the seconds that `Dispatch` itself
    takes a part with so many workers."""
    crew = Modelled(workers, image, prepared, driver, fetch)
    units = [Unit(row, range(images)) for row in range(rows)]
    began = time.process_time()
    Dispatch(crew, batch, str).run(units, lambda part, found: None)
    return crew.clock, crew.busy / crew.clock, crew.parts, (time.process_time() - began) / crew.parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--scale")
    parser.add_argument("--resize")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--model-images", type=int, default=50_000)
    parser.add_argument("--model-rows", type=int, default=7)
    given = parser.parse_args()
    network = bittrue.load(given.model)
    data = bittrue.load_dataset(given.data, shape=network.input.shape, scale=given.scale, resize=given.resize)
    images = data.take(min(given.images, data.images))
    prepared = preparation(network)
    print(
        f"{network.name}: {images.images:,} images, five rows, {given.rounds} rounds; a plan is prepared in "
        f"{prepared:.2f} s"
    )
    print("| workers | s | least | most | efficiency | parts | driver, s | bytes a part | model, s |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    counts = [int(count) for count in given.workers.split(",")]
    rounds: dict[int, list[Round]] = {count: [] for count in counts}
    for _ in range(given.rounds):
        for count in counts:
            rounds[count].append(measured(network, images, count))
    one = statistics.median(each.seconds for each in rounds[counts[0]]) * counts[0]
    batch = default_batch_size(network)
    processors = os.cpu_count() or 1
    costs = [each for count in counts if count <= processors for each in rounds[count]]
    image = statistics.median(each.image for each in costs)
    # What the driver does once (plans, proofs, figures), and what it does for each part.
    everything = [each for count in counts for each in rounds[count]]
    driver, once = (float(v) for v in np.polyfit([r.parts for r in everything], [r.driver for r in everything], 1))
    driver = max(driver, 0.0)
    for count in counts:
        each = rounds[count]
        seconds = sorted(one.seconds for one in each)
        median = statistics.median(seconds)
        share = max(count / processors, 1.0)  # a worker beyond the processors has a part of one
        model, *_ = modelled(
            count,
            rows=5,
            images=images.images,
            batch=batch,
            image=image * share,
            prepared=prepared * share,
            driver=driver,
            fetch=0.0,
        )
        print(
            f"| {count} | {median:.1f} | {seconds[0]:.1f} | {seconds[-1]:.1f} | {one / (median * count):.2f} | "
            f"{statistics.median(r.parts for r in each):.0f} | "
            f"{statistics.median(r.driver for r in each):.2f} | "
            f"{statistics.median(r.bytes / r.parts for r in each):,.0f} | {model + once:.1f} |"
        )
    weights = sum(p.value.nbytes for node in network.nodes for _, p in node.operator.parameters())
    fetch = 8 * weights / 10e9
    print(
        f"\nModel: {given.model_rows} rows of {given.model_images:,} images, {1e3 * image:.2f} ms an image, "
        f"{1e3 * driver:.2f} ms of the driver a part and {once:.2f} s once, "
        f"{weights / 1e6:.1f} MB of weights at 10 Gbit/s"
    )
    print("| workers | s | efficiency | driver busy | Dispatch, ms a part |")
    print("|---:|---:|---:|---:|---:|")
    total = given.model_rows * given.model_images * image
    for count in MODELLED:
        carried_out = partial(
            modelled,
            count,
            rows=given.model_rows,
            images=given.model_images,
            batch=batch,
            image=image,
            prepared=prepared,
            fetch=fetch,
        )
        _, _, _, own = carried_out(driver=driver)
        seconds, busy, _, own = carried_out(driver=driver + own)
        print(
            f"| {count:,} | {seconds:,.1f} | {total / (seconds * count):.2f} | {100 * busy:.0f} % | {1e3 * own:.2f} |"
        )


def preparation(network: bittrue.Network) -> float:
    """Seconds until the kernels of a plan are laid out."""
    from bittrue.analysis.evaluating.evaluation import Evaluation

    plan = bittrue.study_plan(network, 6)
    began = time.perf_counter()
    Evaluation(network, None).prepare(plan)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
