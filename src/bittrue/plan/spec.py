"""What a plan says of a site: a quantizer (weights: one an output channel), or one of the words EXACT, GUARD, FLOAT
(B5)."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from bittrue.errors import FormatError, PlanError
from bittrue.fixed import (
    FixedFormat,
    Overflow,
    Quantizer,
    Rounding,
    describe,
    parse_quantizer,
    quantizer_from_json,
    quantizer_to_json,
)

GUARD_BITS = 16


class Word(Enum):
    """EXACT: not rounded, every bit is passed on. FLOAT: computed in float32, and from there on nothing is called
    exact."""

    EXACT = "EXACT"
    FLOAT = "FLOAT"


@dataclass(frozen=True)
class Guard:
    """GUARD: rounded to 16 fraction bits more than the site's own quantizer, nothing clipped (B5)."""

    own: Quantizer

    @property
    def quantizer(self) -> Quantizer:
        own = self.own.format
        wide = FixedFormat(own.signed, own.word_length + GUARD_BITS, own.fraction_bits + GUARD_BITS)
        return Quantizer(wide, self.own.rounding, Overflow.UNBOUNDED)


Spec = Quantizer | tuple[Quantizer, ...] | Word | Guard


def formats_of(spec: Spec) -> tuple[FixedFormat, ...]:
    """The formats of a spec, of weights one an output channel; GUARD's own; none for EXACT and FLOAT."""
    if isinstance(spec, Word):
        return ()
    quantizers = (spec.quantizer,) if isinstance(spec, Guard) else spec if isinstance(spec, tuple) else (spec,)
    return tuple(quantizer.format for quantizer in quantizers)


def spec_to_json(spec: Spec) -> Any:
    """A string, an object or a list, as plan.json holds it; GUARD is `{"guard": <its own quantizer>}`."""
    if isinstance(spec, Word):
        return spec.value
    if isinstance(spec, Guard):
        return {"guard": quantizer_to_json(spec.own)}
    if isinstance(spec, Quantizer):
        return quantizer_to_json(spec)
    return [quantizer_to_json(quantizer) for quantizer in spec]


def spec_from_json(value: Any, site: str) -> Spec:
    """The inverse of spec_to_json; raises PlanError that names the site."""
    try:
        if isinstance(value, list):
            if not value:
                raise PlanError("a list of formats, one an output channel, can't be empty.")
            return tuple(quantizer_from_json(item) for item in value)
        if isinstance(value, dict) and set(value) == {"guard"}:
            return Guard(quantizer_from_json(value["guard"]))
        if value == "GUARD":
            raise PlanError('GUARD needs the site\'s own quantizer: write {"guard": "ap_fixed<…>"}.')
        if isinstance(value, str) and value in Word.__members__:
            return Word[value]
        return quantizer_from_json(value)
    except (FormatError, PlanError) as error:
        raise PlanError(f"site {site}: {error}") from None


def describe_spec(spec: Spec) -> str:
    """For tables: the notation, `EXACT`, `FLOAT`, `GUARD of …`, or a summary of formats that differ by channel."""
    if isinstance(spec, Word):
        return spec.value
    if isinstance(spec, Guard):
        return f"GUARD of {describe(spec.own)}"
    if isinstance(spec, Quantizer):
        return describe(spec)
    fraction_bits = [quantizer.format.fraction_bits for quantizer in spec]
    return f"{describe(spec[0])} … per channel, F = {min(fraction_bits)}…{max(fraction_bits)}"


def parse_spec(
    text: str, own: Spec, rounding: Rounding = Rounding.NEAREST_EVEN, overflow: Overflow = Overflow.SATURATE
) -> Spec:
    """`--site NAME=SPEC`'s SPEC: B2's notation, EXACT, GUARD (of `own`) or FLOAT.

    rounding, overflow: what applies where the notation leaves them out.
    """
    if text in Word.__members__:
        return Word[text]
    if text == "GUARD":
        if isinstance(own, Guard):
            return own
        if isinstance(own, Quantizer):
            return Guard(own)
        raise PlanError("GUARD is 16 fraction bits more than the site's own quantizer, and this site has none.")
    return parse_quantizer(text, default_rounding=rounding, default_overflow=overflow)
