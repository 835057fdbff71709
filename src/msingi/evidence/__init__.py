"""The evidence room: what the country may know about itself, computed from its own acts, with everybody's privacy kept.

Laws
1. Only noisy figures leave the job that computes them; the exact counts are never stored.
2. The noise is exact discrete Laplace noise from the operating system's randomness, scaled to the edition's budget.
3. The budget spent in a year never passes the budget that was published for it.
4. Published figures are consistent: no count is negative, no numerator is over its denominator, parts add up.
5. Every figure carries its definition, its caveat, its edition and its margin of error.
6. A share of fewer people than the threshold is not published.

Standards: SDG indicator metadata (16.9.1, 8.10.2, 3.b.1), SDMX-CSV 2.1 (columns of IAEG-SDGs:SDG), RFC 4180 (CSV);
differential privacy by the sampler of Canonne, Kamath and Steinke (2020).
"""
