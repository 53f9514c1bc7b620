"""manifest.json: what an export holds, with the format of every site and the hash of every file."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bittrue.errors import FormatError
from bittrue.exports.job import Job
from bittrue.exports.parts import axes_of, parts_of
from bittrue.fixed import to_ap_fixed, to_q
from bittrue.fixed.notation import ap_fixed_name
from bittrue.plan import Guard, Spec, Word

NAME = "manifest.json"
_CHUNK = 1 << 20


def manifest_of(job: Job, folder: Path, files: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The manifest of the files in `folder`. files: by target, the path of each site's codes in the target's folder."""
    return {
        "bittrue": 1,
        "network": job.program.network,
        "plan": job.program.plan,
        "version": version("bittrue"),
        "name": job.name,
        "output": job.program.output,
        "on_host": list(job.on_host),
        "sites": {
            name: entry
            | {"files": {target: f"{target}/{paths[name]}" for target, paths in files.items() if name in paths}}
            for name, entry in _sites(job)
        },
        "files": {
            path.relative_to(folder).as_posix(): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()
        },
    }


def sha256_of(path: Path) -> str:
    """`sha256:…` over a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _sites(job: Job) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every site that has codes on the device, in the order of the steps."""
    for step in job.program.steps:
        for part in parts_of(step):
            name = f"{step.name}.{part.role}"
            stored = {
                "shape": list(part.codes.shape),
                "axes": list(part.axes),
                "fraction_bits": _one(part.fraction_bits),
            }
            yield name, _formats(job.spec_of(name)) | stored | {"codes": [int(part.codes.min()), int(part.codes.max())]}
        if step.site is not None:
            entry: dict[str, Any] = {
                "shape": list(step.type.shape),
                "axes": list(axes_of(step.type.shape)),
                "fraction_bits": step.type.fraction_bits,
                "codes": [step.type.low, step.type.high],
            }
            yield step.site, _formats(job.plan.sites[step.site]) | entry


def _one(bits: tuple[int, ...]) -> int | list[int]:
    return bits[0] if len(set(bits)) == 1 else list(bits)


def _formats(spec: Spec | None) -> dict[str, Any]:
    """The format, rounding and overflow of a site, and the format as others write it; None where it has none."""
    if isinstance(spec, Guard):
        spec = spec.quantizer
    if spec is None or isinstance(spec, Word):
        word = None if spec is None else spec.value
        return {"format": word, "rounding": None, "overflow": None, "ap_fixed": None, "q": None}
    if isinstance(spec, tuple):
        each = [_formats(quantizer) for quantizer in spec]
        return {key: [entry[key] for entry in each] for key in each[0]}
    return {
        "format": ap_fixed_name(spec.format),
        "rounding": spec.rounding.value,
        "overflow": spec.overflow.value,
        "ap_fixed": _or_none(lambda: to_ap_fixed(spec)),
        "q": _or_none(lambda: to_q(spec.format)),
    }


def _or_none(write: Callable[[], str]) -> str | None:
    """None where the notation can't say it."""
    try:
        return write()
    except FormatError:
        return None
