"""Every way to compute a sum that is proven has the bits of the sum in Python integers; and a wrong one is found."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest
import torch

from bittrue.errors import CarrierError, KernelError
from bittrue.lowering import lower_network
from bittrue.plan import Override, uniform_plan
from bittrue.program import FixedNetwork, MultiplyAccumulate
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.proof import prove
from bittrue.simulation.sums import choice, integer_units, sum_kernels
from bittrue.simulation.sums.bounds import SumBounds
from bittrue.simulation.sums.choice import proven
from bittrue.simulation.sums.digits import Digits
from bittrue.simulation.sums.kernel_check import check_kernel
from bittrue.simulation.sums.strategies import (
    ChannelGroups,
    DigitProducts,
    InputParts,
    OneCarrier,
    Strategy,
    Work,
    cost,
    work_of,
)
from bittrue.simulation.sums.sum_kernels import sum_kernel
from cases import CASES, Case, inputs_of
from plans import AFFINE_EVERY_NODE
from simulation.comparison import check

WORDS = [(8, 8), (9, 13), (13, 11), (16, 16), (24, 20), (30, 28)]
"""Word lengths of inputs and weights."""

Layer = tuple[SumBounds, Work, tuple[int, ...]]


def planned(case: Case, word_length: int, fraction_bits: int, weight: str) -> FixedNetwork:
    plan = uniform_plan(
        case.network,
        word_length,
        fraction_bits,
        options=AFFINE_EVERY_NODE,
        overrides=[Override(name, weight) for name in case.network.parameters if name.endswith(".weight")],
    )
    return lower_network(case.network, plan)


def layers(case: Case, data: int, weights: int) -> list[Layer]:
    program = planned(case, data, data - 4, f"ap_fixed<{weights},1,AP_RND_CONV,AP_SAT>")
    found = []
    for step in program.steps:
        if isinstance(step.instruction, MultiplyAccumulate):
            kind = program.by_name[step.inputs[0]].type
            assert kind.fraction_bits is not None
            work = work_of(step.instruction, kind.shape, step.exact.shape)
            found.append((SumBounds(step.instruction, kind.fraction_bits, step.name), work, kind.shape))
    return found


LAYERS = [
    pytest.param(layer, data, id=f"{case.name}-{layer[0].what}-{data}×{weights}")
    for case in CASES
    for data, weights in WORDS
    for layer in layers(case, data, weights)
]


ALL = [
    (*parameter.values[0], (np.array([-(1 << data - 1)]), np.array([(1 << data - 1) - 1])))
    for parameter in LAYERS
    for data in [parameter.values[1]]
]


def exact_sums(sums: SumBounds, x: np.ndarray) -> np.ndarray:
    """By taps gathered one after the other, in Python integers."""
    patches = sum_kernels.gather_patches(torch.from_numpy(x), sums.instruction).numpy().astype(object)
    weight = sums.instruction.weight.astype(object).reshape(-1, sums.instruction.weight.shape[-1])
    shifts = np.array(sums.shifts, object)
    columns = np.split(weight << shifts, sums.instruction.groups, axis=1)
    parts = [patches[..., group, :] @ column for group, column in enumerate(columns)]
    return np.concatenate(parts, -1) + np.array(sums.biases, object)


def rounded(numbers: np.ndarray, shift: int) -> np.ndarray:
    """Halves to even, in Python integers."""
    floor, half = numbers >> shift, 1 << shift - 1
    rest = numbers - (floor << shift)
    up = (rest > half) | ((rest == half) & (floor % 2 == 1))
    return floor + up


@pytest.mark.parametrize(("layer", "bits"), LAYERS)
@pytest.mark.parametrize("signed", [True, False])
def test_every_proven_way_has_the_bits(layer: Layer, bits: int, signed: bool) -> None:
    sums, work, shape = layer
    ends = np.array([-(1 << bits - 1) if signed else 0]), np.array([(1 << bits - 1) - 1])
    generator = np.random.default_rng(bits)
    x = generator.integers(ends[0], ends[1] + 1, (3, *shape))
    x[0] = generator.choice(np.concatenate(ends), shape)
    expected = exact_sums(sums, x)
    for strategy in proven(sums, work, *ends):
        for shift in (0, 1, 5):
            if shift and strategy.added_on is Carrier.INT64:
                continue
            kernel = sum_kernel[type(strategy)](strategy, sums, shift)
            carrier = torch.float32 if bits <= 24 else torch.float64
            got = kernel(torch.from_numpy(x).to(carrier), None if not shift else torch.float64)
            codes = got.to(torch.float64 if got.is_floating_point() else torch.int64).numpy()
            numbers = np.array([int(code) for code in codes.ravel()], object).reshape(codes.shape)
            np.testing.assert_array_equal(numbers, rounded(expected, shift) if shift else expected, str(strategy))


def test_all_ways_were_proven_somewhere() -> None:
    """The test above looks at each of them, with several digits, on each carrier."""
    found = [strategy for sums, work, _, ends in ALL for strategy in proven(sums, work, *ends)]
    assert {type(strategy) for strategy in found} >= set(cost) - {DigitProducts}
    if integer_units.available():
        digits = [strategy for strategy in found if isinstance(strategy, DigitProducts)]
        assert {strategy.carrier for strategy in digits} == {Carrier.FLOAT32, Carrier.FLOAT64, Carrier.INT64}
        assert {(strategy.inputs.count, strategy.weights.count) for strategy in digits} >= {(1, 1), (2, 2), (3, 3)}


needs_integer_units = pytest.mark.skipif(not integer_units.available(), reason="this processor has no integer units")


@needs_integer_units
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_digits_have_the_bits_of_the_definition(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole networks, with digits wherever they are proven."""
    monkeypatch.setitem(cost._rules, DigitProducts, lambda strategy, work: 0.0)
    plan = uniform_plan(case.network, 12, 6, options=AFFINE_EVERY_NODE)
    program = lower_network(case.network, plan)
    assert check(program, inputs_of(case)) is None
    sums = [step for step in program.steps if isinstance(step.instruction, MultiplyAccumulate)]
    labels = {proof.node: proof.strategy for proof in prove(program, {})}
    suited = [step for step in sums if integer_units.suits(step.instruction)]
    assert all(labels[step.name].startswith("int8 digits") for step in suited)


@needs_integer_units
def test_digits_whose_sums_do_not_fit_are_cut_shorter() -> None:
    """2^12 products of the largest digits leave 24 bits; those of fewer bits don't, and there are more of them."""
    weight = np.full((1 << 12, 64), 127)
    instruction = MultiplyAccumulate(weight, (0,), None, 0, (), (), (), 1)
    sums = SumBounds(instruction, 0, "layer")
    (digits,) = [s for s in proven(sums, WORK, np.array([0]), np.array([255])) if isinstance(s, DigitProducts)]
    assert digits.inputs.count * digits.weights.count > 1
    assert not choice.digit_bound(sums, digits.inputs, digits.weights, 0, 255) >> 24
    x = torch.full((2, 1 << 12), 255.0)
    whole = Digits(1, 8, False), Digits(1, 8, True)
    wrong = sum_kernel[DigitProducts](DigitProducts(*whole, Carrier.FLOAT32), sums, 0)
    odd = replace(instruction, weight=np.concatenate([weight[1:], np.full((1, 64), 126)]))
    expected = 255 * int(odd.weight[:, 0].sum())
    assert expected % 2 == 0 or expected >> 24
    assert int(sum_kernel[DigitProducts](digits, sums, 0)(x, None)[0, 0]) == 255 * 127 << 12
    with pytest.raises(KernelError, match="layer: the kernel"):
        check_kernel(wrong, sums, 0, (64, 1 << 12), (np.array([0]), np.array([255])))


LOPSIDED = np.random.default_rng(0).integers(-128, 128, (4608, 64))
LOPSIDED[:, 1] = 127


@needs_integer_units
@pytest.mark.parametrize("kernel", [(), (1,), (3, 3)], ids=str)
def test_what_the_zero_point_adds_is_proven_too(kernel: tuple[int, ...]) -> None:
    """Small inputs of both signs, so that the sums are small and the sums with the zero point in them don't fit
    float32; only in a channel that the check of the kernel doesn't look at."""
    rank = len(kernel)
    weight = LOPSIDED.reshape(*kernel, -1, 64)
    pad = tuple((size // 2, size // 2) for size in kernel)
    instruction = MultiplyAccumulate(weight, (0,), None, 0, (1,) * rank, pad, (1,) * rank, 1)
    sums = SumBounds(instruction, 0, "layer")
    x = np.random.default_rng(1).integers(-4, 4, (32 if not rank else 4, *(5,) * rank, weight.shape[-2]))
    work = work_of(instruction, x.shape[1:], (*x.shape[1:-1], 64))
    (digits,) = [s for s in proven(sums, work, np.array([-4]), np.array([3])) if isinstance(s, DigitProducts)]
    assert digits.inputs.zero_point * int(weight[..., 1].sum()) < 1 << 24
    assert choice.digit_bound(sums, Digits(1, 8, True), digits.weights, -4, 3) >> 24
    got = sum_kernel[DigitProducts](digits, sums, 0)(torch.from_numpy(x), None)
    np.testing.assert_array_equal(got.to(torch.int64).numpy(), exact_sums(sums, x).astype(np.int64))


def test_places_of_the_kernel_that_cancel_are_counted_apart() -> None:
    """Where the padding leaves some of them out."""
    weight = np.zeros((2, 3, 1), np.int64)
    weight[0], weight[1] = 5, -4
    (found,) = SumBounds(MultiplyAccumulate(weight, (0,), None, 0, (1,), ((0, 0),), (1,), 1), 0, "layer").digit_sums(
        Digits(1, 8, True)
    )
    assert (found.above, found.below, found.constant) == ([15], [12], [27])


def test_partial_sums_that_may_leave_int32_are_not_proven() -> None:
    weight = np.full((1 << 17, 1), 100)
    weight[::2] *= -1
    sums = SumBounds(MultiplyAccumulate(weight, (0,), None, 0, (), (), (), 1), 0, "layer")
    cut = Digits(1, 8, False), Digits(1, 8, True)
    assert choice.digit_bound(sums, *cut, 0, 1) == 1 << 24


WORK = Work(1 << 24, 1 << 12, 1 << 12, kind="dense")


@pytest.mark.parametrize(
    ("cheaper", "dearer"),
    [
        (OneCarrier(Carrier.FLOAT32), OneCarrier(Carrier.FLOAT64)),
        (OneCarrier(Carrier.FLOAT64), OneCarrier(Carrier.INT64)),
        (InputParts(4), OneCarrier(Carrier.FLOAT64)),
        (ChannelGroups(((0, 4), (4, 8))), OneCarrier(Carrier.FLOAT64)),
        (DigitProducts(Digits(1, 8, True), Digits(1, 8, True), Carrier.FLOAT32), OneCarrier(Carrier.FLOAT32)),
    ],
)
def test_what_costs_less(cheaper: Strategy, dearer: Strategy) -> None:
    assert cost[type(cheaper)](cheaper, WORK) < cost[type(dearer)](dearer, WORK)


def test_small_layers_are_not_worth_a_call_of_an_integer_kernel() -> None:
    small = Work(100, 10, 10, kind="dense")
    digits = DigitProducts(Digits(1, 8, True), Digits(1, 8, True), Carrier.FLOAT32)
    assert cost[DigitProducts](digits, small) > cost[OneCarrier](OneCarrier(Carrier.FLOAT64), small)


def test_where_nothing_is_proven_the_layer_is_named() -> None:
    weight = np.full((4, 1), 1 << 40)
    sums = SumBounds(MultiplyAccumulate(weight, (0,), None, 0, (), (), (), 1), 0, "conv9")
    with pytest.raises(CarrierError, match="conv9: its numbers can need"):
        list(proven(sums, WORK, np.array([0]), np.array([1 << 30])))


@pytest.mark.parametrize("strategy", sorted(cost, key=str), ids=lambda cls: cls.__name__)
def test_a_kernel_that_is_one_off_is_found(strategy: type[Strategy]) -> None:
    """The canary of every layer: one unit in the last place of one sum."""
    if strategy is DigitProducts and not integer_units.available():
        pytest.skip("this processor has no integer units")
    sums, way, shape, ends = next(
        (sums, way, shape, ends)
        for sums, work, shape, ends in ALL
        for way in proven(sums, work, *ends)
        if type(way) is strategy and way.added_on is not Carrier.INT64
    )
    kernel = sum_kernel[strategy](way, sums, 0)
    check_kernel(kernel, sums, 0, (2, *shape), ends)

    def wrong(x: torch.Tensor, to: torch.dtype | None) -> torch.Tensor:
        result = kernel(x, to)
        result.view(-1)[0] += 1
        return result

    with pytest.raises(KernelError, match=f"{sums.what}: the kernel for it isn't exact"):
        check_kernel(wrong, sums, 0, (2, *shape), ends)


def test_work_is_counted_for_one_image() -> None:
    instruction = MultiplyAccumulate(
        np.zeros((3, 3, 4, 8), np.int64), (0,), None, 0, (1, 1), ((1, 1), (1, 1)), (1, 1), 1
    )
    work = work_of(instruction, (5, 6, 4), (5, 6, 8))
    assert work == Work(5 * 6 * 8 * 3 * 3 * 4, 5 * 6 * 4, prod((5, 6, 8)), kind="convolution")
