"""Money: whole minor units and a currency; never a binary fraction."""

import re

from msgspec import Struct

from msingi.kernel.errors import Malformed

_AMOUNT = re.compile(r"^(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,5}))?$")
MAX_MINOR = 10**18 - 1  # ISO 20022 allows 18 digits; it also fits a PostgreSQL bigint


class Currency(Struct, frozen=True):
    """An ISO 4217 currency: `digits` after the decimal point as used in the country, `numeric` code, `symbol`."""

    code: str
    digits: int
    numeric: str
    symbol: str = ""


class Money(Struct, frozen=True):
    """An amount in minor units of `currency` (ISO 4217 code)."""

    amount_minor: int
    currency: str


def parse(text: str, currency: Currency) -> int:
    """Minor units of the decimal `text`, such as "1500" or "12.345".

    Raises Malformed if it is not a plain decimal, is over 18 digits, or has more decimals than the currency uses
    (zeros after them are accepted, so "1500.00" is 1500 in a currency without decimals).
    """
    match = _AMOUNT.match(text)
    if not match:
        raise Malformed("An amount is digits with an optional decimal point.", field="amount", rule="decimal")
    whole, fraction = match[1], match[2] or ""
    if fraction[currency.digits :].strip("0"):
        raise Malformed(
            f"{currency.code} has {currency.digits} decimals.",
            field="amount",
            rule=f"decimals<={currency.digits}",
        )
    minor = int(whole + fraction[: currency.digits].ljust(currency.digits, "0"))
    if minor > MAX_MINOR:
        raise Malformed("The amount has more than 18 digits.", field="amount", rule="digits<=18")
    return minor


def plain(amount_minor: int, currency: Currency) -> str:
    """The amount as a plain decimal for machines: "1500", "-12.345"."""
    sign = "-" if amount_minor < 0 else ""
    digits = str(abs(amount_minor)).rjust(currency.digits + 1, "0")
    if not currency.digits:
        return sign + digits
    return f"{sign}{digits[: -currency.digits]}.{digits[-currency.digits :]}"


def format(amount_minor: int, currency: Currency, group: str = "\u202f", point: str = ".") -> str:
    """The amount for people, with thousands grouped: "TSh 1 500"."""
    whole, _, fraction = plain(abs(amount_minor), currency).partition(".")
    grouped = f"{int(whole):,}".replace(",", group)
    text = grouped + (point + fraction if fraction else "")
    return f"{'-' if amount_minor < 0 else ''}{currency.symbol or currency.code}\u00a0{text}"
