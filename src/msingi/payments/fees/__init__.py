"""Fees: what a payment costs, by the terms of the payer's product, shown before, taken with it, explained after.

Laws
1. What was shown is what is taken: a payment that would cost more than its payer agreed to is refused, nothing moved.
2. A payment and all its fees are posted together or not at all, so no account passes its floor for a fee.
3. Each fee is a transfer of its own: payer to bank, payer to treasury; all of them sum to zero.
4. The free payments of a month are counted once each, whatever runs at once or is repeated.
5. Every fee names its product, the terms in force, the band, and the tax, so that its payer can compute it again.
6. A payment that is paid back in full gives back its fee and tax where the product says so, once.

Standards: none; what a payment costs is the country's data (`products.toml`).
"""
