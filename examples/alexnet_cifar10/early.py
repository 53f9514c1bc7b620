"""How many images `bittrue sweep --decide` would draw of the study's test set, row by row.

The images that a row lost and gained in all are in results/: any order of them is as likely as any other, so that
random orders of so many lost, gained and other images are the orders of the test set. Usage: early.py [POINTS [ORDERS]]
"""

import json
import sys
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bittrue.analysis.early_rows import LOOK, is_decided
from bittrue.analysis.standard import Standard
from bittrue.analysis.statistics.betting import shows_more
from bittrue.analysis.verdict import SIGNIFICANCE

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Needed:
    """images: of each row by name, the orders' mean, and the most that nine orders of ten need. shares: of all images,
    those that an order needs, the float row's included. wrong: how many answers of an order differ from the truth."""

    images: dict[str, tuple[float, float]]
    shares: np.ndarray
    wrong: int


def needed(points: float, orders: int, seed: int = 0) -> Needed:
    """For the sweeps in results/, each with a float row of its own, as far as its longest row."""
    random = np.random.RandomState(seed)
    standard, found, wrong = Standard(points), {}, 0
    drawn = everything = np.zeros(orders)
    for name in ("raw", "affine"):
        sweep = json.loads((RESULTS / name / "sweep.json").read_text("utf-8"))
        _, *rows = sweep["rows"]
        longest = np.zeros(orders)
        for row in rows:
            kinds = np.zeros(row["images"], np.int8)
            kinds[: row["lost"]], kinds[row["lost"] : row["lost"] + row["gained"]] = 1, -1
            most, error = standard.most_lost(row["images"]), SIGNIFICANCE / len(rows)
            images = np.zeros(orders)
            for order in range(orders):
                losses = random.permutation(kinds)
                looks = [*range(LOOK, row["images"], LOOK), row["images"]]
                images[order] = looks[
                    bisect_left(looks, True, key=lambda end: is_decided(losses[:end], row["images"], most, error))
                ]
                shown = shows_more(losses[: int(images[order])], row["images"], most, error / 2)
                wrong += shown != (row["lost"] - row["gained"] > most)
            found[f"{name}, {row['name']}"] = float(images.mean()), float(np.quantile(images, 0.9))
            drawn, everything = drawn + images, everything + row["images"]
            longest = np.maximum(longest, images)
        drawn, everything = drawn + longest, everything + rows[0]["images"]
    return Needed(found, drawn / everything, wrong)


def main() -> None:
    points = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5
    orders = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    found = needed(points, orders)
    print(f"{'row':<12}{'images, mean':>14}{'9 of 10 orders':>16}")
    for name, (mean, most) in found.images.items():
        print(f"{name:<12}{mean:>14,.0f}{most:>16,.0f}")
    print(f"{'of all':<12}{100 * found.shares.mean():>12.1f} %{100 * np.quantile(found.shares, 0.9):>14.1f} %")
    print(f"answers other than those of all images: {found.wrong} of {len(found.images) * orders:,}")


if __name__ == "__main__":
    main()
