"""The store under what happens to files: killed writers, a second process, damage, and files of other programs."""

import json
import signal
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from bittrue.analysis.evaluating import store as store_module
from bittrue.analysis.evaluating.record import Record, gaps
from bittrue.analysis.evaluating.store import Facts, Store, Study
from bittrue.errors import StoreError

STUDY = Study("sha256:network", "sha256:data", {"batch_norm": "raw", "images": 10_000})


def record(start: int, images: int, extra: int = 0) -> Record:
    generator = np.random.default_rng(start + extra)
    return Record(
        start,
        images,
        {
            "prediction": generator.integers(0, 10, images, np.int32),
            "tied": generator.integers(0, 2, images).astype(np.bool_),
            "loss": generator.standard_normal(images),
        },
        {"overflows": {"conv1.output": 2**70 + start}, "maxima": {}},
    )


def assert_same(ours: Record, expected: Record) -> None:
    assert (ours.start, ours.images, ours.counters) == (expected.start, expected.images, expected.counters)
    assert list(ours.arrays) == list(expected.arrays)
    for name, array in expected.arrays.items():
        assert ours.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(ours.arrays[name], array)


def test_what_is_added_is_finished_in_order(tmp_path: Path) -> None:
    with Store.open(tmp_path / "results.sqlite", STUDY) as store:
        assert store.finished("float") is None
        assert store.records("float") == []
        store.describe("float", "float")
        store.describe("float", "ü")
        store.describe("sha256:plan", "W=8")
        for start, images in [(40, 2), (0, 16), (16, 24)]:
            store.add("float", record(start, images))
    with Store.open(tmp_path / "results.sqlite", STUDY) as store:
        assert store.records("sha256:plan") == []
        for ours, (start, images) in zip(store.records("float"), [(0, 16), (16, 24), (40, 2)], strict=True):
            assert_same(ours, record(start, images))
    assert [path.name for path in tmp_path.iterdir()] == ["results.sqlite"]


def test_a_row_is_finished_when_its_facts_are_known(tmp_path: Path) -> None:
    facts = Facts(True, {"ü.weight": 2**70}, [{"node": "conv", "bound_bits": 7.5}])
    with Store.open(tmp_path / "x", STUDY) as store:
        store.describe("sha256:plan", "W=8")
        assert store.finished("sha256:plan") is None
        store.describe("sha256:plan", "W=8", facts)
    with Store.open(tmp_path / "x", STUDY) as store:
        assert store.finished("sha256:plan") == facts


def old_form(metadata: str) -> bytes:
    """As a store from before wrote it."""
    without = {key: value for key, value in json.loads(metadata).items() if key != "checksum"}
    return json.dumps(without, sort_keys=True, separators=(",", ":")).encode()


FACTS = Facts(True, {"conv.weight": 0, "dense.weight": 12}, [{"node": "conv", "bound_bits": 7.5}])


def test_rows_of_stores_written_before_have_no_checksum(tmp_path: Path) -> None:
    with Store.open(tmp_path / "x", STUDY) as store:
        store.describe("float", "float")
        store.describe("sha256:plan", "W=8", Facts(False, {"b": 1, "a": 0}, []))
        (written,) = store.connection.execute("SELECT metadata FROM rows WHERE key != 'float'").fetchone()
        assert json.loads(written)["checksum"] == zlib.crc32(old_form(written))
        for key, old in [
            ("float", '{"name":"float"}'),
            ("sha256:plan", '{"exact":false,"layers":[],"name":"W=8","parameter_overflows":{"a":0,"b":1}}'),
        ]:
            store.connection.execute("UPDATE rows SET metadata = ? WHERE key = ?", (old, key))
        assert store.finished("float") is None
        assert store.finished("sha256:plan") == Facts(False, {"b": 1, "a": 0}, [])


def test_a_flipped_bit_is_damage_or_nothing(tmp_path: Path) -> None:
    """Everywhere in the metadata, and here and there in the whole file: never another result, never another error."""
    path = tmp_path / "x"
    with Store.open(path, STUDY) as store:
        store.describe("sha256:plan", "W=8")
        store.add("sha256:plan", record(0, 4))
        store.describe("sha256:plan", "W=8", FACTS)
        (metadata,) = store.connection.execute("SELECT metadata FROM rows").fetchone()
    good = path.read_bytes()
    start = good.index(metadata.encode())
    everywhere = [(place, place % 8) for place in range(start, start + len(metadata))]
    generator = np.random.default_rng(1)
    random = [(int(place), int(place) % 7) for place in generator.integers(0, len(good), 100)]
    damaged = 0
    for place, bit in [*everywhere, *random]:
        flipped = bytearray(good)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        try:
            with Store.open(path, STUDY) as store:
                assert store.finished("sha256:plan") in (None, FACTS), (place, bit)
                for found in store.records("sha256:plan"):
                    assert_same(found, record(0, 4))
                assert (place, bit) not in everywhere
        except StoreError:
            damaged += 1
        for beside in ("-wal", "-shm"):
            (tmp_path / f"x{beside}").unlink(missing_ok=True)
    assert damaged >= len(everywhere)


def test_studies_do_not_see_each_other(tmp_path: Path) -> None:
    other = Study("sha256:network", "sha256:data", {"batch_norm": "affine", "images": 10_000})
    reordered = Study("sha256:network", "sha256:data", {"images": 10_000, "batch_norm": "raw"})
    assert STUDY.key == reordered.key != other.key
    with Store.open(tmp_path / "x", STUDY) as store:
        store.describe("float", "float")
        store.add("float", record(0, 4))
    with Store.open(tmp_path / "x", other) as store:
        assert store.finished("float") is None
        assert store.records("float") == []
    with Store.open(tmp_path / "x", reordered) as store:
        assert len(store.records("float")) == 1


def test_nothing_is_stored_twice_and_nothing_without_its_row(tmp_path: Path) -> None:
    with Store.open(tmp_path / "x", STUDY) as store:
        with pytest.raises(ValueError, match="never described"):
            store.add("float", record(0, 4))
        store.describe("float", "float")
        store.add("float", record(4, 4))
        for start, images in [(4, 4), (0, 5), (7, 4), (5, 1), (0, 20)]:
            with pytest.raises(ValueError, match="finished already"):
                store.add("float", record(start, images))
        store.add("float", record(0, 4))
        store.add("float", record(8, 1))
        assert [entry.start for entry in store.records("float")] == [0, 4, 8]


def test_a_record_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="'loss' is float32"):
        Record(0, 2, {"loss": np.zeros(2, np.float32)}, {})
    with pytest.raises(ValueError, match="'loss' is"):
        Record(0, 2, {"loss": np.zeros(3)}, {})
    with pytest.raises(ValueError, match="0 images"):
        Record(0, 0, {}, {})


def test_gaps() -> None:
    assert gaps([], 10) == (range(10),)
    assert gaps([record(0, 10)], 10) == ()
    assert gaps([record(0, 4), record(4, 2)], 10) == (range(6, 10),)
    assert gaps([record(2, 2), record(6, 2)], 10) == (range(2), range(4, 6), range(8, 10))
    assert gaps([record(0, 4), record(8, 4)], 6) == (range(4, 6),)
    assert gaps([record(0, 20)], 6) == ()


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from test_store import STUDY, record
from bittrue.analysis.evaluating.record import gaps
from bittrue.analysis.evaluating.store import Store
with Store.open(sys.argv[1], STUDY) as store:
    store.describe("float", "float")
    for gap in gaps(store.records("float"), 100_000):
        for start in range(gap.start, gap.stop, 7):
            store.add("float", record(start, 7))
            print(start, flush=True)
"""

INTERRUPTED = """
import sys, time
sys.path.insert(0, sys.argv[2])
from test_store import STUDY, record
from bittrue.analysis.evaluating import store as store_module
with store_module.Store.open(sys.argv[1], STUDY) as store:
    store.connection.execute("PRAGMA cache_size = 1")  # so that pages of an open transaction reach the file
    store.connection.execute("BEGIN IMMEDIATE")
    for start in range(1_000_000, 1_000_500):
        store.connection.execute("INSERT INTO batches VALUES (1, ?, 1, '[]', zeroblob(4000), '{}', 0)", (start,))
    print("open", flush=True)
    time.sleep(60)
"""


def start_process(script: str, path: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", script, str(path), str(Path(__file__).parent)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_killed_writers_lose_nothing_and_leave_nothing_half(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    reported = 0
    for lines in (1, 5, 40):
        with start_process(WRITER, path) as process:
            assert process.stdout is not None
            for _ in range(lines):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            reported += lines + len(process.stdout.read().splitlines())
            assert process.wait(10) == -signal.SIGKILL
        with Store.open(path, STUDY) as store:
            records = store.records("float")
        # What was reported is there; the batch after it may have been on the disk before its report was out.
        assert reported <= len(records) <= reported + 1
        reported = len(records)
        assert gaps(records, 100_000) == (range(7 * len(records), 100_000),)
        for ours in records:
            assert_same(ours, record(ours.start, 7))


def test_a_writer_killed_inside_a_transaction(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    with Store.open(path, STUDY) as store:
        store.describe("float", "float")
        store.add("float", record(0, 7))
    with start_process(INTERRUPTED, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert (tmp_path / "results.sqlite-wal").stat().st_size > 4000 * 400  # it was in the middle, as the test means it
    with Store.open(path, STUDY) as store:
        (ours,) = store.records("float")
        assert_same(ours, record(0, 7))
        store.add("float", record(7, 3))  # batch sizes may differ between runs
        assert gaps(store.records("float"), 10) == ()


def test_a_second_process_is_told_and_the_first_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "WAIT_FOR_LOCK", 0.1)
    with start_process(WRITER, tmp_path / "x") as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(StoreError, match="in use by another process"), Store.open(tmp_path / "x", STUDY):
            pass
        before = process.stdout.readline()
        assert before
        process.kill()
    with Store.open(tmp_path / "x", STUDY) as store:
        assert len(store.records("float")) >= 2
        with pytest.raises(StoreError, match="in use"), Store.open(tmp_path / "x", STUDY):
            pass


def test_an_error_of_ours_leaves_the_store_usable(tmp_path: Path) -> None:
    with Store.open(tmp_path / "x", STUDY) as store:
        store.describe("float", "float")
        with pytest.raises(TypeError):
            store.add("float", Record(0, 1, {}, {"overflows": {"a": object()}}))  # type: ignore[dict-item]
        store.add("float", record(0, 1))
    with pytest.raises(KeyboardInterrupt), Store.open(tmp_path / "x", STUDY) as store:
        store.add("float", record(1, 1))
        raise KeyboardInterrupt
    with Store.open(tmp_path / "x", STUDY) as store:
        assert len(store.records("float")) == 2


def filled(path: Path) -> Path:
    with Store.open(path, STUDY) as store:
        store.describe("float", "float")
        for start in range(0, 4000, 100):
            store.add("float", record(start, 100))
    return path


def read_all(path: Path) -> list[Record]:
    with Store.open(path, STUDY) as store:
        store.finished("float")
        return store.records("float")


def test_files_that_are_not_stores(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"a report, not a database\n" * 100)
    with pytest.raises(StoreError, match="text is not a results store"):
        read_all(tmp_path / "text")
    with pytest.raises(StoreError, match="can't be used"):
        read_all(tmp_path)
    with pytest.raises(StoreError, match="can't be used"):
        read_all(tmp_path / "absent" / "x")
    with sqlite3.connect(tmp_path / "theirs") as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    before = (tmp_path / "theirs").read_bytes()
    with pytest.raises(StoreError, match="another program"):
        read_all(tmp_path / "theirs")
    assert (tmp_path / "theirs").read_bytes() == before
    (tmp_path / "empty").touch()
    assert read_all(tmp_path / "empty") == []


def test_a_store_of_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SCHEMA_VERSION", 2)
    filled(tmp_path / "x")
    monkeypatch.undo()
    with pytest.raises(StoreError, match="its form is 2, and this one reads 1"):
        read_all(tmp_path / "x")


def test_damage_is_told(tmp_path: Path) -> None:
    """A cut file and flipped bits anywhere: a sentence, or at worst a batch to do again; never a wrong number."""
    whole = filled(tmp_path / "x").read_bytes()
    expected = {ours.start: ours for ours in read_all(tmp_path / "x")}
    told = []
    places = np.random.default_rng(0).integers(100, len(whole), 120).tolist()
    for place in [None, *places]:
        damaged = bytearray(whole[: len(whole) // 2] if place is None else whole)
        if place is not None:
            damaged[place] ^= 0x10
        (tmp_path / "x").write_bytes(damaged)
        try:
            for ours in read_all(tmp_path / "x"):
                assert_same(ours, expected[ours.start])
        except StoreError as error:
            told.append(str(error))
    assert len(told) > 60
    assert all("is damaged: delete it" in sentence for sentence in told)


def test_the_checksum_is_what_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = filled(tmp_path / "x").read_bytes()
    loss = record(0, 100).arrays["loss"].tobytes()
    damaged = whole.replace(loss, bytes(len(loss)))
    assert damaged != whole
    (tmp_path / "x").write_bytes(damaged)
    with pytest.raises(StoreError, match="is damaged"):
        read_all(tmp_path / "x")
    # The canary: without the checksum the wrong numbers pass.
    stored = iter(read_checksums(tmp_path / "x"))
    monkeypatch.setattr(store_module, "_checksum", lambda *_: next(stored))
    np.testing.assert_array_equal(read_all(tmp_path / "x")[0].arrays["loss"], np.zeros(100))


def read_checksums(path: Path) -> list[int]:
    connection = sqlite3.connect(path)
    checksums = [number for (number,) in connection.execute("SELECT checksum FROM batches ORDER BY start")]
    connection.close()
    return checksums
