"""The one sentence that a sweep ends with."""

from dataclasses import replace

import numpy as np
import pytest

from bittrue.analysis.evaluating.metrics import metric_named
from bittrue.analysis.row_names import Grid
from bittrue.analysis.standard import Standard
from bittrue.analysis.statistics.fixed_sample import mcnemar_exact, wilson_interval
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.verdict import Row, shown_in_grid
from bittrue.errors import BittrueError

IMAGES = 1000
TEST = "exact test of the paired difference, 95 %"


def rows(images: int = IMAGES, correct: int = 900, **flips: tuple[int, int]) -> tuple[Row, ...]:
    """The float row with so many correct, and rows by name with (lost, gained)."""

    def row(name: str, right: int) -> Row:
        accuracy, interval = right / images, wilson_interval(right, images)
        plan = None if name == "float" else "sha256:…"
        return Row(
            name, plan, plan is not None, images, accuracy, interval, (accuracy, accuracy), correct=right, tied=0
        )

    made = [row("float", correct)]
    for name, (lost, gained) in flips.items():
        judged = {"lost": lost, "gained": gained, "p_value": mcnemar_exact(lost, gained)}
        made.append(replace(row(name.replace("_", "="), correct - lost + gained), **judged))
    return tuple(made)


def sweep(found: tuple[Row, ...], metric: str = "accuracy", standard: Standard | None = None) -> Sweep:
    return Sweep("sha256:…", "network", {}, metric, found, standard or Standard())


@pytest.mark.parametrize(
    ("flips", "enough", "expected"),
    [
        (
            {"F_3": (600, 0), "F_6": (60, 9), "F_8": (5, 4)},
            "F=8",
            "6 fraction bits: −5.1 points; 8: within 1 point of float",
        ),
        (
            {"F_8": (5, 4), "F_3": (600, 0), "F_10": (0, 0), "F_6": (60, 9)},
            "F=8",
            "6 fraction bits: −5.1 points; 8: within 1 point of float",
        ),
        ({"W_1": (4, 3), "W_2": (3, 3)}, "W=1", "1 bit, the fewest here: within 1 point of float"),
        (
            {"W_1": (8, 2), "W_2": (1, 1)},
            "W=2",
            "1 bit: −0.60 points, and too few images to tell (about 5,100 would do); 2: within 1 point of float",
        ),
        (
            {"F_1": (600, 0), "F_2": (40, 1)},
            None,
            "2 fraction bits, the most here: −3.9 points, so none of these suffices",
        ),
        ({"F_1": (600, 0)}, None, "1 fraction bit: −60.0 points, so none of these suffices"),
        ({"F_5": (1, 1)}, "F=5", "5 fraction bits: within 1 point of float"),
        # What differs from float beyond chance may still lose less than may be lost, and what doesn't may lose more.
        ({"F_5": (4, 0), "F_6": (0, 0)}, "F=5", "5 fraction bits, the fewest here: within 1 point of float"),
        (
            {"F_5": (30, 28), "F_6": (20, 18)},
            None,
            "6 fraction bits, the most here: −0.20 points, and too few images to tell (about 3,900 would do), so none "
            "of these is shown to suffice",
        ),
        # A narrower row that is fine by chance doesn't count while a wider one isn't shown to be.
        ({"F_4": (3, 3), "F_5": (12, 1), "F_6": (0, 0)}, "F=6", None),
        ({"F_4": (20, 1), "F_5": (1, 20)}, "F=5", None),
        ({"F_-2": (40, 1), "F_-1": (1, 1)}, "F=-1", "−2 fraction bits: −3.9 points; −1: within 1 point of float"),
        ({"narrow": (40, 1), "wide": (1, 1)}, None, "narrow: −3.9 points; wide: within 1 point of float"),
        ({"wide": (1, 1), "wider": (1, 1)}, "wide", None),
        ({"F_4": (40, 1), "W_8": (1, 1)}, "W=8", "F=4: −3.9 points; W=8: within 1 point of float"),
    ],
)
def test_the_fewest_bits_that_suffice_and_the_cost_of_fewer(
    flips: dict[str, tuple[int, int]], enough: str | None, expected: str | None
) -> None:
    found = sweep(rows(**flips))
    if expected is not None:
        assert found.verdict == f"{expected} ({TEST}, 1,000 images)."
    if enough is not None or (expected is not None and "none" in expected):
        assert (None if found.sufficient is None else found.sufficient.name) == enough


def test_one_image_is_one() -> None:
    assert sweep(rows(1, 1, F_4=(0, 0))).verdict.endswith(f"({TEST}, 1 image).")


def test_few_images_show_nothing() -> None:
    """−5 points and −15 points of 20 images were once called enough; now they name how many images would do."""
    found = sweep(rows(20, 18, W_5=(1, 0), W_6=(3, 0)))
    assert found.sufficient is None
    assert found.verdict == (
        "6 bits, the most here: −15.0 points, and too few images to tell (about 620 would do), so none of these is "
        f"shown to suffice ({TEST}, 20 images). 6 bits do worse than 5: 75.0 against 85.0 %."
    )
    as_float = sweep(rows(20, 18, W_5=(0, 0)))
    assert as_float.sufficient is None
    assert "0.00 points, and too few images to tell (about 620 would do)" in as_float.verdict


def test_the_largest_drop_is_the_users() -> None:
    found = rows(F_4=(40, 1), F_5=(16, 1), F_6=(3, 1))
    by = {most: sweep(found, standard=Standard(most)) for most in (0.5, 1.0, 3.0, 6.0)}
    chosen = {most: result.sufficient and result.sufficient.name for most, result in by.items()}
    assert chosen == {0.5: None, 1.0: "F=6", 3.0: "F=5", 6.0: "F=4"}
    assert by[3.0].to_json()["max_drop"] == 3.0
    assert [row["drop"] for row in by[3.0].to_json()["rows"]] == [None, "too few", "within", "within"]


@pytest.mark.parametrize("most", [0.0, -1.0, 100.0, float("nan"), float("inf")])
def test_what_is_no_largest_drop(most: float) -> None:
    with pytest.raises(BittrueError, match="--max-drop .* above 0 and below 100"):
        Standard(most)


def test_a_float_network_near_chance_judges_nothing() -> None:
    """A forgotten --scale: 20 % for five classes, and once +2.2 points."""
    found = sweep(rows(500, 100, W_4=(1, 12), W_8=(0, 0)), standard=Standard(chance=0.2))
    assert found.sufficient is None
    assert found.verdict == (
        "The float network's 20.0 % of 500 images are no better than naming the commonest class every time (20.0 %), "
        "so no row is judged: give the images as in training (--scale 1/255? --mean, --std, --layout), or more of them."
    )
    better = sweep(rows(500, 450, W_8=(0, 0)), standard=Standard(chance=0.2))
    assert better.sufficient is not None


def test_a_row_that_does_worse_than_one_with_fewer_bits_is_named() -> None:
    found = sweep(rows(F_5=(500, 0), F_6=(560, 0), F_7=(300, 0), F_8=(290, 0)))
    assert found.verdict == (
        f"8 fraction bits, the most here: −29.0 points, so none of these suffices ({TEST}, 1,000 images). "
        "6 fraction bits do worse than 5: 34.0 against 40.0 %."
    )
    assert "worse than" not in sweep(rows(F_5=(3, 0), F_6=(5, 0))).verdict


def test_distances_from_float_have_no_test() -> None:
    def row(name: str, mse: float, sqnr: float | None) -> Row:
        return Row(name, "sha256:…", True, IMAGES, mse=mse, sqnr=sqnr)

    found = (Row("float", None, False, IMAGES, mse=0.0), row("F=8", 1.25e-7, 60.04), row("F=3", 0.0125, 10.0))
    assert sweep(found, "mse").verdict == (
        "Mean squared error against float: 0.0125 with 3 fraction bits, 1.25e-07 with 8 fraction bits."
    )
    assert sweep(found, "sqnr").verdict == (
        "Signal to quantization noise against float: 10.0 dB with 3 fraction bits, 60.0 dB with 8 fraction bits."
    )
    assert sweep(found, "mse").sufficient is None
    alone = (found[0], row("mine", 0.0, None))
    assert (
        metric_named("sqnr").verdict(alone, Standard())
        == "Signal to quantization noise against float: no finite value with mine."
    )


def test_an_accuracy_that_hangs_on_its_ties_suffices_for_nothing() -> None:
    """Every image ties, and the first class happens to be right as often as the float network."""
    float_row, tied, good = rows(F_3=(1, 1), F_4=(1, 1))
    tied = replace(tied, tied=IMAGES, accuracy_over_ties=(0.0, 1.0))
    good = replace(good, tied=2, accuracy_over_ties=(0.899, 0.901))
    assert sweep((float_row, tied)).sufficient is None
    assert sweep((float_row, tied)).verdict == (
        "3 fraction bits: ties decide, between 0.0 and 100.0 %, so none of these is shown to suffice "
        f"({TEST}, 1,000 images)."
    )
    assert sweep((float_row, tied, good)).verdict == (
        f"3 fraction bits: ties decide, between 0.0 and 100.0 %; 4: within 1 point of float ({TEST}, 1,000 images)."
    )


def test_a_file_from_before_is_judged_as_a_new_one_is() -> None:
    found = sweep(rows(F_6=(60, 9), F_8=(5, 4)))
    old = {key: value for key, value in found.to_json().items() if key not in ("max_drop", "chance")}
    assert Sweep.from_json(old, "sweep.json") == found
    assert Sweep.from_json(found.to_json(), "sweep.json") == found


def grid(**worse: tuple[int, int]) -> Sweep:
    """Weights of 4 to 6 bits and activations of 5 to 7, all like float but those named."""
    names = [f"W{weights}A{activations}" for weights in (4, 5, 6) for activations in (5, 6, 7)]
    return sweep(rows(**{name: worse.get(name, (0, 0)) for name in names}))


def test_the_fewest_bits_of_a_grid() -> None:
    found = grid(W4A5=(90, 0), W4A6=(60, 0), W5A5=(70, 1))
    test = "exact test of the paired difference, 95 % for all together, 1,000 images"
    assert found.verdict == f"Within 1 point of float with the fewest bits: W4A7, W5A6, W6A5 ({test})."
    assert found.sufficient is not None
    assert found.sufficient.name == "W4A7"  # 28 against 30 and 30 bits of both factors
    none = grid(W6A7=(90, 0))
    assert none.sufficient is None
    assert none.verdict.startswith("W6A7, the most here: −9.0 points, so none of these suffices (")
    assert none.verdict.endswith("W6A7 does worse than W4A7: 81.0 against 90.0 %.")


def test_the_levels_of_a_grid_are_never_more_together_than_one() -> None:
    """Whichever rows lose too much: if each that doesn't is shown, those that do are tested at 5 % in all."""
    cells = {(w, a): Row(f"W{w}A{a}", "", True, 1) for w in range(4) for a in range(5)}
    whole = Grid(tuple(range(4)), tuple(range(5)), cells)
    random = np.random.default_rng(0)
    for share in np.linspace(0, 1, 200):
        wrong = {row.name for row in cells.values() if random.random() < share}
        spent: list[float] = []

        def shows(row: Row, level: float, wrong: set[str] = wrong, spent: list[float] = spent) -> bool:
            if row.name in wrong:
                spent.append(level)
            return row.name not in wrong

        shown_in_grid(whole, shows, 0.05)
        assert sum(spent) <= 0.05 + 1e-12
    found: list[float] = []
    assert len(shown_in_grid(whole, lambda row, level: found.append(level) is None, 0.05)) == 20
    assert found[0] == 0.05
    assert min(found) > 0


def test_several_recipes_share_the_level() -> None:
    together = sweep(
        rows(**{"study F=4": (600, 0), "study F=5": (3, 0), "hardware W=6": (0, 0), "hardware W=7": (0, 0)})
    )
    assert together.verdict == (
        "study: 4 fraction bits: −60.0 points; 5: within 1 point of float. hardware: 6 bits, the fewest here: within 1 "
        "point of float (exact test of the paired difference, 95 % for all together, 1,000 images)."
    )
    assert together.sufficient is not None
    assert together.sufficient.name == "study F=5"
    # Enough alone, and not as one of two.
    alone, shared = sweep(rows(F_5=(4, 0))), sweep(rows(**{"study F=5": (4, 0), "hardware W=7": (600, 0)}))
    assert (alone.sufficient is None, shared.sufficient is None) == (False, True)
    assert "study: 5 fraction bits: −0.40 points, and too few images to tell" in shared.verdict


def test_what_is_compared_with_the_plan_in_a_file() -> None:
    float_row, *others = rows(W_6=(60, 0), W_8=(1, 0))
    own = replace(float_row, name="file", plan="sha256:own")
    found = Sweep("sha256:…", "network", {}, "accuracy", (float_row, own, *others), Standard(), reference="file")
    assert [row.name for row in found.compared] == ["file", "W=6", "W=8"]
    assert found.verdict.startswith("6 bits: −6.0 points; 8: within 1 point of the file's own plan (")
    low = replace(own, accuracy=0.2, accuracy_interval=(0.18, 0.22))
    near = replace(found, rows=(float_row, low, *others), standard=Standard(1.0, chance=0.2))
    assert near.verdict.startswith("The row file's 20.0 % of 1,000 images are no better than naming the commonest")
    assert near.sufficient is None
