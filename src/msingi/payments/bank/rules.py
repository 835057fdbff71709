"""The laws of the bank as pure functions: numbers of shops, what a payer typed, periods, fees and interest."""

import re
from datetime import date, datetime, timedelta, tzinfo

from msingi.identity import numbers
from msingi.kernel.errors import Malformed
from msingi.payments import rules as ledger
from msingi.payments.bank.errors import StatementTooLong
from msingi.payments.bank.model import Period
from msingi.payments.model import Alias

MERCHANT_DIGITS = 7
MERCHANT_SPACE = 10 ** (MERCHANT_DIGITS - 1)
_SPREAD, _SHIFT = 618_033, 271_828  # coprime to the space: neighbours in the register get numbers far apart
LONGEST_PERIOD_DAYS = 366
CATEGORY = re.compile(r"[0-9]{4}")


def merchant_code(place: int) -> str:
    """The number of the shop at a place in the register: six digits spread over the range, and a check digit (Luhn)."""
    body = f"{(place * _SPREAD + _SHIFT) % MERCHANT_SPACE:06d}"
    return body + luhn(body)


def luhn(body: str) -> str:
    """The check digit of ISO/IEC 7812-1, annex B: finds every wrong digit and nearly every swap."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 - place % 2)
        total += doubled - 9 * (doubled > 9)
    return str(-total % 10)


def is_merchant_code(text: str) -> bool:
    """Whether a text has the form of a shop's number, check digit included."""
    right = len(text) == MERCHANT_DIGITS and text.isascii() and text.isdigit()
    return right and luhn(text[:-1]) == text[-1]


def alias_of(typed: str, prefix: str, digits: int) -> Alias | None:
    """What a payer means by what was typed: a phone, an identity number or virtual id, an account or a shop.

    The lengths and check digits tell them apart; a number that could be a phone of this country is one. `prefix` and
    `digits` describe the country's phone numbers. None for what can be nothing.
    """
    plain = re.sub(r"[\s().\u00a0\u200e\u200f-]", "", typed)
    own = re.fullmatch(rf"(?:\{prefix}|00{prefix[1:]}|{prefix[1:]}|0)?([0-9]{{{digits}}})", plain, re.A)
    if own:
        return Alias("phone", prefix + own[1])
    if re.fullmatch(r"\+[1-9][0-9]{6,14}", plain, re.A):
        return Alias("phone", plain)
    if not (plain.isascii() and plain.isdigit()):
        return None
    if is_merchant_code(plain):
        return Alias("merchant", plain)
    if len(plain) == 13 and int(plain) % 97 == 1:
        return Alias("account", plain)
    if len(plain) == numbers.DIGITS and numbers.is_valid(plain):
        return Alias("identity", plain)
    return Alias("identity", plain) if numbers.is_alias(plain) else None


def check_period(period: Period, today: date) -> None:
    """Raises Malformed unless the period runs forward, is at most a year long, and has begun; StatementTooLong."""
    if period.last < period.first:
        raise Malformed("The period ends before it begins.", field="last", rule="first<=last")
    if period.first > today:
        raise Malformed("The period has not begun.", field="first", rule="first<=today")
    if (period.last - period.first).days >= LONGEST_PERIOD_DAYS:
        raise StatementTooLong(most_days=LONGEST_PERIOD_DAYS)


def instants(period: Period, zone: tzinfo) -> tuple[datetime, datetime]:
    """The instants at which a period of whole days of a zone begins, and at which the day after it begins."""
    first = datetime(period.first.year, period.first.month, period.first.day, tzinfo=zone)
    after = period.last + timedelta(days=1)
    return first, datetime(after.year, after.month, after.day, tzinfo=zone)


def check_words(field: str, text: str, most: int, *, needed: bool = True) -> None:
    """Raises Malformed unless a text is printable, at most `most` letters long, and there if it is `needed`."""
    if len(text) > most or not text.isprintable() or (needed and not text.strip()):
        raise Malformed(f"Write at most {most} letters here.", field=field, rule=f"length<={most}")


def check_key(key: str) -> None:
    """Raises Malformed unless an idempotency key has 1 to 64 printable characters."""
    if not 1 <= len(key) <= 64 or not key.isprintable():
        raise Malformed("A key has 1 to 64 printable characters.", field="key", rule="length<=64")


def check_amount(amount_minor: int) -> None:
    """Raises AmountOutOfRange unless an amount can be paid at once."""
    from msingi.payments.errors import AmountOutOfRange

    if not 0 < amount_minor <= ledger.MAX_AMOUNT_MINOR:
        raise AmountOutOfRange(largest_minor=ledger.MAX_AMOUNT_MINOR)


BILL_SPACE = 10**10
_BILL_SPREAD, _BILL_SHIFT = 6_180_339_887, 2_718_281_828


def bill_reference(place: int) -> str:
    """The reference of the bill at a place: ten digits spread over the range, two check digits (ISO 7064 MOD 97-10)."""
    body = (place * _BILL_SPREAD + _BILL_SHIFT) % BILL_SPACE
    return f"{body:010d}{98 - body * 100 % 97:02d}"


def is_bill_reference(text: str) -> bool:
    """Whether a text has the form of a bill's reference, check digits included."""
    return len(text) == 12 and text.isascii() and text.isdigit() and int(text) % 97 == 1


def next_day(day: date, every: str, first: date) -> date:
    """The next day after `day` of an order that began on `first`: a week later, or the same day of the next month, or
    that month's last day if it is shorter. The day of the month stays that of `first`, however short a month was.
    """
    if every == "week":
        return day + timedelta(days=7)
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    after = date(year + month // 12, month % 12 + 1, 1)
    return min(date(year, month, 1) + timedelta(days=first.day - 1), after - timedelta(days=1))
