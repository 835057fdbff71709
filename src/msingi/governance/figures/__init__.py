"""Public figures of requests and complaints: how many, about whom, how they end, and how many were late.

Laws
1. A quarter is published once, when it has ended, so that nothing is learned by comparing editions.
2. Every count gets exact discrete Laplace noise; a case is in one cell of each of the levels, which share the budget.
3. A count under the threshold is not published as a number.
"""
