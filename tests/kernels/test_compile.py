"""The library as its wheels hold it: for which processors, and from which C library on."""

import platform
from pathlib import Path

import pytest

from kernels.building import compilation, found

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the wheels are for glibc")

X86, ARM = 62, 183
"""e_machine of the ELF header."""


@pytest.mark.parametrize(
    ("machine", "compiler", "number"), [("x86_64", "cc", X86), ("aarch64", "aarch64-linux-gnu-gcc", ARM)]
)
def test_each_family_has_a_wheel_of_2014(
    machine: str, compiler: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if machine == "x86_64" != platform.machine():
        pytest.skip("needs a processor of this family")
    monkeypatch.setenv("CC", found(compiler))
    library = tmp_path / "library.so"
    compilation().build(library, machine=machine)
    assert library.read_bytes()[18] == number
    tag = compilation().platform_tag(library, machine)
    assert tag == f"manylinux_2_17_{machine}.manylinux2014_{machine}"


def test_a_newer_c_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "library.so").write_bytes(b"GLIBC_2.2.5\0GLIBC_2.34\0")
    with pytest.raises(RuntimeError, match="^library.so asks for symbols of glibc 2.34; the oldest that the wheel"):
        compilation().platform_tag(tmp_path / "library.so", "x86_64")


def test_a_compiler_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(RuntimeError, match="^no C compiler was found"):
        compilation().build(tmp_path / "library.so")
