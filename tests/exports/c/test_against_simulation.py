"""The C has the simulation's bits: every stored layer of every case, under plans of every kind (B3 to B10)."""

from pathlib import Path

import pytest

from bittrue.errors import BittrueError
from bittrue.lowering import lower_network
from cases import inputs_of
from exports.building import SANITIZERS, compiled, ran, vectors, written
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


@pytest.mark.parametrize("planned", PLANNED[20 :: OFTEN * 6], ids=lambda planned: planned.id)
def test_clang_and_its_sanitizers_find_nothing(planned: Planned, tmp_path: Path) -> None:
    outcome(planned, tmp_path, "clang", *SANITIZERS)
