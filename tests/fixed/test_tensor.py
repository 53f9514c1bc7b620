"""Rounding and overflow on torch against the definition: every mode, all small codes, hostile large ones."""

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from bittrue.errors import CarrierError, FormatError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, reference, tensor
from bittrue.fixed.arrays import quantize_array

CARRIERS = (torch.float32, torch.float64, torch.int64)
LARGEST = {torch.float32: 2**24, torch.float64: 2**53, torch.int64: 2**63 - 1}
SHIFTS_FAR = (13, 22, 23, 24, 25, 26, 27, 52, 53, 54, 55, 62, 63, 64, 65, 126, 127, 128, 149, 150, 300, 1100, 4096)

signednesses = st.booleans()
roundings = st.sampled_from(Rounding)
overflows = st.sampled_from(Overflow)
RoundShift = Callable[[Tensor, int, Rounding], Tensor]
ApplyOverflow = Callable[[Tensor, Quantizer], Tensor]
Quantize = Callable[[Tensor, Quantizer], Tensor]


def integers(codes: Tensor) -> list[int]:
    """Codes as Python integers, each checked to be one."""
    numbers = codes.tolist()
    assert all(number == int(number) for number in numbers)
    return [int(number) for number in numbers]


def check_round_shift(
    implementation: RoundShift, codes: Iterable[int], shift: int, rounding: Rounding, carrier: torch.dtype
) -> None:
    codes = list(codes)
    given_codes = torch.tensor(codes, dtype=carrier)
    assert integers(given_codes) == codes, "the carrier doesn't hold the test's codes"
    rounded = implementation(given_codes, shift, rounding)
    assert rounded is given_codes
    assert integers(rounded) == [reference.round_to_code(Fraction(code), -shift, rounding) for code in codes]


def check_overflow(implementation: ApplyOverflow, codes: list[int], quantizer: Quantizer, carrier: torch.dtype) -> None:
    bounded = implementation(torch.tensor(codes, dtype=carrier), quantizer)
    assert integers(bounded) == [reference.overflow_code(code, quantizer) for code in codes]


def hostile_codes(carrier: torch.dtype, shift: int) -> list[int]:
    """The carrier's ends, and at the ends and around zero the ties of a shift with their neighbours."""
    largest = LARGEST[carrier]
    codes = {sign * (largest - distance) for sign in (-1, 1) for distance in range(5)}
    half = 1 << max(shift - 1, 0)
    for multiple in (*range(-7, 8), largest // half, largest // half - 1, -(largest // half), 1 - largest // half):
        codes.update(multiple * half + distance for distance in (-1, 0, 1))
    lowest = -(2**63) if carrier == torch.int64 else -largest
    return sorted({*(code for code in codes if lowest <= code <= largest), lowest})


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("rounding", Rounding)
def test_every_small_code_rounds_as_defined(rounding: Rounding, carrier: torch.dtype) -> None:
    for shift in range(-9, 13):
        check_round_shift(tensor.round_shift_, range(-128, 256), shift, rounding, carrier)


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("rounding", Rounding)
def test_hostile_codes_round_as_defined(rounding: Rounding, carrier: torch.dtype) -> None:
    for shift in (*range(1, 13), *SHIFTS_FAR):
        check_round_shift(tensor.round_shift_, hostile_codes(carrier, shift), shift, rounding, carrier)


@settings(deadline=None)
@given(st.data(), st.sampled_from(CARRIERS), roundings, st.integers(0, 70))
def test_any_code_rounds_as_defined(data: st.DataObject, carrier: torch.dtype, rounding: Rounding, shift: int) -> None:
    codes = data.draw(st.lists(st.integers(-LARGEST[carrier], LARGEST[carrier]), max_size=20))
    check_round_shift(tensor.round_shift_, codes, shift, rounding, carrier)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_zeros_survive_any_left_shift(carrier: torch.dtype) -> None:
    for shift in (-1, -64, -128, -300, -4096):
        check_round_shift(tensor.round_shift_, [0, 0], shift, Rounding.NEAREST_EVEN, carrier)


@pytest.mark.parametrize("carrier", [torch.float32, torch.float64])
def test_left_shifts_reach_the_carriers_limit(carrier: torch.dtype) -> None:
    bits = LARGEST[carrier].bit_length() - 1
    check_round_shift(tensor.round_shift_, [1, -1, 0], -bits, Rounding.FLOOR, carrier)


def test_left_shifts_of_int64_are_checked_before_they_run() -> None:
    check_round_shift(tensor.round_shift_, [2**61 - 1, -(2**61)], -2, Rounding.FLOOR, torch.int64)
    for codes, shift in (([2**61], -2), ([-(2**61) - 1], -2), ([1], -63), ([1], -64), ([-1], -4096)):
        given_codes = torch.tensor(codes)
        with pytest.raises(CarrierError, match="don't fit 64 bits when shifted left"):
            tensor.round_shift_(given_codes, shift, Rounding.FLOOR)
        assert given_codes.tolist() == codes


def test_other_types_are_no_carriers() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.int32):
        with pytest.raises(CarrierError, match=r"use float32, float64 or int64"):
            tensor.round_shift_(torch.zeros(2, dtype=dtype), 0, Rounding.FLOOR)


class CountPasses(torch.utils._python_dispatch.TorchDispatchMode):
    """Records the torch operations that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.names.append(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("shift", "rounding", "operations"),
    [
        (0, Rounding.NEAREST_UP, []),
        (-3, Rounding.NEAREST_UP, ["mul_"]),
        (3, Rounding.NEAREST_EVEN, ["mul_", "round_"]),
        (3, Rounding.FLOOR, ["mul_", "floor_"]),
        (3, Rounding.TRUNCATE, ["mul_", "trunc_"]),
        (3, Rounding.NEAREST_UP, ["mul_", "add_", "floor_"]),
        (3, Rounding.NEAREST_DOWN, ["mul_", "sub_", "ceil_"]),
    ],
)
def test_no_pass_over_the_codes_is_wasted(shift: int, rounding: Rounding, operations: list[str]) -> None:
    codes = torch.ones(4)
    with CountPasses() as passes:
        tensor.round_shift_(codes, shift, rounding)
    assert passes.names == operations


# Overflow


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("overflow", Overflow)
def test_every_small_word_overflows_as_defined(overflow: Overflow, carrier: torch.dtype) -> None:
    codes = list(range(-600, 601))
    for signed, word_length in product((True, False), range(1, 10)):
        quantizer = Quantizer(FixedFormat(signed, word_length, 3), Rounding.FLOOR, overflow)
        check_overflow(tensor.apply_overflow_, codes, quantizer, carrier)
        expected = sum(reference.overflows(code, quantizer) for code in codes)
        assert tensor.count_overflows(torch.tensor(codes, dtype=carrier), quantizer) == expected


@pytest.mark.parametrize(("carrier", "bits"), [(torch.float32, 24), (torch.float64, 53), (torch.int64, 63)])
@pytest.mark.parametrize("overflow", Overflow)
def test_words_as_long_as_the_carrier_overflow_as_defined(overflow: Overflow, carrier: torch.dtype, bits: int) -> None:
    for signed, word_length in product((True, False), range(bits - 2, bits + 4)):
        quantizer = Quantizer(FixedFormat(signed, word_length, 0), Rounding.FLOOR, overflow)
        wraps_out_of_reach = overflow is Overflow.WRAP and quantizer.max_code > LARGEST[carrier]
        codes = [code for code in hostile_codes(carrier, bits - 2) if code >= 0 or signed or not wraps_out_of_reach]
        check_overflow(tensor.apply_overflow_, codes, quantizer, carrier)


@settings(deadline=None, max_examples=300)
@given(st.data(), st.sampled_from(CARRIERS), overflows, signednesses, st.integers(1, 70))
def test_any_code_overflows_as_defined(
    data: st.DataObject, carrier: torch.dtype, overflow: Overflow, signed: bool, word_length: int
) -> None:
    quantizer = Quantizer(FixedFormat(signed, word_length, 0), Rounding.FLOOR, overflow)
    ends = [2**n + d for n in (word_length - 1, word_length) for d in (-2, -1, 0, 1)]
    near_ends = st.sampled_from([sign * end for sign in (-1, 1) for end in ends])
    within = st.integers(-LARGEST[carrier], LARGEST[carrier])
    codes = data.draw(st.lists(within | near_ends.filter(lambda code: abs(code) <= LARGEST[carrier]), max_size=20))
    if (
        overflow is Overflow.WRAP
        and quantizer.max_code > LARGEST[carrier]
        and min(codes, default=0) < quantizer.min_code
    ):
        with pytest.raises(CarrierError, match=f"an unsigned word of {word_length} bits"):
            tensor.apply_overflow_(torch.tensor(codes, dtype=carrier), quantizer)
    else:
        check_overflow(tensor.apply_overflow_, codes, quantizer, carrier)
    expected = sum(reference.overflows(code, quantizer) for code in codes)
    assert tensor.count_overflows(torch.tensor(codes, dtype=carrier), quantizer) == expected


def test_counting_is_exact_where_float64_holds_no_odd_numbers() -> None:
    quantizer = Quantizer(FixedFormat(True, 60, 0), Rounding.FLOOR, Overflow.UNBOUNDED)
    codes = torch.tensor([2.0**59, 2.0**59 - 2.0**6, -(2.0**59), -(2.0**59) - 2.0**7, 2.0**1023], dtype=torch.float64)
    assert tensor.count_overflows(codes, quantizer) == 3


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("word_length", [1, 2, 8, 24, 25, 26, 31, 32, 53, 54, 55, 60, 62, 63, 64])
def test_the_ends_of_symmetric_words_are_counted_exactly(word_length: int, carrier: torch.dtype) -> None:
    """A float of these sizes doesn't hold −2^(W−1) + 1, but it holds −2^(W−1) and may hold that as a code."""
    quantizer = Quantizer(FixedFormat(True, word_length, 0), Rounding.FLOOR, Overflow.SATURATE_SYMMETRIC)
    end = 2 ** (word_length - 1)
    for magnitude in {end // 2, end - 1, end, end + 1, 2 * end}:
        for code in (magnitude, -magnitude):
            if carrier == torch.int64 and not -(2**63) <= code < 2**63:
                continue
            given_codes = torch.tensor([code], dtype=carrier)
            if int(given_codes) == code:
                assert tensor.count_overflows(given_codes, quantizer) == reference.overflows(code, quantizer), code


@pytest.mark.parametrize("word_length", [26, 54, 55, 60, 70])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_lowest_weight_of_a_symmetric_word_saturates(word_length: int, dtype: type[np.floating]) -> None:
    quantizer = Quantizer(FixedFormat(True, word_length, word_length - 1), overflow=Overflow.SATURATE_SYMMETRIC)
    weights = np.array([-1.0, -0.5, 0.5, 1.0], dtype)
    codes, overflows = quantize_array(weights, [quantizer])
    assert codes.tolist() == [reference.quantize(Fraction(float(weight)), quantizer) for weight in weights]
    assert overflows == 2


def test_counting_takes_one_pass_where_nothing_overflows() -> None:
    codes = torch.ones(4)
    with CountPasses() as passes:
        assert tensor.count_overflows(codes, Quantizer(FixedFormat(True, 8, 0))) == 0
    assert [name for name in passes.names if name not in ("_local_scalar_dense", "detach")] == ["aminmax"]


# Real values

EXTREME_FLOATS = (
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.0**-1022,
    -(2.0**-1022) + 5e-324,
    0.49999999999999994,
    -0.49999999999999994,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    2.0**52 - 0.5,
    0.5 - 2.0**52,
    2.0**53 - 1,
    2.0**53,
    2.0**53 + 2,
    -(2.0**53) - 2,
    2.0**63,
    2.0**64 - 2.0**11,
    1.7976931348623157e308,
    -1.7976931348623157e308,
)


def check_quantize(
    values: list[float], dtype: torch.dtype, quantizer: Quantizer, implementation: Quantize = tensor.quantize
) -> None:
    """The codes agree with the definition, or are refused where float64 can't hold them."""
    given_values = torch.tensor(values, dtype=dtype)
    before = given_values.clone()
    rounded = [
        reference.round_to_code(Fraction(value), quantizer.format.fraction_bits, quantizer.rounding)
        for value in given_values.tolist()
    ]
    try:
        codes = implementation(given_values, quantizer)
    except CarrierError:
        infinite = max(map(abs, rounded)) >= 2**1024
        if quantizer.overflow is Overflow.UNBOUNDED:
            assert infinite
        else:
            assert quantizer.max_code > 2**53
            assert infinite or any(reference.overflows(code, quantizer) for code in rounded)
        return
    assert codes.dtype == torch.float64
    assert integers(codes) == [reference.overflow_code(code, quantizer) for code in rounded]
    assert torch.equal(given_values, before)


FRACTION_BITS = (-1100, -1000, -53, -3, 0, 1, 8, 60, 970, 1000, 1030, 1080, 1130)


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", Rounding)
def test_extreme_floats_quantize_as_defined(rounding: Rounding, overflow: Overflow) -> None:
    for fraction_bits, word_length, value in product(FRACTION_BITS, (1, 8, 53, 54, 55, 64, 1100), EXTREME_FLOATS):
        for signed in (True, False):
            quantizer = Quantizer(FixedFormat(signed, word_length, fraction_bits), rounding, overflow)
            check_quantize([value], torch.float64, quantizer)


@settings(deadline=None, max_examples=400)
@given(
    st.data(),
    st.sampled_from([32, 64]),
    signednesses,
    st.integers(1, 70),
    st.integers(-40, 80) | st.integers(-1100, 1100),
    roundings,
    overflows,
)
def test_any_float_quantizes_as_defined(
    data: st.DataObject,
    width: int,
    signed: bool,
    word_length: int,
    fraction_bits: int,
    rounding: Rounding,
    overflow: Overflow,
) -> None:
    any_float = st.floats(allow_nan=False, allow_infinity=False, width=width)  # type: ignore[arg-type]
    near_a_tie = st.builds(
        lambda code, step: math.nextafter(math.ldexp(code, -1 - min(max(fraction_bits, -60), 60)), step),
        st.integers(-(2**12), 2**12),
        st.sampled_from([-math.inf, 0.0, math.inf]),
    )
    values = data.draw(st.lists(any_float | near_a_tie, min_size=1, max_size=8))
    quantizer = Quantizer(FixedFormat(signed, word_length, fraction_bits), rounding, overflow)
    check_quantize(values, torch.float32 if width == 32 else torch.float64, quantizer)


def test_quantizing_nothing_gives_nothing() -> None:
    assert tensor.quantize(torch.zeros(0, 3), Quantizer(FixedFormat(True, 8, 4))).shape == (0, 3)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(FormatError, match="NaN and infinity have no fixed-point code"):
        tensor.quantize(torch.tensor([1.0, value, 2.0]), Quantizer(FixedFormat(True, 8, 4)))


def test_values_of_other_types_are_refused() -> None:
    with pytest.raises(FormatError, match="convert it to float32 or float64 first"):
        tensor.quantize(torch.tensor([1]), Quantizer(FixedFormat(True, 8, 4)))


@settings(deadline=None)
@given(st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=8), st.integers(-1100, 1100))
@example([3], 1074)
@example([1], 1075)
@example([2], 1075)
@example([1], -1024)
@example([2**53], -971)
@example([2**53], -970)
def test_decoding_is_exact_or_refused(codes: list[int], fraction_bits: int) -> None:
    values = [reference.decode(code, fraction_bits) for code in codes]
    for carrier in (torch.float64, torch.int64):
        given_codes = torch.tensor(codes, dtype=carrier)
        try:
            decoded = tensor.decode(given_codes, fraction_bits).tolist()
        except CarrierError:
            assert not all(is_float64(value) for value in values)
        else:
            assert [Fraction(value) for value in decoded] == values


def is_float64(value: Fraction) -> bool:
    try:
        return Fraction(float(value)) == value
    except OverflowError:
        return False


def test_decoding_to_float32_rounds_once_to_even() -> None:
    codes = torch.tensor([2**24 + 1, 2**24 + 3, -5], dtype=torch.float64)
    decoded = tensor.decode(codes, 2, torch.float32)
    assert decoded.dtype == torch.float32
    assert decoded.tolist() == [2.0**22, 2.0**22 + 1, -1.25]
    assert tensor.decode(torch.tensor([-5.0, 2.0**24]), 2, torch.float32).tolist() == [-1.25, 2.0**22]


def test_decoding_refuses_integers_beyond_float64() -> None:
    with pytest.raises(CarrierError, match="more than 53 bits"):
        tensor.decode(torch.tensor([2**53 + 1]), 0)


# Canaries: each check above notices a likely mistake.


@pytest.mark.parametrize(("carrier", "bits"), [(torch.float32, 24), (torch.float64, 53)])
def test_canary_the_sum_with_one_half_is_noticed(carrier: torch.dtype, bits: int) -> None:
    def naive(codes: Tensor, shift: int, rounding: Rounding) -> Tensor:
        return codes.mul_(2.0**-shift).add_(0.5).floor_()

    for shift in (1, bits - 1, bits):
        check_round_shift(naive, hostile_codes(carrier, shift), shift, Rounding.NEAREST_UP, carrier)
    with pytest.raises(AssertionError):
        check_round_shift(naive, hostile_codes(carrier, bits + 1), bits + 1, Rounding.NEAREST_UP, carrier)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_canary_a_wrong_tie_is_noticed(carrier: torch.dtype) -> None:
    for meant, taken in product(Rounding, Rounding):
        if meant is not taken:
            with pytest.raises(AssertionError):
                check_round_shift(
                    lambda codes, shift, _, taken=taken: tensor.round_shift_(codes, shift, taken),  # type: ignore[misc]
                    range(-128, 256),
                    2,
                    meant,
                    carrier,
                )


@pytest.mark.parametrize("overflow", [mode for mode in Overflow if mode is not Overflow.UNBOUNDED])
def test_canary_a_limit_off_by_one_is_noticed(overflow: Overflow) -> None:
    quantizer = Quantizer(FixedFormat(True, 8, 0), Rounding.FLOOR, overflow)

    off_by_one = SimpleNamespace(
        min_code=quantizer.min_code, max_code=quantizer.max_code + 1, format=FixedFormat(True, 9, 0), overflow=overflow
    )
    check_overflow(tensor.apply_overflow_, [126, 127], quantizer, torch.float32)
    with pytest.raises(AssertionError):
        check_overflow(
            lambda codes, _: tensor.apply_overflow_(codes, off_by_one),  # type: ignore[arg-type]
            [126, 127, 128],
            quantizer,
            torch.float32,
        )


def test_canary_overflow_before_rounding_is_noticed() -> None:
    quantizer = Quantizer(FixedFormat(True, 4, 0), Rounding.NEAREST_EVEN, Overflow.SATURATE_ZERO)

    def reversed_order(values: Tensor, quantizer: Quantizer) -> Tensor:
        return tensor.apply_overflow_(values.double(), quantizer).round_()

    check_quantize([7.25, 7.5], torch.float32, quantizer)
    check_quantize([7.25], torch.float32, quantizer, reversed_order)
    with pytest.raises(AssertionError):
        check_quantize([7.25, 7.5], torch.float32, quantizer, reversed_order)
