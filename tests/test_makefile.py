"""The Makefile and the CI script, run with stand-ins for Python and make: nothing is installed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASE, DEV, ALL = (Path(".venv") / name for name in (".installed", ".installed-dev", ".installed-all"))

# A stand-in for python3 that makes a .venv whose python writes down what it is asked to do.
PYTHON = """#!/bin/sh
case "$*" in
  -c*) exit 0 ;;
  "-m venv --clear .venv")
    mkdir -p .venv/bin
    printf '#!/bin/sh\\necho "$@" >> asked\\ntest ! -e fail\\n' > .venv/bin/python
    chmod +x .venv/bin/python
    cp .venv/bin/python .venv/bin/pip ;;
  *) exit 9 ;;
esac
"""

SUITE = "-m pytest --numprocesses auto --dist loadfile"
QUICK = "-m pytest --numprocesses 2 --dist loadfile @tests/quick.txt"
PIP = "-m pip --disable-pip-version-check install --constraint constraints.txt"
TORCH = f"{PIP} torch==2.13.0"
KERNELS = f"{PIP} --force-reinstall --no-deps ./kernels"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "kernels", tmp_path / "kernels")
    executable(tmp_path / "python", PYTHON)
    return tmp_path


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def make(clone: Path, *arguments: str, python: str = "./python") -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", *arguments, f"PYTHON={python}"]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)


def asked(clone: Path) -> list[str]:
    path = clone / "asked"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_a_fresh_clone_installs_torch_first_and_everything_pinned(clone: Path) -> None:
    result = make(clone, "test")
    assert result.returncode == 0, result.stderr
    assert asked(clone) == [TORCH, f"{PIP} --editable .", f"{PIP} --editable .[dev,witness]", KERNELS, SUITE]
    assert (clone / ALL).exists()


def test_the_demo_installs_bittrue_alone_and_quick_tests_no_witness(clone: Path) -> None:
    executable(clone / "bittrue", "#!/bin/sh\n")
    make(clone, "venv")
    assert asked(clone) == [TORCH, f"{PIP} --editable ."]
    shutil.copy(clone / "bittrue", clone / ".venv" / "bin")
    assert make(clone, "demo").returncode == 0
    assert asked(clone) == [KERNELS]
    assert make(clone, "quick").returncode == 0
    assert asked(clone) == [f"{PIP} --editable .[dev]", QUICK]
    assert not (clone / ALL).exists()


def test_a_second_time_costs_nothing_until_the_requirements_change(clone: Path) -> None:
    make(clone, "test")
    asked(clone)
    assert make(clone, "test", "quick").returncode == 0
    assert asked(clone) == [SUITE, QUICK]
    later = (clone / ALL).stat().st_mtime + 10
    os.utime(clone / "constraints.txt", (later, later))
    make(clone, "quick")
    assert asked(clone) == [TORCH, f"{PIP} --editable .", f"{PIP} --editable .[dev]", KERNELS, QUICK]


def test_without_a_c_compiler_all_goes_on_and_one_line_says_so(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    result = make(clone, "quick")
    assert result.returncode == 0
    assert [line for line in result.stdout.splitlines() if "compiler" in line] == [
        "No C compiler was found: bittrue goes on without its compiled kernels, slower and with the same bits."
    ]
    assert asked(clone) == [TORCH, f"{PIP} --editable .", f"{PIP} --editable .[dev]", QUICK]


def test_an_installation_that_broke_off_is_taken_up_again(clone: Path) -> None:
    (clone / "fail").touch()
    assert make(clone, "test").returncode != 0
    assert len(asked(clone)) == 1
    assert not (clone / BASE).exists()
    (clone / "fail").unlink()
    assert make(clone, "test").returncode == 0
    assert len(asked(clone)) == 5


def test_an_old_python_and_a_python_without_venv_are_told(clone: Path) -> None:
    executable(clone / "old", "#!/bin/sh\nexit 1\n")
    result = make(clone, "demo", python="./old")
    assert result.returncode != 0
    assert "bittrue needs Python 3.11 or newer, and './old' is not" in result.stderr
    executable(clone / "bare", '#!/bin/sh\ntest "$1" = -c\n')
    result = make(clone, "demo", python="./bare")
    assert result.returncode != 0
    assert "python3-venv" in result.stderr
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("demo", ".venv/bin/bittrue demo --out demo"),
        ("quick", f".venv/bin/python {QUICK}"),
        ("lint", ".venv/bin/ruff check ."),
        ("types", ".venv/bin/mypy"),
        ("units", f"BITTRUE_KERNELS=none .venv/bin/python {SUITE} tests/simulation"),
        ("layers", ".venv/bin/lint-imports"),
        ("docs", "NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict"),
        ("wheel", ".venv/bin/python -m pip --disable-pip-version-check wheel . --no-deps --wheel-dir dist"),
        ("kernel-wheels", ".venv/bin/python kernels/wheels.py dist"),
    ],
)
def test_targets(clone: Path, target: str, command: str) -> None:
    make(clone, "test")
    assert make(clone, "-n", target).stdout.splitlines()[0] == command


def test_make_alone_names_every_target(clone: Path) -> None:
    phony = re.search(r"^\.PHONY: help (.*)$", (clone / "Makefile").read_text(), re.MULTILINE)
    assert phony
    text = make(clone).stdout
    assert all(f"make {target} " in text for target in phony[1].split())
    assert asked(clone) == []


def test_the_quick_tests_are_there() -> None:
    named = [line.partition("::")[0] for line in (ROOT / "tests/quick.txt").read_text().split()]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_what_is_checked_before_a_commit_is_what_make_checks() -> None:
    hooks = re.findall(r"entry: \.venv/bin/(\S+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert len(hooks) == 4
    assert all(f"$(BIN)/{hook}" in (ROOT / "Makefile").read_text() for hook in hooks)


def test_the_pins_agree_and_name_no_build() -> None:
    pins = (ROOT / "constraints.txt").read_text().splitlines()[1:]
    assert "torch==2.13.0" in pins
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9a-z.]+", pin) for pin in pins)
    assert "torch==2.13.0\n" in (ROOT / "Makefile").read_text()
    everything = "".join((ROOT / name).read_text() for name in ("Makefile", "constraints.txt", "pyproject.toml"))
    assert "://" not in everything
    assert "index-url" not in everything


@pytest.mark.parametrize(
    ("lines", "status", "closing"),
    [
        (["12 passed in 1.23s", "All checks passed!"], 0, "12 passed in 1.23s"),
        (["FAILED x - 3 passed in the text", "1 failed, 11 passed, 2 skipped in 70.01s (0:01:10)", "make: ***"], 2,
         "1 failed, 11 passed, 2 skipped in 70.01s (0:01:10)"),
        (["make: *** no rule"], 2, None),
    ],
)  # fmt: skip
def test_ci_closes_with_the_line_of_pytest(tmp_path: Path, lines: list[str], status: int, closing: str | None) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    executable(tmp_path / "make", "#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines) + f"exit {status}\n")
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run([tmp_path / ".ci" / "run"], env=environment, capture_output=True, text=True)
    assert result.returncode == status
    assert result.stdout.splitlines()[-1] == (closing or lines[-1])
