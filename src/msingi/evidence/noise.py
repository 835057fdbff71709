"""Exact discrete Laplace noise: no floating point on the way, so no floating-point attack.

Source: C. Canonne, G. Kamath, T. Steinke, "The Discrete Gaussian for Differential Privacy", 2020, algorithms 1 and 2.
"""

import math
import secrets
from collections.abc import Callable
from fractions import Fraction

Below = Callable[[int], int]  # uniform integer in [0, n)


def bernoulli_exp(gamma: Fraction, below: Below = secrets.randbelow) -> bool:
    """True with probability exp(-gamma), exactly; `gamma` >= 0 (algorithm 1)."""
    while gamma > 1:
        # exp(-gamma) = exp(-1) * exp(-(gamma - 1)): every factor must succeed.
        if not _bernoulli_exp_small(Fraction(1), below):
            return False
        gamma -= 1
    return _bernoulli_exp_small(gamma, below)


def _bernoulli_exp_small(gamma: Fraction, below: Below) -> bool:
    k = 1
    while below(gamma.denominator * k) < gamma.numerator:
        k += 1
    return k % 2 == 1


def discrete_laplace(scale: Fraction, below: Below = secrets.randbelow) -> int:
    """A whole number x with probability proportional to exp(-|x| / scale); `scale` > 0 (algorithm 2)."""
    t, s = scale.numerator, scale.denominator
    while True:
        u = below(t)
        if not bernoulli_exp(Fraction(u, t), below):
            continue
        v = 0
        while bernoulli_exp(Fraction(1), below):
            v += 1
        size = (u + t * v) // s
        negative = below(2) == 1
        if negative and size == 0:
            continue  # zero must not be counted twice
        return -size if negative else size


def margin_95(scale: Fraction, cells: int = 1) -> float:
    """The half-width that the sum of `cells` noises stays within in 95 % of editions.

    For one cell it is the quantile of the Laplace law; sums are close to normal with variance 2 * scale^2 a cell.
    """
    b = float(scale)
    return b * math.log(20) if cells == 1 else 1.96 * math.sqrt(2 * cells) * b
