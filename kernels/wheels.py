"""Build the wheels for Linux: x86-64 and, where its compiler is at hand, aarch64.

    python wheels.py FOLDER

Needs pip. Prints each wheel, and which of them were left out and why.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

COMPILERS = {"x86_64": "x86_64-linux-gnu-gcc", "aarch64": "aarch64-linux-gnu-gcc"}
"""By family, Debian's compiler for it on another family's machine."""


def main(folder: Path) -> None:
    for machine, cross in COMPILERS.items():
        compiler = os.environ.get("CC", "cc") if machine == platform.machine() else cross
        if shutil.which(compiler) is None:
            print(f"no wheel for {machine}: {compiler} isn't installed")
            continue
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
        environment = os.environ | {"CC": compiler, "BITTRUE_KERNELS_MACHINE": machine}
        before = set(folder.glob("*.whl"))
        subprocess.run([*pip, "--wheel-dir", str(folder), str(Path(__file__).parent)], env=environment, check=True)
        print(*sorted(path.name for path in set(folder.glob("*.whl")) - before) or [f"{machine}: as it was"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
