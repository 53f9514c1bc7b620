"""The wheel holds what it needs and nothing else, and works without the repository.

`make wheel` also installs it into an empty environment.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytest.importorskip("hatchling")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (found,) = folder.glob("bittrue-*-py3-none-any.whl")
    return found


def test_its_contents(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    source = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src/bittrue").rglob("*") if path.is_file()}
    packaged = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert packaged == {name for name in source if "__pycache__" not in name}
    assert {
        "bittrue/py.typed",
        "bittrue/cli/data/digits.keras",
        "bittrue/data/digits.npz",
        "bittrue/reports/templates/report.html",
    } <= packaged
    metadata = {name.split("/", 1)[1] for name in names - packaged}
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= metadata


def test_the_demo_runs_from_it_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    script = (
        "import sys; sys.path.insert(0, 'installed'); import bittrue\n"
        "assert bittrue.__file__.startswith(sys.argv[1]), bittrue.__file__\n"
        "sys.argv = ['bittrue', 'demo', '--out', 'demo']\n"
        "from bittrue.cli.app import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, tmp_path], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "demo/report.html").exists()
    assert "0 mismatches" in result.stdout
