"""The target `vectors`: the input's and every layer's codes as hex text, NumPy arrays and little-endian bytes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bittrue.analysis.evaluating.codes import codes_of
from bittrue.errors import BittrueError
from bittrue.exports.job import Job, Target
from bittrue.exports.storage import storage_of
from bittrue.exports.vectors.bench import write_bench
from bittrue.exports.vectors.inputs import vectors_of
from bittrue.exports.words import hex_words, word_length_of
from bittrue.files import dump_json
from bittrue.program import Step


def layers_of(job: Job) -> tuple[Step, ...]:
    """The steps whose codes are kept: those that are sites. Raises: BittrueError for FLOAT among them."""
    steps = tuple(step for step in job.program.steps if step.site is not None)
    for step in steps:
        if step.type.is_float:
            raise BittrueError(
                f"site {step.site}: FLOAT has no codes to make vectors of; give it a format, or stop before it with "
                "--until."
            )
        storage_of(step)
    return steps


def _check(job: Job) -> None:
    layers_of(job)


def _write(job: Job, folder: Path) -> Mapping[str, str]:
    layers = layers_of(job)
    return write_vectors(job, layers, folder)


def write_vectors(job: Job, layers: tuple[Step, ...], folder: Path) -> Mapping[str, str]:
    """Write the codes of `layers` for every input; which file holds a site's codes as an array."""
    for kind in ("bin", "hex", "npy"):
        (folder / kind).mkdir()
    names = [step.name for step in layers]
    vectors = vectors_of(job)
    origins = [origin for part in vectors for origin in part.origins]
    found = [codes_of(job.program, part.images, names) for part in vectors]
    for step in layers:
        name = step.site
        codes = np.concatenate([part.pop(step.name) for part in found]).astype(storage_of(step).dtype)
        codes.tofile(folder / "bin" / f"{name}.bin")
        np.save(folder / "npy" / f"{name}.npy", codes)
        (folder / "hex" / f"{name}.hex").write_text(hex_words(codes, word_length_of(step)), encoding="ascii")
    (folder / "bench").mkdir()
    write_bench(job.program, len(origins), folder / "bench")
    (folder / "vectors.json").write_text(dump_json({"images": len(origins), "inputs": origins}), encoding="utf-8")
    return {str(step.site): f"npy/{step.site}.npy" for step in layers}


_BUILT = ("bench.vvp", "build_verilator/*", "build/*", "results.xml", "__pycache__/*")
"""What the bench's Makefile leaves beside it."""

TARGET = Target(
    "vectors",
    "golden vectors of every layer, with hostile inputs",
    needs_images=True,
    check=_check,
    write=_write,
    builds=tuple(f"bench/{name}" for name in _BUILT),
)
