"""Moments are exact sums: the same in whatever pieces the rows come, and NumPy's to rounding."""

import numpy as np
import pytest
import torch

from bittrue.repairs.moments import moments


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
