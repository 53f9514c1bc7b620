"""`python tests/try_wheel.py WHEEL-FOLDER [PYTHON…]`: the wheel in empty environments, away from the repository.

For each interpreter (python3.12 or a path; none: the one that runs this): a new environment with the wheel and what it
requires, in the versions of constraints.txt; then `bittrue demo`, and the public API on what that leaves.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
API = """
import bittrue as bt
network = bt.load("demo/model.keras")
found = bt.Sweep.load("demo/sweep.json")
assert found.network == network.hash and "site-packages" in bt.__file__, bt.__file__
print(found.verdict)
"""


def try_wheel(wheel: Path, python: str, folder: Path) -> None:
    """Raises subprocess.CalledProcessError where a step fails."""
    environment = folder / "environment"
    subprocess.run([python, "-m", "venv", environment], check=True)
    binaries = environment / "bin"
    install = [binaries / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*install, "--constraint", CONSTRAINTS, f"{wheel}[notebook]"], check=True, cwd=folder)
    subprocess.run([binaries / "bittrue", "demo", "--out", "demo"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    subprocess.run([binaries / "python", "-c", API], check=True, cwd=folder)


def main(wheels: Path, pythons: list[str]) -> None:
    wheel = max(wheels.resolve().glob("bittrue-*.whl"), key=lambda path: path.stat().st_mtime)
    for python in pythons or [sys.executable]:
        with tempfile.TemporaryDirectory() as folder:
            try_wheel(wheel, python, Path(folder))
        print(f"{wheel.name} works with {python}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
