"""Compile the library with the C compiler that is at hand.

    python compile.py FILE [MACHINE]

One object for each vector unit of the processor's family, each with the options that its instructions need, so that
one library serves all processors of the family: which unit is used is decided when it runs. CC chooses the compiler,
and MACHINE (x86_64, aarch64) the family, where the compiler is one for another than this machine's.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "source"

# Signed sums wrap around (in the codes of a block's unused rows they may); no fast-math: the stages round. But no
# number is infinite or NaN, and no zero is negative, without which the least of many isn't found in vectors.
OPTIONS = ["-O3", "-std=gnu11", "-fPIC", "-fwrapv", "-fvisibility=hidden"]
OPTIONS += ["-fno-math-errno", "-fno-trapping-math", "-ffinite-math-only", "-fno-signed-zeros"]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]

_X86 = {
    "avx512": [
        "-mavx512f",
        "-mavx512bw",
        "-mavx512dq",
        "-mavx512vl",
        "-mavx512vnni",
        "-mfma",
        "-mprefer-vector-width=512",
    ],
    "avxvnni": ["-mavx2", "-mfma"],
    "avx2": ["-mavx2", "-mfma"],
    "portable": [],
}
_ARM: dict[str, list[str]] = {"neondot": ["-march=armv8.2-a+dotprod"], "neon": [], "portable": []}
UNITS = {"x86_64": _X86, "AMD64": _X86, "aarch64": _ARM, "arm64": _ARM}
"""By processor, each unit's options; a processor that isn't listed has `portable` alone."""


def compiler() -> str | None:
    """The compiler's path, or None."""
    names = [os.environ["CC"]] if "CC" in os.environ else ["cc", "gcc", "clang"]
    return next((path for path in map(shutil.which, names) if path), None)


def build(
    target: Path, *, machine: str | None = None, extra: tuple[str, ...] = (), program: Path | None = None
) -> None:
    """Compile and link the library.

    machine: the processor's family, this machine's by default. extra: options for all files, such as a sanitizer's.
    program: a C file whose `main` is linked with the kernels, into a program instead of a library.
    Raises RuntimeError, with what the compiler said, where it fails or isn't there.
    """
    command = compiler()
    if command is None:
        raise RuntimeError("no C compiler was found (cc, gcc or clang; CC names another)")
    units = UNITS.get(machine or platform.machine(), {"portable": []})
    sources = [("library", SOURCE / "library.c", [])]
    sources += [(name, SOURCE / "unit.c", [*options, f'-DUNIT_HEADER="{name}.h"']) for name, options in units.items()]
    if program is not None:
        sources.append(("program", program, []))
    with tempfile.TemporaryDirectory() as folder:
        objects = [str(Path(folder) / f"{name}.o") for name, _, _ in sources]
        for (_, source, options), compiled in zip(sources, objects, strict=True):
            _run([command, *OPTIONS, *WARNINGS, *options, *extra, "-c", str(source), "-o", compiled])
        kind = ["-shared"] if program is None else []
        _run([command, *kind, *extra, *objects, "-lm", "-o", str(target)])


GLIBC = (2, 17)
"""The oldest GNU C library that a wheel asks for: manylinux2014."""


def platform_tag(library: Path, machine: str) -> str:
    """The platform of a wheel that holds the library, for its file name.

    Raises RuntimeError where it asks for symbols of a newer C library than GLIBC.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return sysconfig.get_platform().replace("-", "_").replace(".", "_")
    found = re.findall(rb"GLIBC_(\d+)\.(\d+)", library.read_bytes())
    newest = max(((int(major), int(minor)) for major, minor in found), default=(0, 0))
    if newest > GLIBC:
        oldest = f"the oldest that the wheels are for, {GLIBC[0]}.{GLIBC[1]}, has none of them"
        raise RuntimeError(f"{library.name} asks for symbols of glibc {newest[0]}.{newest[1]}; {oldest}")
    return f"manylinux_{GLIBC[0]}_{GLIBC[1]}_{machine}.manylinux2014_{machine}"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:1])} failed:\n{done.stderr.strip()}")


if __name__ == "__main__":
    build(Path(sys.argv[1]), machine=sys.argv[2] if len(sys.argv) > 2 else None)
