"""Rounding under a quadratic error: what compensates loses less than the nearest codes, and descending never more."""

import pytest
import torch

from bittrue.repairs.hessian import Hessian, Matrix, OfRows
from bittrue.repairs.rounding import Quadratic, Rounder


def quadratic(seed: int, groups: int = 2, inputs: int = 70, outputs: int = 5) -> Quadratic:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(groups, 400, inputs, generator=generator, dtype=torch.float64)
    rows = rows + rows.mean(2, keepdim=True) * 4  # inputs that have much in common
    hessian = rows.mT @ rows / 400 + 1e-3 * torch.eye(inputs, dtype=torch.float64)
    return Quadratic(Matrix(hessian), torch.randn(groups, inputs, outputs, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(3))
def test_each_way_loses_less_than_the_one_before(seed: int) -> None:
    problem = quadratic(seed)
    rounder = Rounder(problem, -8, 7)
    steps = torch.full((2, 5), 0.4, dtype=torch.float64)
    nearest, compensating = rounder.nearest(steps), rounder.compensating(steps)
    descended = rounder.descended(compensating, steps, 10)
    fitted = rounder.fitted_steps(descended, steps)
    losses = [problem.loss(codes * steps[:, None]).sum() for codes in (nearest, compensating, descended)]
    losses.append(problem.loss(descended * fitted[:, None]).sum())
    assert losses == sorted(losses, reverse=True)
    assert losses[1] < 0.7 * losses[0]
    for codes in (nearest, compensating, descended):
        assert torch.equal(codes, codes.round())
        assert codes.min() >= -8
        assert codes.max() <= 7


def test_no_single_code_can_be_better_after_the_descent() -> None:
    problem = quadratic(5, groups=1, inputs=8, outputs=2)
    rounder = Rounder(problem, -4, 3)
    steps = torch.full((1, 2), 0.6, dtype=torch.float64)
    codes = rounder.descended(rounder.nearest(steps), steps, 100)
    least = problem.loss(codes * steps[:, None])
    for i in range(8):
        for move in (-1, 1):
            other = codes.clone()
            other[:, i] = (other[:, i] + move).clamp(-4, 3)
            assert (problem.loss(other * steps[:, None]) >= least).all()


def test_inputs_that_have_nothing_in_common_are_rounded_to_the_nearest() -> None:
    target = torch.tensor([[[0.3, -1.2], [2.6, 0.5]]], dtype=torch.float64)
    rounder = Rounder(Quadratic(Matrix(torch.eye(2, dtype=torch.float64)[None]), target), -4, 3)
    steps = torch.ones(1, 2, dtype=torch.float64)
    assert torch.equal(rounder.compensating(steps), rounder.nearest(steps))
    assert torch.equal(rounder.nearest(steps), torch.tensor([[[0.0, -1.0], [3.0, 0.0]]], dtype=torch.float64))


@pytest.mark.parametrize("inputs", [40, 150])
def test_few_rows_give_what_their_second_moments_give(inputs: int) -> None:
    """150: more than a block."""
    generator = torch.Generator().manual_seed(inputs)
    rows = torch.randn(2, 20, inputs, generator=generator, dtype=torch.float64) / 20**0.5
    damping = torch.tensor([0.02, 0.3], dtype=torch.float64)
    matrix = rows.mT @ rows + damping[:, None, None] * torch.eye(inputs, dtype=torch.float64)
    target = torch.randn(2, inputs, 5, generator=generator, dtype=torch.float64)
    steps = torch.full((2, 5), 0.7, dtype=torch.float64)
    hessians: list[Hessian] = [Matrix(matrix), OfRows(rows, damping)]
    one, other = (Rounder(Quadratic(hessian, target), -2, 1) for hessian in hessians)
    torch.testing.assert_close(one.quadratic.loss(target + 1), other.quadratic.loss(target + 1))
    codes = one.compensating(steps)
    assert torch.equal(codes, other.compensating(steps))
    assert not torch.equal(codes, one.nearest(steps))
    descended = one.descended(codes, steps, 3)
    assert torch.equal(descended, other.descended(codes, steps, 3))
    assert not torch.equal(descended, codes)
