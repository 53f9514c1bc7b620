"""The C has the simulation's bits: every stored layer of every case, under plans of every kind (B3 to B10)."""

from pathlib import Path

import pytest

from bittrue.errors import BittrueError, CarrierError
from bittrue.exports.c.program import c_program
from bittrue.exports.job import until
from bittrue.lowering import lower_network
from bittrue.plan import Override, PlanOptions, uniform_plan
from cases import CASES, inputs_of
from exports.building import SANITIZERS, compiled, ran, vectors, written
from exports.c.sweep import compared
from plans import PLANNED, Planned

OFTEN = 41
"""Of so many planned cases one is built here; which ones, changes with the order of the table alone."""

REFUSALS = (
    "nothing bounds",
    "C computes in 64 bits",
    "need more than 64 bits",
    "--until",
    "is too large; give",
)


def outcome(planned: Planned, folder: Path, compiler: str, *options: str) -> str:
    """`same`, or why C can't have the program."""
    program = lower_network(planned.case.network, planned.plan)
    try:
        made = written(program, folder)
    except BittrueError as error:
        if any(reason in str(error) for reason in REFUSALS):
            return "refused"
        raise
    places = folder / "vectors"
    places.mkdir()
    vectors(made, inputs_of(planned.case), places)
    done = ran(compiled(folder, compiler, *options), places)
    assert done.returncode == 0, done.stdout + done.stderr
    return "same"


@pytest.mark.parametrize("planned", PLANNED[::OFTEN], ids=lambda planned: planned.id)
def test_every_stored_layer_has_the_bits_of_the_simulation(planned: Planned, tmp_path: Path) -> None:
    outcome(planned, tmp_path, "gcc")


def test_few_plans_are_refused() -> None:
    """Most of what the tests here build is built: refused are the study's unbounded inputs, softmax without tables, and
    numbers beyond 64 bits."""
    refused = 0
    for planned in PLANNED[::OFTEN]:
        try:
            c_program(lower_network(planned.case.network, planned.plan), "net")
        except BittrueError:
            refused += 1
    assert refused <= len(PLANNED[::OFTEN]) * 0.4


@pytest.mark.parametrize("planned", PLANNED[20 :: OFTEN * 6], ids=lambda planned: planned.id)
def test_sanitizers_find_nothing(planned: Planned, tmp_path: Path) -> None:
    outcome(planned, tmp_path, "gcc", *SANITIZERS)


@pytest.mark.parametrize("planned", PLANNED[10 :: OFTEN * 6], ids=lambda planned: planned.id)
def test_clang_finds_nothing_to_warn_of(planned: Planned, tmp_path: Path) -> None:
    outcome(planned, tmp_path, "clang")


@pytest.mark.parametrize("seed", range(30))
def test_random_plans(seed: int, tmp_path: Path) -> None:
    """The first of those of `python tests/exports/c/sweep.py`."""
    assert compared(seed, tmp_path) > 0


def test_one_wrong_code_fails_the_check(tmp_path: Path) -> None:
    planned = next(planned for planned in PLANNED if planned.id == "whole-hardware 8")
    made = written(until(lower_network(planned.case.network, planned.plan), "dense"), tmp_path)
    places = tmp_path / "vectors"
    places.mkdir()
    vectors(made, inputs_of(planned.case), places)
    check = compiled(tmp_path)
    assert ran(check, places).returncode == 0
    path = places / "dense.output.bin"
    content = bytearray(path.read_bytes())
    content[7] ^= 1
    path.write_bytes(content)
    done = ran(check, places)
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL layer")
    assert "dense.output, image 1, index 2: expected" in done.stdout


def test_constants_beyond_64_bits_are_one_sentence() -> None:
    case = next(case for case in CASES if case.name == "dense")
    wide = [Override("dense.weight", "ap_fixed<90,10,AP_RND_CONV,AP_SAT>")]
    program = lower_network(case.network, uniform_plan(case.network, 8, 4, overrides=wide))
    with pytest.raises(CarrierError, match=r"^node dense: C computes in 64 bits, and a number on the way can need "):
        c_program(program, "net")


@pytest.mark.parametrize("bits", [24, 32, 45])
@pytest.mark.parametrize("name", ["average-pooling", "max-pooling"])
def test_unsigned_codes_are_moved_and_summed_without_a_warning(name: str, bits: int, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == name)
    wide = [Override("image.output", f"ap_ufixed<{bits},{bits - 15},AP_RND_CONV,AP_SAT>")]
    made = written(lower_network(case.network, uniform_plan(case.network, 16, 8, overrides=wide)), tmp_path)
    places = tmp_path / "vectors"
    places.mkdir()
    vectors(made, inputs_of(case), places)
    for compiler in ("gcc", "clang"):
        assert ran(compiled(tmp_path, compiler), places).returncode == 0


def test_products_that_are_always_0_leave_the_sum_without_a_warning(tmp_path: Path) -> None:
    """x < 4 and |w| <= 2^-4, so each product is 0 in whole numbers."""
    case = next(case for case in CASES if case.name == "dense")
    formats = {
        "image.output": "ap_fixed<6,3,AP_RND_CONV,AP_SAT>",
        "dense.weight": "ap_fixed<4,-3,AP_RND_CONV,AP_SAT>",
        "dense.accumulator": "ap_fixed<8,8,AP_RND_CONV,AP_SAT>",
    }
    options = PlanOptions(product="quantized")
    overrides = [Override(site, text) for site, text in formats.items()]
    program = lower_network(case.network, uniform_plan(case.network, 8, 4, options=options, overrides=overrides))
    made = written(program, tmp_path)
    assert "sum = sum" not in (tmp_path / "net.c").read_text(encoding="utf-8")
    places = tmp_path / "vectors"
    places.mkdir()
    vectors(made, inputs_of(case), places)
    for compiler in ("gcc", "clang"):
        assert ran(compiled(tmp_path, compiler), places).returncode == 0
