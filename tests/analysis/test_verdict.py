"""The one sentence that a sweep ends with."""

from dataclasses import replace

import pytest

from bittrue.analysis.evaluating.metrics import metric_named
from bittrue.analysis.statistics import mcnemar_exact
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.verdict import Row

IMAGES = 1000


def rows(**flips: tuple[int, int]) -> list[Row]:
    """The float row with 900 correct, and rows by name with (lost, gained)."""
    made = [Row("float", None, False, IMAGES, accuracy=0.9)]
    for name, (lost, gained) in flips.items():
        accuracy = (900 - lost + gained) / IMAGES
        test = mcnemar_exact(lost, gained)
        made.append(
            Row(name.replace("_", "="), "sha256:…", True, IMAGES, accuracy, lost=lost, gained=gained, p_value=test)
        )
    return made


@pytest.mark.parametrize(
    ("flips", "enough", "expected"),
    [
        (
            {"F_3": (600, 0), "F_6": (60, 9), "F_8": (5, 4)},
            "F=8",
            "6 fraction bits: −5.1 points; 8: not distinguishable from float",
        ),
        (
            {"F_8": (5, 4), "F_3": (600, 0), "F_10": (0, 0), "F_6": (60, 9)},
            "F=8",
            "6 fraction bits: −5.1 points; 8: not distinguishable from float",
        ),
        ({"W_1": (10, 3), "W_2": (9, 3)}, "W=1", "1 bit, the fewest here: not distinguishable from float"),
        ({"W_1": (12, 2), "W_2": (9, 3)}, "W=2", "1 bit: −1.0 points; 2: not distinguishable from float"),
        (
            {"F_1": (600, 0), "F_2": (8, 1)},
            None,
            "2 fraction bits, the most here: −0.70 points, so none of these suffices",
        ),
        ({"F_1": (600, 0)}, None, "1 fraction bit: −60.0 points, so none of these suffices"),
        ({"F_5": (1, 1)}, "F=5", "5 fraction bits: not distinguishable from float"),
        # A narrower row that is fine by chance doesn't count while a wider one is worse.
        (
            {"F_4": (3, 3), "F_5": (20, 1), "F_6": (0, 0)},
            "F=6",
            "5 fraction bits: −1.9 points; 6: not distinguishable from float",
        ),
        ({"F_4": (20, 1), "F_5": (1, 20)}, "F=5", "4 fraction bits: −1.9 points; 5: +1.9 points"),
        (
            {"F_-2": (20, 1), "F_-1": (1, 1)},
            "F=-1",
            "−2 fraction bits: −1.9 points; −1: not distinguishable from float",
        ),
        ({"narrow": (20, 1), "wide": (1, 1)}, "wide", "narrow: −1.9 points; wide: not distinguishable from float"),
        ({"F_4": (20, 1), "W_8": (1, 1)}, "W=8", "F=4: −1.9 points; W=8: not distinguishable from float"),
    ],
)
def test_the_fewest_bits_that_suffice_and_the_cost_of_fewer(
    flips: dict[str, tuple[int, int]], enough: str | None, expected: str
) -> None:
    made = rows(**flips)
    assert metric_named("accuracy").verdict(made) == f"{expected} (exact McNemar test, 95 %, 1,000 images)."
    found = Sweep("sha256:…", "network", {}, "accuracy", tuple(made), expected).sufficient
    assert (None if found is None else found.name) == enough


def test_one_image_is_one() -> None:
    made = [replace(row, images=1) for row in rows(F_4=(0, 0))]
    assert metric_named("accuracy").verdict(made).endswith("(exact McNemar test, 95 %, 1 image).")


def test_distances_from_float_have_no_test() -> None:
    def row(name: str, mse: float, sqnr: float | None) -> Row:
        return Row(name, "sha256:…", True, IMAGES, mse=mse, sqnr=sqnr)

    found = [Row("float", None, False, IMAGES, mse=0.0), row("F=8", 1.25e-7, 60.04), row("F=3", 0.0125, 10.0)]
    assert metric_named("mse").verdict(found) == (
        "Mean squared error against float: 0.0125 with 3 fraction bits, 1.25e-07 with 8 fraction bits."
    )
    assert metric_named("sqnr").verdict(found) == (
        "Signal to quantization noise against float: 10.0 dB with 3 fraction bits, 60.0 dB with 8 fraction bits."
    )
    assert Sweep("sha256:…", "network", {}, "mse", tuple(found), "").sufficient is None
    alone = [found[0], row("mine", 0.0, None)]
    assert (
        metric_named("sqnr").verdict(alone) == "Signal to quantization noise against float: no finite value with mine."
    )


def test_an_accuracy_that_hangs_on_its_ties_suffices_for_nothing() -> None:
    """Every image ties, and the first class happens to be right as often as the float network."""
    float_row, tied, good = rows(F_3=(1, 1), F_4=(1, 1))
    tied = replace(tied, tied=IMAGES, accuracy_interval=(0.88, 0.92), accuracy_over_ties=(0.0, 1.0))
    good = replace(good, tied=2, accuracy_interval=(0.88, 0.92), accuracy_over_ties=(0.899, 0.901))
    test = "exact McNemar test, 95 %, 1,000 images"
    assert Sweep("sha256:…", "network", {}, "accuracy", (float_row, tied), "").sufficient is None
    assert metric_named("accuracy").verdict([float_row, tied]) == (
        f"3 fraction bits: ties decide, between 0.0 and 100.0 %, so none of these suffices ({test})."
    )
    assert metric_named("accuracy").verdict([float_row, tied, good]) == (
        f"3 fraction bits: ties decide, between 0.0 and 100.0 %; 4: not distinguishable from float ({test})."
    )
