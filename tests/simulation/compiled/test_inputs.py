"""The input's quantization by the library, beside torch's."""

import numpy as np
import pytest
import torch

from bittrue.errors import FormatError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.program import CodeType, Quantize, Step
from bittrue.simulation.compiled import library
from bittrue.simulation.compiled.inputs import short_codes
from bittrue.simulation.requantization import quantize_reals
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Codes
from simulation.comparison import computed_by
from simulation.compiled import cases

pytestmark = pytest.mark.parametrize("unit", library.units(), ids=lambda unit: unit.name)


def step(word: FixedFormat, rounding: Rounding = Rounding.NEAREST_EVEN, *, bounded: bool = True) -> Step:
    overflow = Overflow.SATURATE if bounded else Overflow.UNBOUNDED
    ends = (word.min_code, word.max_code) if bounded else (None, None)
    kind = CodeType((), word.fraction_bits, *ends)
    return Step("x", "x.output", Quantize(), (), kind, Quantizer(word, rounding, overflow), kind)


def numbers(word: FixedFormat) -> torch.Tensor:
    """Ties, their neighbours, numbers below all others, and the ends."""
    codes = torch.arange(max(word.min_code, -300), min(word.max_code, 300) + 1, dtype=torch.float64)
    ends = torch.tensor([word.min_code, word.max_code, 0.0, -0.0], dtype=torch.float64)
    reals = torch.cat([codes, (codes + 0.5).clamp(word.min_code, word.max_code), ends]) * 2.0**-word.fraction_bits
    exact = reals.to(torch.float32)
    tiny = torch.tensor([1e-45, -1e-45, 1e-38])
    return torch.cat([exact, torch.nextafter(exact, torch.zeros(())), tiny])


@pytest.mark.parametrize("bits", [-3, 0, 6, 40])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bounded", [True, False])
def test_the_codes_are_torchs(unit: library.Unit, bits: int, signed: bool, bounded: bool) -> None:
    word = FixedFormat(signed, 16, bits)
    one, x = step(word, bounded=bounded), numbers(word)
    if not (signed or bounded):
        x = x[x.abs() < (2**15 - 1) * 2.0**-bits]  # what nothing bounds is kept signed
    found, (expected, outside) = short_codes(unit, x, one), quantize_reals(x, one, "x")
    assert found is not None
    assert isinstance(expected, Codes)
    assert outside == 0
    assert np.array_equal(found.integers(), expected.integers())
    assert (found.low, found.high, found.fraction_bits) == (expected.low, expected.high, expected.fraction_bits)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 2.0**15, 2.0**22, 3.0e38])
def test_what_is_left_to_torch(unit: library.Unit, number: float) -> None:
    x = torch.tensor([0.0] * 40 + [number] + [1.0] * 40)
    assert short_codes(unit, x, step(FixedFormat(True, 16, 0))) is None
    assert short_codes(unit, x[:7], step(FixedFormat(True, 16, 0), Rounding.FLOOR)) is None
    assert short_codes(unit, x[:0], step(FixedFormat(True, 16, 0))) is None


def test_an_input_with_a_hole(unit: library.Unit) -> None:
    program, x = cases.convolution(cases.GEOMETRIES[0], cases.SIGNED_8)
    x = x.copy()
    x[1, 2, 3, 0] = np.nan
    with computed_by(unit), pytest.raises(FormatError, match="^the input: NaN"):
        Simulator(program).run(x)
