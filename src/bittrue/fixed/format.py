"""What a fixed-point number is: its format, how a value is rounded to it, and what happens beyond its ends.

A format has W bits of which F stand behind the binary point; a *code* is the integer in those bits, and its *value* is
code · 2^(−F). A quantizer is a format with a rounding and an overflow mode: a map from real numbers to codes.
"""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from bittrue.errors import FormatError

LARGEST_WORD_LENGTH = 4096
"""The most bits that a word may have, and the farthest that its binary point may lie from its last bit."""


class Rounding(Enum):
    """How a real number becomes an integer; the names say where a tie (exactly one half) goes."""

    NEAREST_EVEN = "NEAREST_EVEN"
    NEAREST_UP = "NEAREST_UP"
    NEAREST_DOWN = "NEAREST_DOWN"
    NEAREST_AWAY = "NEAREST_AWAY"
    NEAREST_TO_ZERO = "NEAREST_TO_ZERO"
    FLOOR = "FLOOR"
    TRUNCATE = "TRUNCATE"

    @property
    def amd(self) -> str:
        """The name in AMD's `ap_fixed`."""
        return _AMD_ROUNDING[self]


class Overflow(Enum):
    """What becomes of a rounded code that the word can't hold."""

    SATURATE = "SATURATE"
    """The nearer end of the range."""
    SATURATE_ZERO = "SATURATE_ZERO"
    """Zero."""
    SATURATE_SYMMETRIC = "SATURATE_SYMMETRIC"
    """The nearer end of a range without the lowest signed code; a signed word of one bit keeps it."""
    WRAP = "WRAP"
    """The low W bits."""
    UNBOUNDED = "UNBOUNDED"
    """The code itself: the word length is a yardstick by which overflows are counted."""

    @property
    def amd(self) -> str | None:
        """The name in AMD's `ap_fixed`; None for UNBOUNDED, which has none."""
        return _AMD_OVERFLOW.get(self)


_AMD_ROUNDING = {
    Rounding.NEAREST_EVEN: "AP_RND_CONV",
    Rounding.NEAREST_UP: "AP_RND",
    Rounding.NEAREST_DOWN: "AP_RND_MIN_INF",
    Rounding.NEAREST_AWAY: "AP_RND_INF",
    Rounding.NEAREST_TO_ZERO: "AP_RND_ZERO",
    Rounding.FLOOR: "AP_TRN",
    Rounding.TRUNCATE: "AP_TRN_ZERO",
}

_AMD_OVERFLOW = {
    Overflow.SATURATE: "AP_SAT",
    Overflow.SATURATE_ZERO: "AP_SAT_ZERO",
    Overflow.SATURATE_SYMMETRIC: "AP_SAT_SYM",
    Overflow.WRAP: "AP_WRAP",
}


def word_length_between(low: int, high: int) -> int:
    """The fewest bits of a word, signed where `low` is negative, that holds all codes from `low` to `high`."""
    return max((~low).bit_length() + 1 if low < 0 else 0, high.bit_length() + (low < 0), 1)


@dataclass(frozen=True, slots=True)
class FixedFormat:
    """`word_length` bits, `fraction_bits` of them behind the binary point (rule B1).

    `fraction_bits` may be negative (the last bit counts more than one) or exceed `word_length` (all bits lie well
    behind the point). Raises FormatError where a field is no integer or out of reach.
    """

    signed: bool
    word_length: int
    fraction_bits: int

    def __post_init__(self) -> None:
        if type(self.signed) is not bool:
            raise FormatError(f"'signed' of a format is True or False, not {self.signed!r}.")
        for name in ("word_length", "fraction_bits"):
            number = getattr(self, name)
            if type(number) is not int:
                raise FormatError(f"'{name}' of a format is an integer, not {number!r}.")
        if not 1 <= self.word_length <= LARGEST_WORD_LENGTH:
            raise FormatError(
                f"A word length of {self.word_length} bits doesn't exist; choose one from 1 to {LARGEST_WORD_LENGTH}."
            )
        if abs(self.fraction_bits) > LARGEST_WORD_LENGTH:
            raise FormatError(
                f"{self.fraction_bits} fraction bits are out of reach; "
                f"choose from {-LARGEST_WORD_LENGTH} to {LARGEST_WORD_LENGTH}."
            )

    @property
    def integer_bits(self) -> int:
        """W − F: the bits before the binary point, the sign counted as in `ap_fixed<W,I>`."""
        return self.word_length - self.fraction_bits

    @property
    def min_code(self) -> int:
        """The lowest code."""
        return -(1 << (self.word_length - 1)) if self.signed else 0

    @property
    def max_code(self) -> int:
        """The highest code."""
        return (1 << (self.word_length - self.signed)) - 1

    @property
    def resolution(self) -> Fraction:
        """The value of the last bit, 2^(−F)."""
        return Fraction(2) ** -self.fraction_bits

    @property
    def min_value(self) -> Fraction:
        """The lowest value."""
        return self.min_code * self.resolution

    @property
    def max_value(self) -> Fraction:
        """The highest value."""
        return self.max_code * self.resolution


@dataclass(frozen=True, slots=True)
class Quantizer:
    """A format with a rounding and an overflow mode (rules B3 and B4).

    Its code limits are those by which overflows are counted: SATURATE_SYMMETRIC gives up the lowest signed code.
    """

    format: FixedFormat
    rounding: Rounding = Rounding.NEAREST_EVEN
    overflow: Overflow = Overflow.SATURATE

    @property
    def min_code(self) -> int:
        """The lowest code that is not an overflow."""
        lowest = self.format.min_code
        # The ap_fixed header keeps the lone −1 of a signed one-bit word, whose symmetric range would be {0}.
        if self.overflow is Overflow.SATURATE_SYMMETRIC and self.format.signed and self.format.word_length > 1:
            return lowest + 1
        return lowest

    @property
    def max_code(self) -> int:
        """The highest code that is not an overflow."""
        return self.format.max_code


def parse_rounding(text: str) -> Rounding:
    """The rounding mode called `text` by bittrue or by AMD, in any case; raises FormatError for any other name."""
    name = _normalized(text)
    for mode in Rounding:
        if name in (mode.value, mode.amd):
            return mode
    known = ", ".join(f"{mode.value} ({mode.amd})" for mode in Rounding)
    raise FormatError(f"There is no rounding mode '{text}'; choose one of {known}.")


def parse_overflow(text: str) -> Overflow:
    """The overflow mode called `text` by bittrue or by AMD, in any case; raises FormatError for any other name."""
    name = _normalized(text)
    if name == "AP_WRAP_SM":
        raise FormatError(
            "AP_WRAP_SM is not supported, since its header decides by bits from before the rounding and aborts on "
            "unsigned words; use AP_WRAP or a saturating mode."
        )
    for mode in Overflow:
        if name in (mode.value, mode.amd):
            return mode
    known = ", ".join(f"{mode.value} ({mode.amd})" if mode.amd else mode.value for mode in Overflow)
    raise FormatError(f"There is no overflow mode '{text}'; choose one of {known}.")


def _normalized(text: str) -> str:
    return text.strip().upper().replace("-", "_")
