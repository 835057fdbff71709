"""The laws of products as pure functions: exact interest, bands, months.

Interest is counted in whole units of which UNIT make one minor unit: a hundredth of a percent of one minor unit for
one day is a whole number of them for both day counts, so nothing is ever rounded before it is paid.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from msingi.payments.products.errors import NoSuchProduct
from msingi.payments.products.model import Band, Product, Terms

YEARS = {"ACT/365": 365, "ACT/360": 360}
_DAYS = 26_280  # the least common multiple of both years
UNIT = 10_000 * _DAYS
DIGITS = 8


def day_units(balance_minor: int, terms: Terms) -> int:
    """What a balance earns in one day, in units; nothing below zero. Each band's rate holds for its own part."""
    for_year = sum(part * band.rate_bp for band, part in parts(balance_minor, terms.bands))
    return for_year * (_DAYS // YEARS[terms.day_count])


def parts(balance_minor: int, bands: Sequence[Band]) -> list[tuple[Band, int]]:
    """How a balance is divided over the bands; the parts sum to what lies above the first one."""
    found = []
    for place, band in enumerate(bands):
        top = bands[place + 1].from_minor if place + 1 < len(bands) else max(balance_minor, band.from_minor)
        found.append((band, max(0, min(balance_minor, top) - band.from_minor)))
    return found


def settled(accrued: int) -> tuple[int, int]:
    """Whole minor units to be paid, and the units that are carried over (law 1)."""
    return divmod(accrued, UNIT)


def terms_on(product: Product, day: date) -> Terms:
    """The terms in force on a day (law 3). Raises NoSuchProduct before the first ones."""
    found = [terms for terms in product.terms if terms.begins <= day]
    if not found:
        raise NoSuchProduct()
    return found[-1]


def fee(terms: Terms, balances: Sequence[int]) -> int:
    """The fee for a month with these balances at the ends of its days."""
    if not terms.minimum_minor or any(balance < terms.minimum_minor for balance in balances):
        return terms.monthly_fee_minor
    return 0


def month_of(day: date) -> str:
    """The month of a day: YYYY-MM."""
    return f"{day:%Y-%m}"


def ends_month(day: date) -> bool:
    """Whether a day is the last of its month."""
    return (day + timedelta(days=1)).day == 1


def decimal(units: int) -> str:
    """Units as minor units with eight digits behind the point, cut, never rounded up."""
    whole, rest = divmod(units, UNIT)
    return f"{whole}.{rest * 10**DIGITS // UNIT:0{DIGITS}d}"
