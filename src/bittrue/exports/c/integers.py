"""C's integers: which type holds a number, and how a number is written."""

from bittrue.errors import CarrierError
from bittrue.exports.storage import LARGEST_NUMBER

_SMALL = (1 << 31) - 1


def width_of(*bounds: int) -> int:
    """32 where an int32_t holds every one of `bounds` and its negative, else 64."""
    return 32 if max(map(abs, bounds)) <= _SMALL else 64


def number_type(what: str, *bounds: int) -> str:
    """`int32_t` or `int64_t`, as `width_of` has it.

    Raises: CarrierError, which begins with `what`, for numbers beyond 64 bits.
    """
    widest = max(map(abs, bounds))
    if widest > LARGEST_NUMBER:
        raise CarrierError(
            f"{what}: C computes in 64 bits, and a number on the way can need {widest.bit_length() + 1}; "
            "give the sites before it fewer bits."
        )
    return f"int{width_of(*bounds)}_t"


def literal(number: int) -> str:
    """An integer as C has it, parenthesized where it is negative."""
    digits = str(abs(number))
    text = digits if abs(number) <= _SMALL else f"INT64_C({digits})"
    return text if number >= 0 else f"(-{text})"
