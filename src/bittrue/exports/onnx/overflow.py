"""Words that saturate, in the place of others: the same codes wherever nothing reaches beyond the word."""

from dataclasses import replace

from bittrue.exports.onnx.graph import Exact, Graph, refused
from bittrue.fixed import FixedFormat, Overflow, Quantizer, word_length_between
from bittrue.program import Step

SATURATING = (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC)


def rounded_codes(exact: Exact, quantizer: Quantizer) -> tuple[int, int] | None:
    """The least and the greatest code before the overflow mode; None where nothing bounds them."""
    bounds = exact.bounds.quantized(replace(quantizer, overflow=Overflow.UNBOUNDED))
    if bounds.ends is None:
        return None
    low, high = (int(end / quantizer.format.resolution) for end in bounds.ends)
    return low, high


def saturating(graph: Graph, step: Step, exact: Exact, quantizer: Quantizer) -> Quantizer:
    """A quantizer that saturates and makes the same codes.

    Raises: BittrueError where there is none.
    """
    if quantizer.overflow in SATURATING:
        return quantizer
    reached = rounded_codes(exact, quantizer)
    if reached is not None and (quantizer.overflow is Overflow.UNBOUNDED or _within(reached, quantizer)):
        return Quantizer(covering(quantizer.format, *reached), quantizer.rounding, Overflow.SATURATE)
    what = f"saturates alone, and the numbers of {step.site or step.name} reach beyond a word that doesn't"
    raise refused(graph, step, what, f"give {step.site or step.name} SATURATE, or a word that holds them")


def _within(codes: tuple[int, int], quantizer: Quantizer) -> bool:
    return quantizer.min_code <= codes[0] and codes[1] <= quantizer.max_code


def covering(format: FixedFormat, low: int, high: int) -> FixedFormat:
    """The format, or a longer word where it doesn't hold all codes from `low` to `high`."""
    if format.min_code <= low and high <= format.max_code:
        return format
    signed = format.signed or low < 0
    needed = word_length_between(min(low, -1) if signed else low, high)
    return FixedFormat(signed, max(format.word_length, needed), format.fraction_bits)
