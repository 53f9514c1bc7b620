"""A `.pt2` file of torch.export, made safe before PyTorch sees it.

PyTorch's loader unpickles what an archive tells it to unpickle and evaluates the expressions of its symbolic sizes as
Python. So an archive is rebuilt in memory from those of its parts that are plain data: tensors as bytes, and a graph
whose every operator and expression is of a known kind. Anything else is refused.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bittrue.errors import ModelError

MAXIMUM_BYTES = 1 << 31
"""All parts of an archive together: weights of two gigabytes."""

REMEDY = "load the program where you trust it and pass the object to bittrue.from_torch, or export it to ONNX"

_OPERATORS = re.compile(
    r"torch\.ops\.aten\.\w+\.\w+"
    r"|torch\.sym_(int|float|max|min|not|ite)"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|getitem|eq|ne|lt|le|gt|ge|pow)"
)
_EXPRESSION = re.compile(
    r"(?!.*\*\*)((Symbol|Integer|Mul|Add|positive|nonnegative|integer|True|False|int_oo|[su]?[0-9]{1,12}|'[su][0-9]{1,12}')"
    r"|[(), =+*-]){1,400}"
)
"""Symbols such as s77, numbers, and sums and products of them, which are all that evaluating them can compute."""

_RESOLVED = ("torch", "_operator", "math", "#")
"""The loader looks up names that begin like this; others stay texts."""

_PARTS = (
    *("archive_format", "archive_version", "byteorder", ".data/version", ".data/serialization_id", "version"),
    *("data/weights/", "data/constants/", "data/sample_inputs/", "models/"),
)


def safe_archive(path: Path) -> io.BytesIO:
    """The archive at `path` without anything that could run code, for torch.export.load.

    Raises: ModelError for a damaged file, and for parts that are no plain data.
    """
    if not path.is_file():
        raise ModelError("there is no such file: check the path")
    try:
        with zipfile.ZipFile(path) as archive:
            return _rebuilt(archive)
    except ModelError:
        raise
    except Exception as error:  # zipfile and json meet damage with exceptions of no common base
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(f"it is damaged or no .pt2 file ({reason}): export the program again") from error


def _rebuilt(archive: zipfile.ZipFile) -> io.BytesIO:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) < len(names) or sum(member.file_size for member in members) > MAXIMUM_BYTES:
        raise ModelError("it is damaged or holds more than trained models do: export the program again")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ModelError("it is compressed, as torch.export doesn't write it: export the program again")
    rebuilt = io.BytesIO()
    models = 0
    with zipfile.ZipFile(rebuilt, "w", zipfile.ZIP_STORED) as copy:
        for member in members:
            part = member.filename.partition("/")[2]
            if not part.startswith(_PARTS) or ".." in part:
                raise ModelError(f"it holds {member.filename}, which may be code: {REMEDY}")
            data = archive.read(member)
            if part.startswith("models/"):
                models += 1
                data = _plain_graph(data)
            elif part.startswith("data/sample_inputs/"):
                _check_pickle(data)
            elif part.endswith(".json"):
                _check_payloads(json.loads(data))
            copy.writestr(member.filename, data)
    if models != 1:
        raise ModelError(f"it holds {models} programs, and bittrue takes one: export one program")
    rebuilt.seek(0)
    return rebuilt


def _plain_graph(data: bytes) -> bytes:
    """The graph's description without guards, which are Python code, once all else in it is known to be data."""
    program = json.loads(data)
    if not isinstance(program, dict):
        raise ModelError("its graph is damaged: export the program again")
    program["guards_code"] = []
    for key, value in _entries(program):
        if key == "metadata" and isinstance(value, dict):
            for name in set(value) - {"nn_module_stack"}:
                del value[name]
        if key in ("target", "as_operator") and isinstance(value, str) and not _is_known(value):
            raise ModelError(f"its operator {value!r} is not one of PyTorch's own: {REMEDY}")
        if key == "expr_str" and not (isinstance(value, str) and _EXPRESSION.fullmatch(value)):
            raise ModelError(f"its size {str(value)!r} is computed: export the program with fixed sizes")
        if key == "as_custom_obj":
            raise ModelError(f"it holds an object of the author's: {REMEDY}")
    for name in program.get("range_constraints") or {}:
        if not _EXPRESSION.fullmatch(name):
            raise ModelError(f"its size {name!r} is computed: export the program with fixed sizes")
    return json.dumps(program).encode()


def _is_known(name: str) -> bool:
    # Signatures name the buffers that they change under the same key as nodes their operators.
    return bool(_OPERATORS.fullmatch(name)) or not name.startswith(_RESOLVED)


def _check_pickle(data: bytes) -> None:
    """Refuse example inputs that are more than tensors: the loader would then unpickle anything."""
    import torch

    try:
        torch.load(io.BytesIO(data), weights_only=True)
    except Exception as error:  # an UnpicklingError, or what damage brings
        raise ModelError(f"its example inputs are no plain tensors and may run code: {REMEDY}") from error


def _check_payloads(config: Any) -> None:
    for key, value in _entries(config):
        if key == "use_pickle" and value is not False:
            raise ModelError(f"its tensors are pickled, which may run code: {REMEDY}")
        if key == "path_name" and str(value).startswith(("custom_obj", "opaque_obj")):
            raise ModelError(f"it holds an object of the author's: {REMEDY}")


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """All keys with their values, at every depth."""
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, Mapping):
            yield from found.items()
            pending += found.values()
        elif isinstance(found, list):
            pending += found
