"""Compile the library with the C compiler that is at hand.

    python compile.py FILE

One object for each vector unit of the processor's family, each with the options that its instructions need, so that
one library serves all processors of the family: which unit is used is decided when it runs. CC chooses the compiler.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "source"

# Signed sums wrap around (in the codes of a block's unused rows they may); no fast-math: the stages round.
OPTIONS = ["-O3", "-std=gnu11", "-fPIC", "-fwrapv", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
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
    "avx2": ["-mavx2", "-mfma"],
    "portable": [],
}
UNITS = {"x86_64": _X86, "AMD64": _X86}
"""By processor, each unit's options; a processor that isn't listed has `portable` alone."""


def compiler() -> str | None:
    """The compiler's path, or None."""
    names = [os.environ["CC"]] if "CC" in os.environ else ["cc", "gcc", "clang"]
    return next((path for path in map(shutil.which, names) if path), None)


def build(target: Path, *, machine: str | None = None, extra: tuple[str, ...] = ()) -> None:
    """Compile and link the library. extra: options for all files, such as a sanitizer's.

    Raises RuntimeError, with what the compiler said, where it fails or isn't there.
    """
    command = compiler()
    if command is None:
        raise RuntimeError("no C compiler was found (cc, gcc or clang; CC names another)")
    units = UNITS.get(machine or platform.machine(), {"portable": []})
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        for name, options in units.items():
            objects.append(Path(folder) / f"{name}.o")
            header = f'-DUNIT_HEADER="{name}.h"'
            _run(
                [
                    command,
                    *OPTIONS,
                    *WARNINGS,
                    *options,
                    *extra,
                    header,
                    "-c",
                    str(SOURCE / "unit.c"),
                    "-o",
                    str(objects[-1]),
                ]
            )
        objects.append(Path(folder) / "library.o")
        _run([command, *OPTIONS, *WARNINGS, *extra, "-c", str(SOURCE / "library.c"), "-o", str(objects[-1])])
        _run([command, "-shared", *extra, *map(str, objects), "-lm", "-o", str(target)])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:1])} failed:\n{done.stderr.strip()}")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
