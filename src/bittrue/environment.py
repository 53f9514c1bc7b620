"""The floating-point arithmetic that all numbers here rest on, whatever the process was told before: IEEE 754, to
nearest, subnormal numbers kept, in float32 where nothing else is said.

Training code asks for speed: subnormal numbers flushed to zero, automatic mixed precision, matrix products in bfloat16
or TF32, Winograd's convolutions, another default type or device. Some libraries set the processor's rounding. Each can
change a bit. So whatever reads numbers or computes with them does it inside one of the guards here, which put right
what is wrong and leave it afterwards as they found it.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from threading import local
from typing import Any

from bittrue.errors import BittrueError

_SMALLEST = 2.0**-1022
_HALF = 0.5
_ONE = 1.0
_TIE, _BEYOND_A_TIE = 2.0**-53, 3 * 2.0**-54

_DEFAULT_ENVIRONMENT = ctypes.c_void_p(-1)
"""FE_DFL_ENV, as glibc and musl have it on x86-64 and aarch64: round to nearest, subnormal numbers kept."""
_ENVIRONMENT_BYTES = 256
"""More than any platform's fenv_t."""

_GRAIN = 1 << 15
"""Numbers from which torch gives a second thread its share."""

_nested = local()


@contextmanager
def exact_floats() -> Iterator[None]:
    """IEEE arithmetic of this thread, for what NumPy and Python compute.

    Raises BittrueError where the processor's settings are wrong and can't be put right.
    """
    if _floats_are_exact():
        yield
        return
    library = ctypes.CDLL(None)
    before = ctypes.create_string_buffer(_ENVIRONMENT_BYTES)
    try:
        library.fegetenv(before)
        library.fesetenv(_DEFAULT_ENVIRONMENT)
    except AttributeError:
        raise _spoilt() from None
    try:
        if not _floats_are_exact():
            raise _spoilt()
        yield
    finally:
        library.fesetenv(before)


@contextmanager
def exact_environment() -> Iterator[None]:
    """As `exact_floats`, and for what torch computes, in its own threads too.

    Raises BittrueError where settings are wrong and can't be put right.
    """
    with ExitStack() as stack:
        stack.enter_context(exact_floats())
        if "torch" in sys.modules:  # what isn't imported hasn't been told anything
            _put_torch_right(stack)
        _nested.depth = _depth() + 1
        try:
            yield
        finally:
            _nested.depth -= 1


def _depth() -> int:
    depth: int = getattr(_nested, "depth", 0)
    return depth


def _floats_are_exact() -> bool:
    """Whether this thread keeps subnormal numbers, as operands and results, and rounds to nearest, ties to even."""
    return (
        _SMALLEST * _HALF != 0.0
        and _ONE + _TIE == _ONE
        and -_ONE - _TIE == -_ONE
        and _ONE + _BEYOND_A_TIE > _ONE
        and -_ONE - _BEYOND_A_TIE < -_ONE
    )


def _spoilt() -> BittrueError:
    return BittrueError(
        "this process's floating-point arithmetic flushes small numbers to zero or doesn't round to nearest, and can't "
        "be put right, so no exact result can be promised: start a new process, and look for a library that sets it."
    )


def _put_torch_right(stack: ExitStack) -> None:
    """torch's settings, each put back when `stack` is closed."""
    import torch

    if torch.is_autocast_enabled("cpu"):
        stack.enter_context(torch.autocast("cpu", enabled=False))
    if torch.get_default_dtype() != torch.float32:
        _change(stack, torch.set_default_dtype, torch.get_default_dtype(), torch.float32)
    if torch.get_default_device().type != "cpu":
        stack.enter_context(torch.device("cpu"))
    nnpack = torch.backends.nnpack.set_flags(False)  # type: ignore[no-untyped-call]
    if nnpack[0]:  # its convolutions are Winograd's and not exact on integers (B14)
        stack.callback(torch.backends.nnpack.set_flags, *nnpack)
    # torch's exporter switches oneDNN off, and leaves it so where it stops at settings that contradict each other.
    stack.callback(torch._C._set_mkldnn_enabled, torch._C._get_mkldnn_enabled())
    _put_precision_right(stack)
    # This thread is known to compute as it must.
    if not _depth() and torch.get_num_threads() > 1 and not _threads_are_exact():
        _change(stack, torch.set_num_threads, torch.get_num_threads(), 1)
        if not _threads_are_exact():
            raise _spoilt()


def _change(stack: ExitStack, setter: Callable[[Any], object], before: object, after: object) -> None:
    stack.callback(setter, before)
    setter(after)


SHORT = ("bf16", "tf32")
"""Precisions of products that are no float32's."""


def _put_precision_right(stack: ExitStack) -> None:
    """Products of the processor in float32, whichever of the three levels says otherwise: all of torch, oneDNN, an
    operation. A level that says "none" takes what the one above says, so that each is asked once those above are none.

    torch's exporter turns cuDNN's default, which gives way to what the levels above say, into a setting of its own; so
    what was said at the end of it all is said again afterwards.
    """
    for operation in ("conv", "rnn"):
        stack.callback(_say_again, "cuda", operation, _precision("cuda", operation))
    _change_precision(stack, "generic", "all", "none")
    for backend in ("mkldnn", "cuda"):
        _change_precision(stack, backend, "all", "none")
    for operation in ("matmul", "conv", "rnn"):
        if _precision("mkldnn", operation) in SHORT:
            _change_precision(stack, "mkldnn", operation, "ieee")
    _put_cudnn_right(stack)


def _put_cudnn_right(stack: ExitStack) -> None:
    """One word of cuDNN's convolutions and recurrent layers: torch's exporter asks for both at once, and stops else."""
    import torch

    said = {operation: _precision("cuda", operation) for operation in ("conv", "rnn")}
    try:
        torch._C._get_cudnn_allow_tf32()
    except RuntimeError:
        for wanted in ("tf32", "none"):
            for operation in said:
                _set_precision("cuda", operation, wanted)
            with suppress(RuntimeError):
                torch._C._get_cudnn_allow_tf32()
                break
        for operation, before in said.items():
            stack.callback(_set_precision, "cuda", operation, before)


@contextmanager
def exact_products() -> Iterator[None]:
    """Products of CUDA devices in float32, where their defaults are shorter; `exact_environment` is around it."""
    with ExitStack() as stack:
        for operation in ("matmul", "conv", "rnn"):
            if _precision("cuda", operation) in SHORT:
                _change_precision(stack, "cuda", operation, "ieee")
        yield


def _change_precision(stack: ExitStack, backend: str, operation: str, after: str) -> None:
    before = _precision(backend, operation)
    if before != after:
        stack.callback(_set_precision, backend, operation, before)
        _set_precision(backend, operation, after)


def _say_again(backend: str, operation: str, precision: str) -> None:
    if _precision(backend, operation) != precision:
        _set_precision(backend, operation, precision)


def _precision(backend: str, operation: str) -> str:
    import torch

    found: str = torch._C._get_fp32_precision_getter(backend, operation)
    return found


def _set_precision(backend: str, operation: str, precision: str) -> None:
    import torch

    torch._C._set_fp32_precision_setter(backend, operation, precision)


def _threads_are_exact() -> bool:
    """Whether each of torch's threads, which keep the settings of the moment they were made in, computes as it must."""
    import torch

    first, second, total = _canary(torch.get_num_threads())
    return torch.equal((first + second).view(torch.int32), total.view(torch.int32))


@cache
def _canary(threads: int) -> tuple[Any, Any, Any]:
    """Two addends in float32 and their sum, of which each thread gets a share: a subnormal number, two ties, and two
    numbers beyond one. They are made from their bits, so that no arithmetic spoils them."""
    import torch

    one, minus_one, tie, beyond = 0x3F800000, -0x40800000, 0x33800000, 0x33C00000  # ±1, 2^-24, 3·2^-25
    sign = -0x80000000
    cases = torch.tensor(
        [
            (1, 0, 1),
            (one, tie, one),
            (minus_one, tie + sign, minus_one),
            (one, beyond, one + 1),
            (minus_one, beyond + sign, minus_one + 1),
        ],
        dtype=torch.int32,
        device="cpu",
    )
    # One thread needs no more than the cases.
    numbers = cases.repeat(-(-threads * _GRAIN // len(cases)) if threads > 1 else 1, 1).T.contiguous()
    first, second, total = (column.view(torch.float32) for column in numbers)
    return first, second, total
