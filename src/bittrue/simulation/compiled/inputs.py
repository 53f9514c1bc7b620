"""The input's quantization by the library: float32 numbers to short words in one pass."""

import ctypes
import struct

import torch

from bittrue.fixed import Rounding
from bittrue.program import Step
from bittrue.simulation.compiled.library import Unit
from bittrue.simulation.compiled.running import in_one_piece
from bittrue.simulation.values import Codes

_MOST_SCALED = 60
"""A scale of 2^60 and its inverse are float32 numbers, and so is what it makes of a number below 2^22 / 2^60."""

_LARGEST = 1 << 22
"""Below it the library's codes are right."""

_INFINITY = 0x7F800000
"""The bits of float32's infinity; those of NaN are larger."""

_ENDS = struct.Struct("3i")


def short_codes(unit: Unit, x: torch.Tensor, step: Step) -> Codes | None:
    """The codes of real numbers, none of which overflows, in words of 16 bits; None where it isn't so, or where their
    quantizer isn't for the library.

    x: float32. step: the one whose quantizer it is.
    """
    quantizer = step.quantizer
    if quantizer is None or quantizer.rounding is not Rounding.NEAREST_EVEN or not x.numel():
        return None
    bits = quantizer.format.fraction_bits
    if abs(bits) > _MOST_SCALED or x.dtype is not torch.float32:
        return None
    dtype = torch.int16 if step.type.low is None or step.type.low < 0 else torch.uint16
    limits = torch.iinfo(dtype)
    x = in_one_piece(x)
    codes = torch.empty(x.shape, dtype=dtype)
    ends = ctypes.create_string_buffer(_ENDS.size)
    unit.library.bittrue_codes(unit.index, x.data_ptr(), x.numel(), 2.0**bits, codes.data_ptr(), ends)
    largest, least, most = _ENDS.unpack(ends)
    if largest >= _INFINITY or struct.unpack("f", struct.pack("i", largest))[0] * 2.0**bits >= _LARGEST:
        return None
    if least < max(limits.min, quantizer.min_code) or most > min(limits.max, quantizer.max_code):
        return None
    return Codes(codes, step.type.fraction_bits, least, most)
