"""A folder that is in use, and a manifest whose hashes don't fit: one sentence each, and nothing is touched."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bittrue.data import as_dataset
from bittrue.errors import BittrueError
from bittrue.exports.export import Export, export
from bittrue.exports.manifest import sha256_of
from bittrue.exports.witness import verify
from bittrue.plan import PlanOptions, uniform_plan
from cases import CASES, inputs_of

CASE = next(case for case in CASES if case.name == "whole")
PLAN = uniform_plan(CASE.network, 7, 4, options=PlanOptions(batch_norm="affine"))
IMAGES = as_dataset(inputs_of(CASE), name="a few")


def exported(folder: Path, targets: str = "c,memory,vectors", *, until: str = "dense") -> Export:
    return export(CASE.network, PLAN, targets, folder, data=IMAGES, images=3, until_node=until)


def state(folder: Path) -> dict[str, str]:
    return {str(path): sha256_of(path) for path in folder.rglob("*") if path.is_file()}


def foreign(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")


def device(folder: Path) -> None:
    (folder / "vectors" / "bench" / "device.sv").write_text("module device; endmodule")


def edited(folder: Path) -> None:
    with (folder / "c" / "Makefile").open("a") as file:
        file.write("# mine\n")


def damaged(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"files": 3}')


IN_USE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a foreign file": (foreign, r"holds files that no export wrote \(notes\.txt among them\)"),
    "a device beside the bench": (device, r"holds files that no export wrote \(vectors/bench/device\.sv among them\)"),
    "an edited file": (edited, r"c/Makefile was changed since it was exported, and would be lost"),
    "a damaged manifest": (damaged, r"manifest\.json is no manifest of an export"),
}


@pytest.mark.parametrize("what", IN_USE)
def test_a_folder_in_use_is_refused_and_stays(what: str, tmp_path: Path) -> None:
    exported(tmp_path / "out")
    spoil, says = IN_USE[what]
    spoil(tmp_path / "out")
    before = state(tmp_path)
    with pytest.raises(BittrueError, match=says):
        exported(tmp_path / "out")
    assert state(tmp_path) == before


def test_an_export_takes_the_place_of_one_that_was_built(tmp_path: Path) -> None:
    first = exported(tmp_path / "out")
    for built in ("c/check", "vectors/bench/bench.vvp", "vectors/bench/build/log.txt"):
        (tmp_path / "out" / built).parent.mkdir(exist_ok=True)
        (tmp_path / "out" / built).write_bytes(b"built")
    second = exported(tmp_path / "out")
    assert second.manifest == first.manifest
    assert not (tmp_path / "out" / "c" / "check").exists()


def test_the_vectors_of_an_export_are_compared(tmp_path: Path) -> None:
    exported(tmp_path / "out", "vectors")
    found = verify(CASE.network, PLAN, IMAGES, against=str(tmp_path / "out"))
    assert found.mismatches == 0
    assert found.values > 1000


def test_a_wrong_vector_with_its_hash_is_a_mismatch(tmp_path: Path) -> None:
    """The canary: someone else's export, whole, of codes that are wrong."""
    exported(tmp_path / "out", "vectors")
    path = tmp_path / "out" / "vectors" / "npy" / "dense.output.npy"
    codes = np.load(path)
    codes.reshape(-1)[1] ^= 1
    old = sha256_of(path)
    np.save(path, codes)
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(old, sha256_of(path)))
    assert verify(CASE.network, PLAN, IMAGES, against=str(tmp_path / "out")).mismatches == 1


def other_plan(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace(PLAN.hash, "sha256:" + "0" * 64))


def lost(folder: Path) -> None:
    (folder / "c" / "main.c").unlink()


def without_vectors(folder: Path) -> None:
    for path in (folder.parent / "out").rglob("*"):
        if path.is_file():
            path.unlink()
    exported(folder, "c")


BAD = {
    "an edited file": (edited, r"c/Makefile isn't the file whose hash .*manifest\.json has"),
    "a missing file": (lost, r"speaks of c/main\.c, which isn't there"),
    "a damaged manifest": (damaged, r"is no manifest of an export"),
    "another plan": (other_plan, r"is about another plan"),
    "no vectors": (without_vectors, r"holds an export without vectors"),
}


@pytest.mark.parametrize("what", BAD)
def test_an_export_that_is_not_what_it_says_is_refused(what: str, tmp_path: Path) -> None:
    exported(tmp_path / "out")
    spoil, says = BAD[what]
    spoil(tmp_path / "out")
    with pytest.raises(BittrueError, match=says):
        verify(CASE.network, PLAN, IMAGES, against=str(tmp_path / "out"))


def test_the_c_says_what_it_keeps_in_memory(tmp_path: Path) -> None:
    found = exported(tmp_path / "out", "c")
    header = (tmp_path / "out" / "c" / "whole.h").read_text()
    size = int(header.split("BUFFER_BYTES ")[1].split()[0])
    assert f"The C keeps {size:,} bytes in static buffers" in str(found)
