"""Arrays of parameters have the codes, the overflows and the types that Python integers give, whatever way is taken."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bittrue import fixed
from bittrue.errors import FormatError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.fixed.arrays import quantize_array
from bittrue.fixed.dyadic import narrow
from bittrue.fixed.integers import quantize_reals

QUANTIZERS = st.builds(
    Quantizer,
    st.builds(FixedFormat, st.booleans(), st.integers(2, 30), st.integers(-3, 30)),
    st.sampled_from(Rounding),
    st.sampled_from(Overflow),
)
SHORT = st.floats(-4, 4, width=16)
ANY = st.floats(width=32, allow_nan=False, allow_infinity=False)


def in_integers(values: np.ndarray, quantizers: list[Quantizer]) -> tuple[np.ndarray, int]:
    """Number by number."""
    columns, overflows = [], 0
    for channel, quantizer in enumerate(quantizers):
        rounded = quantize_reals(values[..., channel].reshape(-1), quantizer.format.fraction_bits, quantizer.rounding)
        overflows += sum(fixed.overflows(int(code), quantizer) for code in rounded)
        columns.append([fixed.overflow_code(int(code), quantizer) for code in rounded])
    return np.array(columns, object).T.reshape(values.shape), overflows


@pytest.mark.parametrize("elements", [SHORT, ANY])
@given(data=st.data())
def test_channels_of_their_own(elements: st.SearchStrategy[float], data: st.DataObject) -> None:
    values = data.draw(arrays.arrays(np.float32, (3, 2, 4), elements=elements))
    quantizers = data.draw(st.lists(QUANTIZERS, min_size=4, max_size=4))
    if data.draw(st.booleans()):
        quantizers = [Quantizer(each.format, quantizers[0].rounding, each.overflow) for each in quantizers]
    codes, overflows = quantize_array(values, quantizers)
    expected, count = in_integers(values, quantizers)
    assert codes.tolist() == expected.tolist()
    assert overflows == count
    assert codes.dtype == narrow(expected).dtype


@pytest.mark.parametrize("elements", [SHORT, ANY])
@given(data=st.data())
def test_one_for_all(elements: st.SearchStrategy[float], data: st.DataObject) -> None:
    values = data.draw(arrays.arrays(np.float32, (3, 2, 4), elements=elements))
    quantizer = data.draw(QUANTIZERS)
    codes, overflows = quantize_array(values, [quantizer])
    expected, count = in_integers(values, [quantizer] * 4)
    assert codes.tolist() == expected.tolist()
    assert overflows == count
    assert codes.dtype == narrow(expected).dtype


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("largest", [1 << 22, (1 << 23) - 1, 1 << 23, (1 << 24) + 2, 1 << 30])
def test_where_float32_ends(rounding: Rounding, largest: int) -> None:
    """Halves between the largest numbers of a float32: canary for the width up to which it is used."""
    numbers = np.array([largest, largest - 0.5, largest - 1.5, 0.5, 1.5, -0.5, 2.5], np.float32)
    values = np.stack([numbers, -numbers], axis=-1) / 8
    for quantizers in ([3, 3], [3, 4]):
        made = [Quantizer(FixedFormat(True, 40, bits), rounding) for bits in quantizers]
        codes, _ = quantize_array(values, made)
        assert codes.tolist() == in_integers(values, made)[0].tolist()


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3)])
def test_no_numbers(shape: tuple[int, ...]) -> None:
    made = [Quantizer(FixedFormat(True, 8, bits)) for bits in (3, 4, 5)]
    codes, overflows = quantize_array(np.zeros(shape, np.float32), made)
    assert (codes.shape, overflows) == (shape, 0)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number(wrong: float) -> None:
    values = np.array([[1, 2], [3, wrong]], np.float32)
    for bits in ((3, 3), (3, 4)):
        with pytest.raises(FormatError, match="NaN and infinity"):
            quantize_array(values, [Quantizer(FixedFormat(True, 8, each)) for each in bits])
