"""What a group tells of codes that lie as close together as those it reads."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.program import Clip, CodeType, Step
from bittrue.simulation.compiled.stages import Span, moved_ends, staged

ENDS = {"relu": (0, None), "from below": (None, 1), "both": (Fraction(-1, 2), 6), "none": (None, None)}


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@given(
    codes=st.tuples(st.integers(-(1 << 20), 1 << 20), st.integers(-(1 << 20), 1 << 20)),
    finer=st.integers(0, 3),
    fraction_bits=st.one_of(st.none(), st.integers(-2, 8)),
)
def test_the_ends_of_a_batch_are_those_of_staging(
    ends: tuple[Fraction | int | None, Fraction | int | None],
    codes: tuple[int, int],
    finer: int,
    fraction_bits: int | None,
) -> None:
    """With and without an unbounded quantizer behind the clip, and where it lies on a finer grid than its input."""
    quantizer = None
    if fraction_bits is not None:
        quantizer = Quantizer(FixedFormat(True, 16, fraction_bits), Rounding.NEAREST_EVEN, Overflow.UNBOUNDED)
    low, high = (None if end is None else Fraction(end) for end in ends)
    exact = CodeType((6,), 4 + finer, None, None)
    kind = CodeType((6,), exact.fraction_bits if fraction_bits is None else fraction_bits, None, None)
    step = Step("relu", "relu.output", Clip(low, high), ("x",), exact, quantizer, kind)
    types, met = (CodeType((6,), 4, None, None),), Span(min(codes), max(codes), 4)
    stages, _ = staged(step, types, Span(-(1 << 21), 1 << 21, 4), {})
    _, after = staged(step, types, met, {})
    assert moved_ends(stages, met.low, met.high) == (after.low, after.high)
