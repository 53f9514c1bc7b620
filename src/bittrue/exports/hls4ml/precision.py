"""Formats as hls4ml writes them: every one with its rounding and overflow, and wide enough where the plan rounds
nothing."""

from bittrue.errors import CarrierError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, word_length_between
from bittrue.program import Step

LARGEST_CODE = 1 << 53
"""hls4ml keeps weights as binary64, which holds integers up to here."""


def holding(low: int, high: int, fraction_bits: int, rounding: Rounding = Rounding.FLOOR) -> Quantizer:
    """The narrowest format that holds all codes from `low` to `high`; nothing overflows in it, so it may wrap."""
    format = FixedFormat(low < 0, word_length_between(low, high), fraction_bits)
    return Quantizer(format, rounding, Overflow.WRAP)


def result_of(step: Step) -> Quantizer:
    """The precision of a step's result: the plan's quantizer; for EXACT and UNBOUNDED one that holds every code."""
    quantizer = step.quantizer
    if quantizer is not None and quantizer.overflow is not Overflow.UNBOUNDED:
        return quantizer
    rounding = Rounding.FLOOR if quantizer is None else quantizer.rounding
    return holding(step.type.low or 0, step.type.high or 0, step.type.binary_point, rounding)


def same_words(first: Quantizer, second: Quantizer) -> bool:
    """Whether the words of both are the same, whatever made them."""
    return first.format == second.format


def require_header_takes(step: Step, source: FixedFormat, target: Quantizer) -> None:
    """Refuse a rounding that AMD's header aborts on: of more bits than the source has.

    Raises: CarrierError, which names the step's site.
    """
    if source.fraction_bits - target.format.fraction_bits > source.word_length:
        raise CarrierError(
            f"site {step.site or step.name}: ap_fixed can't round {source.fraction_bits} fraction bits of a word of "
            f"{source.word_length} to {target.format.fraction_bits}; give the site a later binary point."
        )
