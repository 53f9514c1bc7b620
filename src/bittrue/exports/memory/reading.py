"""Reads an array out of the memory images of an export, as a device's memories have it."""

from pathlib import Path

import numpy as np

from bittrue.errors import BittrueError
from bittrue.exports.memory.formats import FORMATS
from bittrue.exports.memory.layout import Layout, unpacked
from bittrue.files import read_json

DESCRIPTION = "memory.json"


def read_memory(folder: str | Path, name: str) -> np.ndarray:
    """The codes of `name`, such as conv1.weight, from the memory images in `folder`: int64 or Python integers, in the
    shape and order of axes that the network has.

    Where it is there in several formats, the first that was exported is read. Raises: BittrueError for a folder without
    memory images, a name that isn't there, and images that are damaged.
    """
    path = Path(folder) / DESCRIPTION
    if not path.exists():
        raise BittrueError(f"{folder} has no {DESCRIPTION}: name the folder `memory` of an export.")
    described = read_json(path, "memory description")
    if not isinstance(described, dict) or name not in described:
        known = ", ".join(list(described)[:6]) if isinstance(described, dict) else ""
        raise BittrueError(f"{path} describes no {name}: it has {known}, ….")
    try:
        entry = described[name]
        axes, width = entry["axes"], entry["word_length"] * entry["words_a_line"]
        order = tuple(axes.index(axis) for axis in entry["order"])
        layout = Layout(order, entry["words_a_line"], entry["first_word"], entry["banks"], entry["mirrored"])
        files = entry["files"][: entry["banks"]]
        form = next(form for form in FORMATS.values() if _is_of(files[0], form.suffix, name))
        banks = [form.read((Path(folder) / file).read_bytes(), width) for file in files]
        return unpacked(banks, entry["word_length"], layout, tuple(entry["shape"]), signed=entry["signed"])
    except (KeyError, TypeError, ValueError, StopIteration, IndexError, OSError, UnicodeDecodeError) as error:
        raise BittrueError(f"{path}: {name} can't be read ({error}): export the memories again.") from None


def _is_of(file: str, suffix: str, name: str) -> bool:
    """Whether a file's name is one of an array in a format: the name, a bank, the suffix."""
    rest = file.removeprefix(name).removesuffix(suffix)
    return file.endswith(suffix) and rest.lstrip(".").isdigit() == bool(rest) and rest.count(".") <= 1
