"""A folder of results as a sweep of an AlexNet leaves it, made up."""

from pathlib import Path
from typing import Any

from bittrue.analysis.statistics.fixed_sample import mcnemar_exact, wilson_interval
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.verdict import Row
from bittrue.files import dump_json, write_text
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.plan import STUDY_OPTIONS, Plan, Ranges, SiteRange
from bittrue.simulation.proof import LayerProof

NETWORK = "sha256:" + "ab" * 32
IMAGES = 10_000
BINS = 64

# fraction bits: correct, lost, gained, correct if every tie were lost, and won
RESULTS = {
    3: (1012, 7200, 49, 400, 7600),
    4: (1630, 6700, 167, 1000, 4000),
    5: (4800, 3700, 337, 4700, 5100),
    6: (7650, 800, 287, 7600, 7700),
    7: (8040, 350, 227, 8030, 8060),
    8: (8144, 130, 111, 8140, 8150),
}
# node: smallest and largest value
NODES = {
    "image": (0.0, 1.0),
    "conv1": (-9.1, 8.7),
    "relu1": (0.0, 8.7),
    "bn1": (-1.4, 31.0),
    "pool1": (-0.9, 31.0),
    "conv2": (-44.0, 38.5),
    "relu2": (0.0, 38.5),
    "bn2": (-2.1, 27.4),
    "pool2": (-1.2, 27.4),
    "conv3": (-63.0, 71.0),
    "relu3": (0.0, 71.0),
    "bn3": (-1.7, 35.2),
    "conv4": (-34.0, 29.8),
    "relu4": (0.0, 29.8),
    "bn4": (-1.9, 18.0),
    "conv5": (-12.0, 13.0),
    "relu5": (0.0, 13.0),
    "bn5": (-1.5, 22.0),
    "pool5": (-0.8, 22.0),
    "flatten": (-0.8, 22.0),
    "dense6": (-130.0, 90.0),
    "relu6": (0.0, 90.0),
    "dense7": (-600.0, 410.0),
    "relu7": (0.0, 0.0),
    "dense8": (-55.0, 61.0),
    "softmax": (2.0**-40, 2.0**-9),
}
WEIGHTED = ("conv1", "conv2", "conv3", "conv4", "conv5", "dense6", "dense7", "dense8")


def make_folder(folder: Path, *, node: str = "conv1", metric: str = "accuracy", verified: int = 0) -> Path:
    """Write all files into `folder`; `node`: the first convolution's name, `verified`: how many values mismatch."""
    write_text(folder / "sweep.json", dump_json(sweep(node, metric).to_json()))
    write_text(folder / "ranges.json", dump_json(ranges(node).to_json()))
    write_text(folder / "plan.json", dump_json(plan(6, node).to_json()))
    first = {"site": f"{node}.output", "what": "code", "image": 1, "index": 17, "expected": 5, "got": 6}
    verification = {
        "bittrue": 1,
        "network": NETWORK,
        "plan": plan(6, node).hash,
        "against": "reference",
        "images": 2,
        "values": 1_234_567,
        "mismatches": verified,
        "first": first if verified else None,
        "not_compared": [],
    }
    write_text(folder / "verify.json", dump_json(verification))
    write_text(folder / "network.txt", "".join(f"{name}: Operator\n" for name in names(node)))
    return folder


def names(node: str) -> list[str]:
    return [node if name == "conv1" else name for name in NODES]


def ranges(node: str = "conv1") -> Ranges:
    sites = {f"{name}.output": _range(*NODES[key]) for name, key in zip(names(node), NODES, strict=True)}
    return Ranges(NETWORK, {"name": "cifar10", "split": "train", "sha256": "sha256:" + "cd" * 32, "images": 512}, sites)


def plan(fraction_bits: int, node: str = "conv1") -> Plan:
    """16 bits at each site."""
    sites = [f"{name}.output" for name in names(node)]
    sites += [f"{name}.{role}" for name in WEIGHTED for role in ("weight", "bias")]
    quantizer = Quantizer(FixedFormat(True, 14, fraction_bits), Rounding.NEAREST_EVEN, Overflow.UNBOUNDED)
    return Plan(NETWORK, STUDY_OPTIONS, dict.fromkeys(sites, quantizer))


def sweep(node: str = "conv1", metric: str = "accuracy") -> Sweep:
    in_float: dict[str, dict[str, Any]] = {
        "accuracy": _judged(8163, 8163, 8163),
        "mse": {"mse": 0.0},
        "sqnr": {"mse": 0.0},
        "mean-iou": {"scores": {"mean_iou": 0.75, "pixel_accuracy": 0.9, "tied": 0.0, "not_judged": 0.0}},
    }
    float_row = Row("float", None, False, IMAGES, **in_float[metric])
    return Sweep(
        network=NETWORK,
        network_name="alexnet",
        data={"name": "cifar10", "split": "test", "sha256": "sha256:" + "ef" * 32, "images": IMAGES},
        metric=metric,
        rows=(float_row, *(_row(bits, node, metric) for bits in RESULTS)),
        calibration=None,
        command=f"bittrue sweep alexnet.keras --data cifar10:data --fraction-bits 3:8 --metric {metric}",
    )


def _judged(correct: int, ties_lost: int, ties_won: int) -> dict[str, Any]:
    return {
        "accuracy": correct / IMAGES,
        "accuracy_interval": wilson_interval(correct, IMAGES),
        "accuracy_over_ties": (ties_lost / IMAGES, ties_won / IMAGES),
        "loss": 3.0 - 2.5 * correct / IMAGES,
        "correct": correct,
        "tied": ties_won - ties_lost,
        "zero_sum": 0,
    }


def _row(bits: int, node: str, metric: str) -> Row:
    correct, lost, gained, ties_lost, ties_won = RESULTS[bits]
    judged: dict[str, Any] = {"mse": 4.0**-bits, "sqnr": 6.02 * bits if bits < 8 else None}
    if metric == "mean-iou":
        scores = {"mean_iou": 0.75 - 2.0**-bits, "pixel_accuracy": None, "tied": 0.0, "not_judged": 0.0}
        judged = {"scores": scores}
    if metric == "accuracy":
        judged = _judged(correct, ties_lost, ties_won) | {
            "lost": lost,
            "gained": gained,
            "p_value": mcnemar_exact(lost, gained),
        }
    overflows = {f"{name}.output": 0 for name in names(node)} | {
        f"{node}.output": 3 * 10 ** max(bits - 4, 0) if bits > 3 else 0,
        "dense6.output": 7 if bits > 6 else 0,
        "dense7.output": 10 ** (bits - 3),
    }
    layers = tuple(
        LayerProof(name, "float32" if index % 5 else "float64", 17.3 + index % 7, 24 - 17.3 - index % 7)
        for index, name in enumerate(names(node)[1:])
    )
    return Row(f"F={bits}", plan(bits, node).hash, True, IMAGES, overflows=overflows, layers=layers, **judged)


def _range(low: float, high: float) -> SiteRange:
    """A range whose values thin out towards its ends."""
    if low == high:
        return SiteRange(low, high, 1000, 1000, ((0.1, 0.0), (50.0, 0.0), (99.9, 0.0)), (1000, *[0] * (BINS - 1)))
    centres = [low + (high - low) * (index + 0.5) / BINS for index in range(BINS)]
    scale = (high - low) / 20
    counts = tuple(int(1e6 / (1 + (abs(centre) / scale) ** 3)) for centre in centres)
    percentiles = ((0.1, low * 0.6), (1.0, low * 0.3), (50.0, 0.0), (99.0, high * 0.3), (99.9, high * 0.6))
    return SiteRange(low, high, sum(counts), counts[0] // 2, percentiles, counts)
