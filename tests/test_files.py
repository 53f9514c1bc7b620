"""The atomic writer and JSON: whole or not there, and one sentence for everything a user can put right."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bittrue import files
from bittrue.errors import BittrueError


def test_what_is_written_is_read_and_nothing_else_is_left(tmp_path: Path) -> None:
    files.write_text(tmp_path / "text", "müßig\n")
    files.write_bytes(tmp_path / "bytes", b"\0\r\n")
    files.write_bytes(tmp_path / "bytes", b"\1")
    assert (tmp_path / "text").read_bytes() == "müßig\n".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bytes", "text"]


def test_the_temporary_file_is_a_neighbour_with_the_same_suffix(tmp_path: Path) -> None:
    with files.replacing(tmp_path / "model.keras") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".keras"
        temporary.write_bytes(b"new")
        assert not (tmp_path / "model.keras").exists()
    assert (tmp_path / "model.keras").read_bytes() == b"new"


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_alone(tmp_path: Path, failure: type[BaseException]) -> None:
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(failure), files.replacing(tmp_path / "old") as temporary:
        temporary.write_bytes(b"half")
        raise failure
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_a_link_keeps_pointing_where_it_did(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    files.write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_the_file_gets_the_mode_that_any_new_file_gets(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    files.write_bytes(tmp_path / "ours", b"")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BittrueError, match="no folder .*absent.*make it first"):
        files.write_text(tmp_path / "absent" / "x", "")
    with pytest.raises(BittrueError, match="is a folder"):
        files.write_text(tmp_path, "")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BittrueError, match="not an ordinary file"):
        files.write_text(tmp_path / "pipe", "")
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, whom no mode stops
    with pytest.raises(BittrueError, match="lack of permission"):
        files.write_text(tmp_path / "x", "")


def test_a_full_disk_is_one_sentence_and_an_error_about_another_file_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(BittrueError, match="No space left"), files.replacing(tmp_path / "x"):
        raise OSError(28, "No space left on device")
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "x"):
        (tmp_path / "some other file").read_bytes()
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time
from bittrue.files import replacing, replacing_together
with replacing(sys.argv[1]) as temporary, open(temporary, "wb") as stream:
    stream.write(b"half")
    stream.flush()
    print("half", flush=True)
    time.sleep(60)
"""


def test_a_killed_writer_leaves_the_old_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_bytes(b"old")
    with subprocess.Popen([sys.executable, "-c", KILLED, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert target.read_bytes() == b"old"
    (leftover,) = (path for path in tmp_path.iterdir() if path != target)
    assert leftover.name.startswith(files.TEMPORARY_PREFIX)
    assert leftover.read_bytes() == b"half"  # so the process was killed in the middle, as the test means it
    files.write_bytes(target, b"new")
    assert target.read_bytes() == b"new"


def test_json_goes_round_and_is_stable(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None, True], "a": {"ü\ud800": "x"}}
    text = files.dump_json(value)
    assert (
        text
        == '{\n  "b": [\n    1,\n    2.5,\n    null,\n    true\n  ],\n  "a": {\n    "\\u00fc\\ud800": "x"\n  }\n}\n'
    )
    files.write_text(tmp_path / "x.json", text)
    assert files.read_json(tmp_path / "x.json", "plan") == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.dump_json(float("nan"))


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,\n "b": ', "line 2"),
        (b"\xff\xfe\x00", "isn't text in UTF-8"),
        (b'{"sites": {"a": 1, "b": 2, "a": 3}}', "the key 'a' is there twice"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": -Infinity}', "-Infinity is not a number"),
        (b'{"a": 1e999}', "1e999 is too large"),
        (b"1" * 10_000, "can't be used"),
        (b"[" * 100_000, "can't be used"),
    ],
)
def test_damaged_json(tmp_path: Path, contents: bytes, sentence: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(contents)
    with pytest.raises(BittrueError, match=sentence) as caught:
        files.read_json(path, "plan")
    assert f"The plan {path} " in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_json_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BittrueError, match="The plan .*absent.json doesn't exist"):
        files.read_json(tmp_path / "absent.json", "plan")
    with pytest.raises(BittrueError, match="Is a directory"):
        files.read_json(tmp_path, "plan")


def test_a_mark_of_byte_order_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert files.read_json(tmp_path / "x.json", "plan") == [1]


def _replaced(path: Path) -> None:
    (path.parent / "new").write_bytes(path.read_bytes())
    os.replace(path.parent / "new", path)


def _written_to(path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [_replaced, _written_to, Path.unlink])
@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data", "folder/inside/part"])
def test_files_that_change_while_they_are_read(tmp_path: Path, name: str, change: Callable[[Path], object]) -> None:
    for file in ("model.onnx", "model.onnx.data", "folder/inside/part", "else"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("0")
    with files.unchanged(tmp_path / "model.onnx", tmp_path / "folder"):
        change(tmp_path / "else")
    refused = pytest.raises(BittrueError, match="changed while it was read: run the command again")
    with refused, files.unchanged(tmp_path / "model.onnx", tmp_path / "folder"):
        change(tmp_path / name)


NAMES = ("a.json", "b.npy", "nodes")


def write_set(folder: Path, generation: int) -> None:
    with files.replacing_together(folder, NAMES) as together:
        (together / "a.json").write_text(str(generation))
        if generation % 3:
            (together / "nodes").mkdir()
            (together / "nodes" / "conv.npy").write_text(str(generation))
        if generation % 2:
            (together / "b.npy").write_text(str(generation))


def test_what_belongs_together_is_replaced_together(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    write_set(tmp_path, 1)
    write_set(tmp_path, 6)
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "mine.txt"}
    with pytest.raises(ZeroDivisionError), files.replacing_together(tmp_path, NAMES) as together:
        (together / "b.npy").write_text("half")
        raise ZeroDivisionError
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "mine.txt"}
    assert (tmp_path / "a.json").read_text() == "6"


WRITER = """
import itertools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_files import write_set
print("begun", flush=True)
for generation in itertools.count(1):
    write_set(Path(sys.argv[1]), generation)
"""


def test_a_killed_writer_leaves_parts_of_one_set(tmp_path: Path) -> None:
    for kill in range(12):
        folder = tmp_path / str(kill)
        arguments = [sys.executable, "-c", WRITER, folder, Path(__file__).parent]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.005 + 0.003 * kill)
            writer.kill()
        left = [path for path in folder.rglob("*") if path.is_file() and ".part-" not in str(path.relative_to(folder))]
        assert len({path.read_text() for path in left}) <= 1, kill
