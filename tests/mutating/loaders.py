"""The kinds of files that are edited: good ones, what is put wrong in them, and how they are read."""

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import bittrue
from bittrue.analysis.evaluating.record import Record
from bittrue.analysis.evaluating.store import Facts, Store, Study
from bittrue.data import load_dataset
from bittrue.errors import ModelError
from bittrue.frontends.arrays import hdf5, hdf5_contents
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Plan, Ranges, plan_from_ranges, uniform_plan
from forked import forked
from mutating.data_doors import DATA_LOADERS
from mutating.edits import Edit, Files, Random, edit_bytes, edit_json, edit_member, edit_message, mostly, one
from mutating.running import Loader

LARGEST = 1 << 16
"""Values of a node, up to which a network goes on to the lowering."""


def _written(write: Callable[[Path], object]) -> Files:
    """What `write` leaves in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def _one_file(edits: dict[str, Edit]) -> Callable[[Files, Random], Files]:
    """Edit one of the files; `edits`: by how its name ends."""

    def edit(files: Files, random: Random) -> Files:
        ways = [(name, way) for name in files for ending, way in edits.items() if name.endswith(ending)]
        name, way = one(random, ways)
        return {**files, name: way(files[name], random)}

    return edit


def _load(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        _use(bittrue.load(folder / name, told=lambda line: None))

    return read


def _use(network: Network) -> None:
    if all(prod(node.shape) <= LARGEST for node in network.nodes):
        lower_network(network, uniform_plan(network, 8, 4))


# Keras's files


def _models() -> list[Any]:
    import keras
    from keras import layers

    from frontends.small_model import build

    keras.utils.set_random_seed(0)
    sequence = [
        layers.Conv1D(3, 2, activation="gelu"),
        layers.LayerNormalization(),
        layers.GlobalAveragePooling1D(),
        layers.Dense(2, activation="sigmoid"),
    ]
    inner = keras.Sequential([layers.Input((4,)), layers.Dense(4, "relu"), layers.Dropout(0.5)], name="inner")
    image = keras.Input((4,))
    nested = keras.Model(image, layers.Softmax()(layers.Add()([inner(image), image])))
    return [build(), keras.Sequential([layers.Input((6, 2)), *sequence]), nested]


def _keras() -> list[Files]:
    return [_written(lambda folder, model=model: model.save(folder / "model.keras")) for model in _models()]  # type: ignore[misc]


def _h5() -> list[Files]:
    from frontends.keras.keras2_files import save_h5, save_keras2

    return [
        _written(lambda folder, model=model, save=save: save(model, folder / "model.h5"))  # type: ignore[misc]
        for model in _models()
        for save in (save_h5, save_keras2)
    ]


def _edit_h5_config(data: bytes, random: Random) -> bytes:
    import h5py

    with io.BytesIO(data) as stream:
        with h5py.File(stream, "r+") as file:
            text = edit_json(file.attrs["model_config"].encode(), random)
            del file.attrs["model_config"]
            file.attrs["model_config"] = text.decode()
        return stream.getvalue()


def _fork_hdf5() -> None:
    """The process that reads HDF5 without its start: a copy of this one, which has its limits."""
    hdf5.answer_of = _described


def _described(program: Path, file: BinaryIO, seconds: int) -> bytes:
    def answer() -> bytes:
        try:
            return hdf5_contents.contents(file, os.fstat(file.fileno()).st_size)
        except MemoryError:
            return json.dumps("it asks for more memory than any model does").encode()
        except Exception as error:
            return json.dumps(hdf5_contents.reason(error)).encode()

    return forked(answer, hdf5_contents.CPU_SECONDS)


# ONNX and PyTorch


def _fork_onnxruntime() -> None:
    """The process in which onnxruntime is, without its start."""
    from bittrue.frontends.onnx import live, onnxruntime_outputs

    def answer_of(program: Path, file: BinaryIO, seconds: int) -> bytes:
        return forked(lambda: onnxruntime_outputs.answer(file), onnxruntime_outputs.CPU_SECONDS)

    live.answer_of = answer_of


def _onnx() -> list[Files]:
    from frontends.onnx_mutations import MODELS

    return [{"model.onnx": proto.SerializeToString()} for proto in MODELS.values()]


def _edit_onnx(data: bytes, random: Random) -> bytes:
    import onnx

    from frontends.onnx_mutations import mutated

    if random.random() < 0.5:
        return edit_message(data, random)
    try:
        return mutated(onnx.load_from_string(data), random).SerializeToString()
    except ValueError:  # a number that a protocol buffer doesn't hold
        return edit_message(data, random)


def _pt2() -> list[Files]:
    import torch

    model = torch.nn.Sequential(
        *(torch.nn.Conv2d(2, 3, 3, padding=1), torch.nn.BatchNorm2d(3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Flatten(), torch.nn.Linear(12, 2), torch.nn.Softmax(1)),
    ).eval()
    program = torch.export.export(model, (torch.zeros(1, 2, 4, 4),))
    return [_written(lambda folder: torch.export.save(program, folder / "model.pt2"))]


# TensorFlow

_WRITE_SAVED_MODEL = """
import sys, tensorflow as tf
class Module(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal((3, 3, 2, 3), (0, 1)))
        self.bias = tf.Variable([0.5, -1, 2])
        self.dense = tf.Variable(tf.random.stateless_normal((12, 2), (0, 2)))
    @tf.function(input_signature=[tf.TensorSpec((None, 4, 4, 2), tf.float32, name="image")])
    def __call__(self, image):
        x = tf.nn.relu(tf.nn.conv2d(image, self.kernel, 1, "SAME") + self.bias)
        x = tf.reshape(tf.nn.max_pool2d(x, 2, 2, "VALID"), (-1, 12))
        return tf.nn.softmax(x @ self.dense)
model = Module()
tf.saved_model.save(model, sys.argv[1], signatures=model.__call__.get_concrete_function())
"""


@functools.cache
def _saved_model() -> Files:
    def write(folder: Path) -> None:
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        subprocess.run([sys.executable, "-c", _WRITE_SAVED_MODEL, str(folder)], check=True, env=environment)

    return _written(write)


def _read_saved_model(folder: Path) -> None:
    """Without the start of the process in which TensorFlow is: this is one."""
    from bittrue.frontends.tensorflow.conversion import convert
    from bittrue.frontends.tensorflow.converted import reading_of_conversion

    target = folder / "target"
    target.mkdir()
    with _sentences():
        (target / "result.json").write_text(json.dumps({"variables": convert(folder, target).variables}))
        _use(reading_of_conversion(folder, target).network)


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """As the doors end what is raised behind them."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{str(error).rstrip('.')}.") from error


def _start_tensorflow() -> None:
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    import tensorflow  # noqa: F401
    import tf2onnx  # noqa: F401


def _read_checkpoint(folder: Path) -> None:
    from bittrue.frontends.tensorflow.bundle import DTYPES, read_bundle

    with _sentences():
        for name, entry in read_bundle(folder / "variables" / "variables").items():
            if entry.dtype in DTYPES:
                entry.array(name).read()


# Data, plans, ranges, results


def _data() -> list[Files]:
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (12, 4, 4, 3)).astype(np.uint8), random.integers(0, 3, 12)
    return [
        _written(lambda folder: np.savez(folder / "data.npz", x=images, y=labels)),
        _written(lambda folder: np.savez_compressed(folder / "data.npz", x=images / 255, y=np.eye(3)[labels])),
        _written(lambda folder: np.save(folder / "data.npy", images.astype(np.float32))),
    ]


def _read_data(folder: Path) -> None:
    [path] = folder.iterdir()
    data = load_dataset(path)
    _ = data.sha256
    for batch in data.batches(5):
        assert np.isfinite(batch.x).all()


@functools.cache
def _network() -> Network:
    return bittrue.load(_models()[0])


@functools.cache
def _ranges() -> Ranges:
    images = np.random.default_rng(0).random((20, 8, 8, 3)).astype(np.float32)
    return bittrue.measure_ranges(_network(), bittrue.dataset(images))


def _plans() -> list[Files]:
    plans = [uniform_plan(_network(), 8, 4), plan_from_ranges(_network(), _ranges(), 8, per_channel=True)]
    return [_written(lambda folder, plan=plan: plan.save(folder / "plan.json")) for plan in plans]  # type: ignore[misc]


def _read_plan(folder: Path) -> None:
    lower_network(_network(), Plan.load(folder / "plan.json"))


def _read_ranges(folder: Path) -> None:
    lower_network(_network(), plan_from_ranges(_network(), Ranges.load(folder / "ranges.json"), 8))


_STUDY = Study("sha256:network", "sha256:data", {"images": 64})


def _store() -> list[Files]:
    def write(folder: Path) -> None:
        with Store.open(folder / "results.sqlite", _STUDY) as store:
            for row in ("float", "sha256:plan"):
                store.describe(row, row)
                for start in (0, 16, 32, 48):
                    arrays = {"prediction": np.arange(16, dtype=np.int32), "loss": np.linspace(0, 1, 16)}
                    store.add(row, Record(start, 16, arrays, {"overflows": {"conv1.output": start}, "maxima": {}}))
                store.describe(row, row, Facts(True, {"conv1.weight": 0}, [{"node": "conv", "bound_bits": 7.5}]))

    return [_written(write)]


def _edit_store(data: bytes, random: Random) -> bytes:
    """A value of a table, or the file's bytes."""
    import sqlite3

    if random.random() < 0.6:
        return edit_bytes(data, random)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(data)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            table, column = one(
                random,
                [
                    *(("batches", name) for name in ("start", "images", "layout", "payload", "counters", "checksum")),
                    *(("rows", name) for name in ("metadata", "key", "study")),
                    *(("studies", "key"), ("studies", "description")),
                ],
            )
            (value,) = connection.execute(f"SELECT {column} FROM {table}").fetchone()
            if isinstance(value, str) and value[:1] in "{[" and random.random() < 0.7:
                value = edit_json(value.encode(), random).decode()
            else:
                value = one(random, (None, 0, -1, 2**62, 0.5, "", "x", "é", b"", b"\xff\xfe"))
            with contextlib.suppress(sqlite3.IntegrityError):
                connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
        return path.read_bytes()


def _read_store(folder: Path) -> None:
    with Store.open(folder / "results.sqlite", _STUDY) as store:
        for row in ("float", "sha256:plan"):
            store.finished(row)
            store.records(row)
            store.describe(row, row)


KERAS_MEMBERS = {
    "config.json": edit_json,
    "metadata.json": edit_json,
    "model.weights.h5": edit_bytes,
}
PT2_MEMBERS = {".json": edit_json, ".pt": edit_bytes, "weights/weight_0": edit_bytes, "byteorder": edit_bytes}

LOADERS = {
    "keras": Loader(
        _keras,
        _one_file({".keras": mostly(*3 * [edit_member(KERAS_MEMBERS)], edit_bytes)}),
        _load("model.keras"),
        _fork_hdf5,
    ),
    "h5": Loader(
        _h5, _one_file({".h5": mostly(edit_bytes, edit_bytes, _edit_h5_config)}), _load("model.h5"), _fork_hdf5
    ),
    "onnx": Loader(
        _onnx, _one_file({".onnx": mostly(*9 * [_edit_onnx], edit_bytes)}), _load("model.onnx"), _fork_onnxruntime
    ),
    "pt2": Loader(_pt2, _one_file({".pt2": mostly(*9 * [edit_member(PT2_MEMBERS)], edit_bytes)}), _load("model.pt2")),
    "savedmodel": Loader(
        lambda: [_saved_model()],
        _one_file({"saved_model.pb": mostly(*9 * [edit_message], edit_bytes)}),
        _read_saved_model,
        _start_tensorflow,
    ),
    "checkpoint": Loader(
        lambda: [_saved_model()],
        _one_file({".index": edit_bytes, ".data-00000-of-00001": edit_bytes}),
        _read_checkpoint,
    ),
    "data": Loader(
        _data,
        _one_file({".npz": mostly(edit_member({".npy": edit_bytes}), edit_bytes), ".npy": edit_bytes}),
        _read_data,
    ),
    "plan": Loader(_plans, _one_file({".json": mostly(*9 * [edit_json], edit_bytes)}), _read_plan),
    "ranges": Loader(
        lambda: [_written(lambda folder: _ranges().save(folder / "ranges.json"))],
        _one_file({".json": mostly(*9 * [edit_json], edit_bytes)}),
        _read_ranges,
    ),
    "store": Loader(_store, _one_file({"results.sqlite": _edit_store}), _read_store),
    **DATA_LOADERS,
}
"""By the name that `mutations.py` takes."""
