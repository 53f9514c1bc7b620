"""Moments are exact sums: the same in whatever pieces the rows come, and NumPy's to rounding."""

import numpy as np
import pytest
import torch

from bittrue.repairs.moments import are_few, few_rows, moments


@pytest.mark.parametrize("bound", [15, 40_000])
def test_the_pieces_make_no_difference(bound: int) -> None:
    random = np.random.default_rng(0)
    codes = torch.from_numpy(random.integers(-bound, bound + 1, (2, 5000, 7)).astype(np.float64))
    targets = torch.from_numpy(random.standard_normal((2, 5000, 3)))
    known = (5000, bound, 3, float(targets.abs().max()))

    def cut(size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(codes[:, i : i + size], targets[:, i : i + size]) for i in range(0, 5000, size)]

    whole, pieces = moments(cut(5000), *known), moments(cut(137), *known)
    for name in ("input_mean", "target_mean", "covariance", "cross", "variance"):
        assert torch.equal(getattr(whole, name), getattr(pieces, name))
    joint = np.cov(np.concatenate([codes[0].numpy() / 8, targets[0].numpy()], 1).T, bias=True)
    np.testing.assert_allclose(whole.covariance[0], joint[:7, :7], rtol=1e-9, atol=1e-9 * bound**2)
    np.testing.assert_allclose(whole.cross[0], joint[:7, 7:], rtol=1e-4, atol=1e-5 * bound)  # targets are shortened
    np.testing.assert_allclose(whole.about_zero().covariance[0], codes[0].numpy().T @ codes[0].numpy() / 64 / 5000)


def test_few_rows_are_fitted_as_their_moments_are() -> None:
    random = np.random.default_rng(1)
    codes = torch.from_numpy(random.integers(0, 16, (2, 30, 80)).astype(np.float64))
    targets = torch.from_numpy(random.standard_normal((2, 30, 3)).astype(np.float32))
    trained = torch.from_numpy(random.standard_normal((2, 80, 3)))
    assert are_few(30, 80)
    assert not are_few(41, 80)
    whole = moments([(codes, targets)], 30, 15, 2, float(targets.abs().max()))
    rows = few_rows([(codes[:, :13], targets[:, :13]), (codes[:, 13:], targets[:, 13:])], 2)
    for one, other in ((whole, rows), (whole.about_zero(), rows.about_zero())):
        damping = 0.1 * one.power
        np.testing.assert_allclose(other.power, one.power, rtol=1e-5)
        np.testing.assert_allclose(other.input_mean, one.input_mean, rtol=1e-5)
        np.testing.assert_allclose(other.target_mean, one.target_mean, rtol=1e-4, atol=1e-6)
        wanted = one.fitted(trained.to(one.kind), damping)
        np.testing.assert_allclose(other.fitted(trained.to(other.kind), damping), wanted, rtol=1e-3, atol=1e-4)
