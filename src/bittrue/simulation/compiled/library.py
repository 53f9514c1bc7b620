"""The compiled library: which one is loaded, and which of its vector units is in use.

The library is a distribution of its own, `bittrue-kernels`. Without it, and with BITTRUE_KERNELS=none, torch computes
everything, with the same bits.
"""

import ctypes
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bittrue.errors import KernelError

ABI = 2
"""The version of the calls and structures below; `source/group.h` has the same."""


class StageFields(ctypes.Structure):
    """`stage` of group.h."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("kind", "rounding", "overflow", "word_length", "is_signed", "operand")),
        *((name, ctypes.c_int32) for name in ("storage", "unused")),
        *((name, ctypes.c_int64) for name in ("shift", "operand_shift", "low", "high")),
        *((name, ctypes.c_void_p) for name in ("first", "second", "third", "fourth")),
    ]


class GroupFields(ctypes.Structure):
    """`group` of group.h."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("source", "wide", "stages", "stored_in", "stored_out", "digits")),
        *((name, ctypes.c_int32) for name in ("bytes", "direct")),
        ("zero", ctypes.c_int64),
        *(
            (name, ctypes.c_int64)
            for name in ("height", "width", "channels", "out_height", "out_width", "out_channels")
        ),
        *((name, ctypes.c_int64 * 2) for name in ("window", "strides", "dilation", "padding")),
        ("chunk", ctypes.c_int64),
        ("weights", ctypes.c_void_p * 4),
        ("places", ctypes.c_double * 4),
        ("period", ctypes.c_int64),
        ("stage", ctypes.c_void_p),
    ]


class Seen(ctypes.Structure):
    """`seen` of group.h: what a stage that quantizes has met."""

    _fields_ = [(name, ctypes.c_int64) for name in ("outside", "least", "most")]


@dataclass(frozen=True)
class Unit:
    """A vector unit of the loaded library.

    name: as BITTRUE_KERNELS has it. index: as the library counts. multiplies_bytes: whether it has an instruction for
    products of bytes.
    """

    library: ctypes.CDLL
    name: str
    index: int
    multiplies_bytes: bool

    def scratch_bytes(self, group: GroupFields) -> int:
        """How much memory a call needs for itself."""
        return int(self.library.bittrue_scratch(ctypes.byref(group)))


@cache
def unit() -> Unit | None:
    """The unit in use: the fastest that this processor has, or what BITTRUE_KERNELS names; None without a library.

    Raises KernelError where the library or the unit that was asked for isn't there, or doesn't fit.
    """
    wanted = os.environ.get("BITTRUE_KERNELS", "")
    if wanted == "none":
        return None
    there = units()
    if not there:
        if wanted:
            raise KernelError(
                f"BITTRUE_KERNELS={wanted}: bittrue's compiled kernels aren't installed; install the folder kernels/ "
                "with pip (it needs a C compiler), or unset the variable: torch computes the same bits."
            )
        return None
    if not wanted:
        return there[0]
    for one in there:
        if one.name == wanted:
            return one
    names = ", ".join(one.name for one in there)
    raise KernelError(
        f"BITTRUE_KERNELS={wanted}: this processor, or the library, has no such unit; choose one of none, {names}."
    )


@cache
def units() -> tuple[Unit, ...]:
    """The units that the library has for this processor, the fastest first; none without a library.

    Raises KernelError where the library can't be used.
    """
    path = _path()
    if path is None:
        return ()
    library = _load(path)
    found = [
        Unit(
            library,
            library.bittrue_unit_name(index).decode(),
            index,
            bool(library.bittrue_unit_multiplies_bytes(index)),
        )
        for index in range(library.bittrue_units())
    ]
    return tuple(one for one in found if library.bittrue_unit_available(one.index))


def _path() -> Path | None:
    try:
        package = importlib.import_module("bittrue_kernels")
    except ImportError:
        return None
    path: Path = package.library()
    return path


_CALLS: dict[str, tuple[type | None, list[type]]] = {
    "bittrue_abi": (ctypes.c_int, []),
    "bittrue_group_size": (ctypes.c_int64, []),
    "bittrue_stage_size": (ctypes.c_int64, []),
    "bittrue_units": (ctypes.c_int, []),
    "bittrue_unit_name": (ctypes.c_char_p, [ctypes.c_int]),
    "bittrue_unit_available": (ctypes.c_int, [ctypes.c_int]),
    "bittrue_unit_multiplies_bytes": (ctypes.c_int, [ctypes.c_int]),
    "bittrue_codes": (
        None,
        [ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_float, ctypes.c_void_p, ctypes.c_void_p],
    ),
    "bittrue_scratch": (ctypes.c_int64, [ctypes.c_void_p]),
    "bittrue_run": (
        None,
        [ctypes.c_int, *[ctypes.c_void_p] * 4, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p],
    ),
    "bittrue_run_shared": (
        None,
        [
            *(ctypes.c_int, *[ctypes.c_void_p] * 4, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64),
            *(ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p),
        ],
    ),
}


def _load(path: Path) -> ctypes.CDLL:
    remedy = "install the folder kernels/ of the same bittrue again, or set BITTRUE_KERNELS=none."
    try:
        library = ctypes.CDLL(str(path))
        for name, (returned, taken) in _CALLS.items():
            call: Callable[..., object] = getattr(library, name)
            call.restype, call.argtypes = returned, taken  # type: ignore[attr-defined]
    except (OSError, AttributeError) as error:
        raise KernelError(f"{path.name}: bittrue's compiled kernels can't be loaded ({error}); {remedy}") from None
    sizes = (ctypes.sizeof(GroupFields), ctypes.sizeof(StageFields))
    if library.bittrue_abi() != ABI or sizes != (library.bittrue_group_size(), library.bittrue_stage_size()):
        raise KernelError(f"{path.name}: these compiled kernels belong to another version of bittrue; {remedy}")
    return library
