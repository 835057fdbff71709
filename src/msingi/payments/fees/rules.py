"""The laws of fees as pure functions: the band of an amount, the fee, the tax on it."""

from msingi.payments.errors import AmountOutOfRange
from msingi.payments.products.model import Charge, FeeBand

WHOLE = 10_000  # hundredths of a percent


def band_of(charge: Charge, amount_minor: int) -> FeeBand:
    """The band that an amount falls into. Raises AmountOutOfRange above the last one."""
    for found in charge.bands:
        if amount_minor <= found.up_to_minor:
            return found
    raise AmountOutOfRange(largest_minor=charge.bands[-1].up_to_minor)


def fee_of(band: FeeBand, amount_minor: int) -> int:
    """The fee for an amount: the fixed part and the share of it, cut, never rounded up, and at most `most_minor`."""
    fee = band.fee_minor + amount_minor * band.rate_bp // WHOLE
    return min(fee, band.most_minor) if band.most_minor else fee


def tax_of(fee_minor: int, rate_bp: int) -> int:
    """The tax on a fee, cut, never rounded up."""
    return fee_minor * rate_bp // WHOLE
