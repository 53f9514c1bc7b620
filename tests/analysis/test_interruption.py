"""A cell that is interrupted, in a real process: the store stays whole, and the cell run again goes on from it."""

import signal
import subprocess
import sys
from pathlib import Path

from analysis.networks import images_file

CELL = """
import sys, time
from analysis.networks import convolutional
import bittrue as bt
from bittrue.analysis.recipe import STUDY
from bittrue.simulation.simulator import Simulator

run, batches = Simulator.run, []

def counted(self, x, *rest):
    batches.append(len(x))
    if slow:
        if len(batches) == 4:
            print("now", flush=True)
        time.sleep(0.05 if len(batches) < 4 else 30)
    return run(self, x, *rest)

Simulator.run = counted
network, data = convolutional(), bt.load_dataset(sys.argv[1])
rows = bt.sweep_rows(network, fraction_bits=[2, 3])

def cell(store):
    return bt.sweep(network, data, rows, store=store, batch_size=8)

slow = True
try:
    cell(sys.argv[2])
except KeyboardInterrupt:
    print("interrupted after", len(batches) - 1, "batches")
slow, batches[:] = False, []
again = cell(sys.argv[2])
print("again", len(batches), "batches")
batches.clear()
assert cell(sys.argv[2]).to_json() == again.to_json() and not batches
print(again.to_json() == cell(None).to_json())
"""


def test_an_interrupted_cell_goes_on(tmp_path: Path) -> None:
    store, data = tmp_path / "results.sqlite", images_file(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", CELL, data, store],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "now\n"
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    # Two rows of five batches each; of the first row three were finished.
    assert out.splitlines() == ["interrupted after 3 batches", "again 7 batches", "True"]
