"""The golden vectors of an export beside the simulation: what it says of its files, and what it computes."""

from pathlib import Path

import numpy as np

from bittrue.data import as_dataset
from bittrue.errors import BittrueError
from bittrue.exports.device.compare import DeviceComparison, compare_codes
from bittrue.exports.folder import read_manifest
from bittrue.exports.job import until
from bittrue.exports.manifest import NAME
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Plan

_ARRAYS = "vectors/npy"


def compare_export(network: Network, plan: Plan, folder: Path) -> DeviceComparison:
    """Compare the vectors in an export's folder with what the simulation computes of their inputs.

    Raises: BittrueError where a file isn't the one of the manifest, the export is of another network or plan, and where
    it has no vectors.
    """
    manifest = read_manifest(folder)
    program = lower_network(network, plan)
    for what, own in (("network", program.network), ("plan", program.plan)):
        if manifest.get(what) != own:
            raise BittrueError(f"{folder / NAME} is about another {what}: export again, or give its own.")
    program = until(program, manifest["output"])
    source = program.steps[0]
    path = folder / _ARRAYS / f"{source.site}.npy"
    if not path.exists():
        raise BittrueError(
            f"{folder} holds an export without vectors, and so no codes to compare: export --to vectors, too."
        )
    codes = np.load(path)
    x = np.ldexp(codes.astype(np.float64), -source.type.binary_point).astype(np.float32)
    return compare_codes(program, as_dataset(x, name=f"inputs in {folder}"), folder / _ARRAYS, against=str(folder))
