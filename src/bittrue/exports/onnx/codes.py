"""The codes in what an ONNX file computes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from bittrue.errors import BittrueError
from bittrue.exports.onnx.graph import Graph, Site


def write_codes(graph: Graph, batches: Iterable[Mapping[str, np.ndarray]], folder: Path, title: str) -> None:
    """Write a file of codes for each site whose tensor is there. batches: tensors by name, images first.

    Raises: BittrueError for a number that is no code of its site.
    """
    found: dict[str, list[np.ndarray]] = {}
    for batch in batches:
        for site in graph.sites:
            if site.value.tensor in batch:
                found.setdefault(site.name, []).append(_codes(site, batch[site.value.tensor], title))
    for name, parts in found.items():
        np.save(folder / f"{name}.npy", np.concatenate(parts))


def _codes(site: Site, numbers: np.ndarray, title: str) -> np.ndarray:
    """Numbers as codes, channels last."""
    placed = np.moveaxis(numbers, 1, -1) if site.value.first else numbers
    scaled = np.ldexp(placed.astype(np.float64), site.value.fraction_bits)
    codes: np.ndarray = np.rint(scaled).astype(np.int64)
    if not (codes == scaled).all():
        wrong = scaled[codes != scaled][0]
        raise BittrueError(
            f"site {site.name}: {title} computes {wrong:g} units of its last bit, which is no code; compare with "
            "another version of it."
        )
    return codes
