"""Which library and which unit is used, and what is said where one can't be."""

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bittrue.errors import KernelError
from bittrue.simulation.compiled import library


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("BITTRUE_KERNELS", raising=False)
    library.unit.cache_clear()
    library.units.cache_clear()
    yield
    library.unit.cache_clear()
    library.units.cache_clear()


def test_the_fastest_unit_is_used() -> None:
    assert library.unit() == library.units()[0]


@pytest.mark.parametrize("name", [unit.name for unit in library.units()])
def test_the_unit_that_is_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITTRUE_KERNELS", name)
    chosen = library.unit()
    assert chosen is not None
    assert chosen.name == name


def test_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITTRUE_KERNELS", "none")
    assert library.unit() is None


def test_a_unit_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITTRUE_KERNELS", "avx1024")
    with pytest.raises(KernelError, match="^BITTRUE_KERNELS=avx1024: .*choose one of none, .*portable"):
        library.unit()


def test_a_unit_that_the_processor_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only plain C is there, as on a processor older than all others."""
    fastest, *_, portable = library.units()
    library.units.cache_clear()
    load = library._load

    class Older:
        def __init__(self, path: Path) -> None:
            self.library = load(path)

        def __getattr__(self, name: str) -> object:
            return getattr(self.library, name)

        def bittrue_unit_available(self, index: int) -> bool:
            return index == portable.index

    monkeypatch.setattr(library, "_load", Older)
    found = library.unit()
    assert found is not None
    assert found.name == "portable"
    library.unit.cache_clear()
    monkeypatch.setenv("BITTRUE_KERNELS", fastest.name)
    with pytest.raises(KernelError, match=f"^BITTRUE_KERNELS={fastest.name}: this processor.*one of none, portable.$"):
        library.unit()


def test_without_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_path", lambda: None)
    assert library.unit() is None
    library.unit.cache_clear()
    monkeypatch.setenv("BITTRUE_KERNELS", "portable")
    with pytest.raises(KernelError, match="compiled kernels aren't installed; install the folder kernels/"):
        library.unit()


def test_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "ABI", library.ABI + 1)
    with pytest.raises(KernelError, match="belong to another version of bittrue; install the folder kernels/"):
        library.unit()


def test_another_layout_of_the_structures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "StageFields", ctypes.c_int64)
    with pytest.raises(KernelError, match="belong to another version"):
        library.unit()


def test_a_library_without_our_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = shutil.which("cc")
    assert compiler is not None
    (tmp_path / "empty.c").write_text("int nothing;\n")
    path = tmp_path / "empty.so"
    subprocess.run([compiler, "-shared", "-o", str(path), str(tmp_path / "empty.c")], check=True)
    monkeypatch.setattr(library, "_path", lambda: path)
    with pytest.raises(KernelError, match="^empty.so: .*can't be loaded.*bittrue_abi.*BITTRUE_KERNELS=none"):
        library.unit()


def test_a_file_that_is_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text.so"
    path.write_text("no library")
    monkeypatch.setattr(library, "_path", lambda: path)
    with pytest.raises(KernelError, match="^text.so: .*can't be loaded"):
        library.unit()
