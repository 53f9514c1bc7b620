"""The kernels alone, without Python: recorded calls, whose results the definition in Python integers gave, on every
unit under the address and undefined-behaviour sanitizers, under Valgrind, and on NEON in an emulator."""

import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bittrue.simulation.compiled import library
from kernels.building import KERNELS, compilation, found
from kernels.recording import Call, packed, record, recorded_calls
from simulation.compiled import cases

# Without -fwrapv, sums that leave int32 are told too: what is proven of them is that they don't.
SANITIZED = ("-O1", "-g", "-fno-wrapv", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
VALGRIND = ("valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full")

Build = Callable[..., Path]
Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """kernels/check/replay.c built with the kernels: (compiler, machine, options) -> the program."""
    folder = tmp_path_factory.mktemp("programs")

    def built(compiler: str, machine: str, extra: tuple[str, ...] = ()) -> Path:
        path = folder / f"{machine}{len(extra)}"
        if not path.exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("CC", found(compiler))
                compilation().build(path, machine=machine, extra=extra, program=KERNELS / "check" / "replay.c")
        return path

    return built


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("calls") / "calls"
    path.write_bytes(packed(recorded_calls()))
    return path


@pytest.fixture(scope="module")
def convolution() -> Call:
    """A call whose last blocks are its codes, the number of operands (none), the result, and what was seen."""
    (call, *_) = record([cases.convolution(cases.GEOMETRIES[0], cases.CONVOLUTION_WORDS[0])])
    return call


def replay(*command: object) -> Done:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


def units_without_mismatch(result: Done) -> list[str]:
    assert result.returncode == 0, result.stdout + result.stderr
    printed = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    return [unit for unit, what in printed.items() if what.endswith(" calls, 0 mismatches")]


def test_sanitizers_find_nothing_on_any_unit_of_this_machine(build: Build, calls: Path) -> None:
    result = replay(build("cc", platform.machine(), SANITIZED), calls)
    assert units_without_mismatch(result) == [unit.name for unit in library.units()]


def test_valgrind_finds_nothing(build: Build, calls: Path) -> None:
    """It has no AVX-512, so that the units below are used."""
    result = replay(found(VALGRIND[0]), *VALGRIND[1:], build("cc", platform.machine()), calls)
    assert "portable" in units_without_mismatch(result)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the units of this processor are tried without an emulator")
def test_neon_in_an_emulator(build: Build, calls: Path) -> None:
    program = build("aarch64-linux-gnu-gcc", "aarch64", ("-static",))
    assert units_without_mismatch(replay(found("qemu-aarch64"), program, calls)) == ["neondot", "neon", "portable"]


def test_canary_another_result_is_told(build: Build, convolution: Call, tmp_path: Path) -> None:
    *before, out, seen = convolution
    for changed in ([*before, bytes([out[0] ^ 1]) + out[1:], seen], [*before, out, bytes([seen[0] ^ 1]) + seen[1:]]):
        (tmp_path / "calls").write_bytes(packed([convolution, tuple(changed)]))
        result = replay(build("cc", platform.machine()), tmp_path / "calls", "portable")
        assert result.returncode == 1
        assert result.stdout == "portable: call 1 differs\nportable: 2 calls, 1 mismatches\n"


def test_canary_a_step_beyond_is_told(build: Build, convolution: Call, tmp_path: Path) -> None:
    """The last code of the last image isn't there."""
    *before, x, none, out, seen = convolution
    (tmp_path / "calls").write_bytes(packed([(*before, x[:-2], none, out, seen)]))
    sanitized, plain = build("cc", platform.machine(), SANITIZED), build("cc", platform.machine())
    assert "heap-buffer-overflow" in replay(sanitized, tmp_path / "calls", "portable").stderr
    result = replay(found(VALGRIND[0]), *VALGRIND[1:], plain, tmp_path / "calls", "portable")
    assert result.returncode == 9
    assert "Invalid read" in result.stderr
