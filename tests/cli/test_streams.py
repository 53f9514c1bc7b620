"""Real processes whose standard output and error are closed, full, unread, or in an encoding that lacks characters."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bittrue.cli.demo import bundled_model

from .conftest import Run

COMMAND = [sys.executable, "-m", "bittrue"]
Finished = subprocess.CompletedProcess[bytes]


def shell(line: str, folder: Path, **environment: str) -> Finished:
    """Run `line` in bash, where "$@" is `python -m bittrue`."""
    return subprocess.run(
        ["bash", "-c", line, "bash", *COMMAND], cwd=folder, env=os.environ | environment, capture_output=True
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.keras").write_bytes(bundled_model())
    return tmp_path


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_characters_that_the_encoding_lacks_are_written_another_way(encoding: str, folder: Path) -> None:
    done = shell('"$@" inspect model.keras', folder, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    shape = "8x8x1" if encoding == "ascii" else "8×8×1"
    assert done.stdout.decode(encoding).startswith(f"Network digits: 21 nodes, 20,010 parameters, {shape} -> 10")


def test_the_c_locale_is_ascii(folder: Path) -> None:
    done = shell('"$@" sweep --help', folder, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b"X,~" in done.stdout


def test_a_file_name_without_characters_is_written_by_its_codes(folder: Path) -> None:
    done = shell('"$@" inspect "$NAME"', folder, PYTHONIOENCODING="ascii", NAME="café.keras")
    assert done.returncode == 2
    assert done.stderr.startswith(b"Error: caf\\xe9.keras: ")


def test_a_folder_whose_name_is_not_utf8(folder: Path) -> None:
    """The whole road in it, the page included."""
    done = shell("mkdir $'caf\\xe9' && \"$@\" demo --out $'caf\\xe9'/demo", folder)
    assert done.returncode == 0, done.stderr
    page = folder / os.fsdecode(b"caf\xe9") / "demo" / "report.html"
    assert "caf\\udce9/demo" in page.read_text("utf-8")


def test_a_closed_output_keeps_nothing_and_changes_no_code(folder: Path) -> None:
    plan = "plan model.keras --fraction-bits 4 --out plan.json"
    assert shell(f'"$@" {plan} >&-', folder).returncode == 0
    written = (folder / "plan.json").read_bytes()
    assert written.startswith(b"{")
    assert shell(f'"$@" {plan} <&- >&- 2>&-', folder).returncode == 0
    assert (folder / "plan.json").read_bytes() == written
    assert shell('"$@" inspect nowhere.keras 2>&-', folder).returncode == 2


def test_a_store_is_never_opened_as_standard_output(folder: Path) -> None:
    """Where a stream is closed, the next file that is opened would get its number, and what is printed."""
    line = '"$@" sweep model.keras --data digits --images 20 --fraction-bits 4 --out study >&- 2>&-'
    assert shell(line, folder).returncode == 0
    assert (folder / "study/results.sqlite").read_bytes().startswith(b"SQLite format 3\0")


@pytest.mark.parametrize("arguments", ["inspect model.keras", "--help"])
def test_a_reader_who_leaves_has_a_code_of_its_own(arguments: str, folder: Path) -> None:
    done = shell(f'"$@" {arguments} | true; echo "${{PIPESTATUS[0]}}"', folder)
    assert (done.stdout, done.stderr) == (b"141\n", b"")


def test_a_reader_of_messages_who_leaves(folder: Path) -> None:
    done = shell('{ "$@" inspect nowhere.keras; echo $? >&3; } 3>code 2>&1 | true', folder)
    assert done.stderr == b""
    assert (folder / "code").read_text() == "141\n"


def test_a_full_disk_under_the_output_is_told(folder: Path) -> None:
    done = shell('"$@" inspect model.keras >/dev/full', folder)
    assert done.returncode == 2
    assert done.stderr == b"Error: the output can't be written (No space left on device): send it elsewhere.\n"
    assert shell('"$@" inspect nowhere.keras 2>/dev/full', folder).returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        "inspect pipe.keras",
        "inspect pipe.onnx",
        "inspect pipe.py:build",
        "inspect pipe",
        "simulate model.keras --plan pipe.json --data digits",
        "plan model.keras --word-length 8 --ranges pipe.json",
        "inspect model.py:build --weights pipe.h5",
        "ranges model.keras --data pipe.npz",
        "ranges model.keras --data classes --resize 8x8",
        "sweep model.keras --data digits --images 8 --fraction-bits 4 --out taken",
        "report finished",
    ],
)
def test_a_pipe_in_the_place_of_a_file_blocks_nothing(
    arguments: str, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for name in ("classes/a", "taken", "finished"):
        (folder / name).mkdir(parents=True)
    pipes = (*(f"pipe{suffix}" for suffix in ("", ".keras", ".onnx", ".py", ".json", ".h5", ".npz")),)
    for name in (*pipes, "classes/a/x.png", "taken/results.sqlite", "finished/sweep.json"):
        os.mkfifo(folder / name)
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for somebody to write"))
    signal.alarm(60)
    try:
        done = run(*arguments.split())
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert done.exit_code == 2, done.stderr
    assert "ordinary file" in done.stderr.splitlines()[-1]


def test_a_device_in_the_place_of_a_file(folder: Path) -> None:
    done = shell('"$@" simulate model.keras --plan /dev/zero --data digits', folder)
    assert done.returncode == 2
    assert b"/dev/zero is a device, and an ordinary file is wanted" in done.stderr
