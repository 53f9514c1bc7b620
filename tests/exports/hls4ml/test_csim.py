"""hls4ml's own C simulation has the simulation's bits, whatever the formats, roundings and overflows (B3 to B10)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bittrue.data import as_dataset
from bittrue.exports.device.compare import DeviceComparison, compare_codes
from bittrue.exports.export import export
from bittrue.exports.hls4ml.network import graph_of
from bittrue.exports.hls4ml.run import io_type_of, run_hls4ml
from bittrue.exports.job import Job
from bittrue.lowering import lower_network
from bittrue.operators import MaxPooling
from bittrue.plan import Override, PlanOptions, uniform_plan
from cases import CASES, Draft, inputs_of
from exports.hls4ml.networks import images, random_network, random_plan

TINY = next(case for case in CASES if case.name == "norm-of-dense")


@pytest.fixture(autouse=True)
def quick_compiler(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """hls4ml compiles with -O3, which takes long and changes no bit: the last option wins."""
    compiler = shutil.which("g++")
    assert compiler is not None
    folder = tmp_path_factory.mktemp("compiler")
    (folder / "g++").write_text(f'#!/bin/sh\nexec {compiler} "$@" -O0 -w\n')
    (folder / "g++").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def compared(seed: int, io_type: str, rounding_points: str, folder: Path) -> DeviceComparison:
    network = random_network(seed, streams=io_type == "io_stream")
    plan = random_plan(network, seed, rounding_points=rounding_points)
    program = lower_network(network, plan)
    data = as_dataset(images(seed))
    codes = run_hls4ml(Job(network, plan, program, None), data, folder, io_type)
    return compare_codes(program, data, codes, against="hls4ml")


@pytest.mark.parametrize(
    ("seed", "io_type", "rounding_points"),
    [(0, "io_parallel", "every-node"), (1, "io_stream", "fused")],
)
def test_every_layer_of_random_networks_has_the_bits_of_the_simulation(
    seed: int, io_type: str, rounding_points: str, tmp_path: Path
) -> None:
    result = compared(seed, io_type, rounding_points, tmp_path)
    assert result.values > 20_000
    assert result.mismatches == 0, result.first
    # hls4ml prints no input, and no value that is another one in another shape.
    assert all(name.startswith(("image.", "flat")) for name in result.missing), result.missing


@pytest.mark.parametrize(
    ("rows", "strides", "chosen"), [(8, (2, 2), "io_parallel"), (40, (2, 2), "io_stream"), (40, (1, 1), "io_parallel")]
)
def test_windows_too_many_to_compile_become_streams_where_streams_have_the_network(
    rows: int, strides: tuple[int, int], chosen: str
) -> None:
    draft = Draft("large", (rows, 40, 8))
    draft.convolution("conv", (3, 3), 4)
    draft.add("pool", MaxPooling((2, 2), strides, ((0, 0), (0, 0))))
    network = draft.finish()
    plan = uniform_plan(network, 8, 4)
    assert io_type_of(graph_of(Job(network, plan, lower_network(network, plan), None))) == chosen


def built(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(folder / "hls4ml" / "build.py"), *options],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_users_script_compares_with_the_vectors_and_fails_on_one_wrong_bit(tmp_path: Path) -> None:
    network = TINY.network
    wide = [Override("dense.output", "ap_fixed<20,8> NEAREST_AWAY UNBOUNDED"), Override("dense.bias", "EXACT")]
    plan = uniform_plan(network, 8, 4, options=PlanOptions(rounding_points="every-node"), overrides=wide)
    folder = tmp_path / "export"
    export(network, plan, "hls4ml,vectors", folder, data=as_dataset(inputs_of(TINY)))
    done = built(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 mismatches" in done.stdout

    weights = dict(np.load(folder / "hls4ml" / "weights.npz"))
    weights["dense.weight_data"].reshape(-1)[0] += 2.0**-4  # one unit of the last bit
    np.savez(folder / "hls4ml" / "weights.npz", **weights)
    done = built(folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL dense.output, image " in done.stdout
