"""Performance profiles: on what share of problems a method comes within a factor of the best."""

from __future__ import annotations

import numpy as np


def ratios(scores: np.ndarray) -> np.ndarray:
    r"""Each score over the best of its problem, :math:`r_{pm} = s_{pm} / \max_{m'} s_{pm'}`.

    Args:
        scores: Larger is better, shape ``[problems, methods]``.

    Returns:
        At most 1, shape ``[problems, methods]``.

    Raises:
        ValueError: A problem on which no score is positive: a ratio means nothing there.
    """
    best = scores.max(axis=1, keepdims=True)
    if not (best > 0).all():
        raise ValueError(
            "a performance profile needs a positive score on every problem; leave out the others"
        )
    return scores / best


def profile(found: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    r"""The share of problems on which a method's ratio is at least a threshold.

    .. math:: \rho_m(\tau) = \frac1P \sum_p [r_{pm} \ge \tau]

    Args:
        found: Ratios of :func:`ratios`, shape ``[problems, methods]``.
        thresholds: :math:`\tau`, shape ``[T]``.

    Returns:
        Shares, shape ``[T, methods]``.

    References:
        Dolan and Moré, Benchmarking optimization software with performance profiles, 2002, who divide costs
        by the least; battash2021, Fig. 2.
    """
    shares: np.ndarray = (found[None] >= thresholds[:, None, None]).mean(axis=1)
    return shares
