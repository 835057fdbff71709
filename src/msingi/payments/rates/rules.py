"""The laws of exchange as pure functions: every amount is a whole number of minor units, every rate an exact fraction.

No binary fraction and no intermediate rounding: one division, rounded once, always in the direction that keeps laws 2
and 3.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from msingi.kernel.errors import Malformed
from msingi.payments.rates.errors import AmountNotConverted, BadRate
from msingi.payments.rates.model import RateOrder, Side, Worked

MOST_MINOR = 10**15
WHOLE_BP = 10_000
LONGEST = timedelta(days=31)
MOST_DIGITS = 4
_MIDDLE = re.compile(r"^(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,10})?$")
_CURRENCY = re.compile(r"^[A-Z]{3}$")
COLUMNS = ("source", "target", "middle", "spread_bp", "valid_from", "valid_until")
MORE = ("fee_minor", "fee_bp", "least_minor", "most_minor")
MOST_LINES = 1_000


def currency_code(text: str, field: str) -> str:
    """An ISO 4217 code. Raises BadRate naming the field."""
    if not _CURRENCY.match(text):
        raise BadRate("A currency has three capital letters.", field=field, rule="iso4217")
    return text


def checked(order: RateOrder, now: datetime) -> RateOrder:
    """A rate that may be proposed. Raises BadRate naming the part that is wrong."""
    currency_code(order.source, "source")
    if currency_code(order.target, "target") == order.source:
        raise BadRate("The two currencies differ.", field="target", rule="target!=source")
    if not _MIDDLE.match(order.middle) or not Fraction(order.middle):
        raise BadRate("A rate is a decimal above zero, up to ten decimals.", field="middle", rule="decimal>0")
    for field, value, most in (
        ("spread_bp", order.spread_bp, WHOLE_BP - 1),
        ("fee_bp", order.fee_bp, WHOLE_BP - 1),
        ("fee_minor", order.fee_minor, MOST_MINOR),
    ):
        if not 0 <= value <= most:
            raise BadRate(f"This is 0 to {most}.", field=field, rule=f"0..{most}")
    if not 0 < order.least_minor <= order.most_minor <= MOST_MINOR:
        raise BadRate("The smallest amount is above zero and not over the largest.", field="least_minor", rule="<=most")
    if order.valid_from.tzinfo is None or order.valid_until.tzinfo is None:
        raise BadRate("A time has a zone.", field="valid_until", rule="zone")
    if not order.valid_from < order.valid_until or order.valid_until <= now:
        raise BadRate("A rate ends after it begins, and in the future.", field="valid_until", rule=">valid_from,now")
    if order.valid_until - order.valid_from > LONGEST:
        raise BadRate("A rate is valid for at most 31 days.", field="valid_until", rule="within-31-days")
    return order


def price(order: RateOrder, source_digits: int, target_digits: int, *, spread: bool = True) -> Fraction:
    """How many minor units of the target one minor unit of the source is, exactly; without `spread` at the middle."""
    kept = Fraction(WHOLE_BP - (order.spread_bp if spread else 0), WHOLE_BP)
    return Fraction(order.middle) * kept * Fraction(10**target_digits, 10**source_digits)


def customer_rate(order: RateOrder) -> str:
    """The rate after the spread, as decimal text: exact, for a spread has four decimals."""
    whole, _, part = order.middle.partition(".")
    places = len(part) + 4
    digits = str(int(whole + part) * (WHOLE_BP - order.spread_bp)).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".")


def fee(order: RateOrder, total_minor: int) -> int:
    """The fee on what leaves: the fixed part and the share, a started minor unit counts whole."""
    return order.fee_minor - (-total_minor * order.fee_bp // WHOLE_BP)


def convert(order: RateOrder, source_digits: int, target_digits: int, amount_minor: int, side: Side) -> Worked:
    """Work a conversion out (laws 2 and 3): `amount_minor` is what leaves (SEND) or what arrives (RECEIVE).

    Raises AmountNotConverted if it is out of the rate's limits, or nothing would arrive.
    """
    if not 0 < amount_minor <= MOST_MINOR:
        raise AmountNotConverted("The amount is out of range.", field="amount_minor", rule=f"1..{MOST_MINOR}")
    rate = price(order, source_digits, target_digits)
    if side is Side.SEND:
        total = amount_minor
        converted = total - fee(order, total)
        target = converted * rate.numerator // rate.denominator if converted > 0 else 0
    else:
        target = amount_minor
        converted = -(-target * rate.denominator // rate.numerator)
        total = _total_of(order, converted)
    if target < 1 or not order.least_minor <= total <= order.most_minor:
        limits = {"least_minor": order.least_minor, "most_minor": order.most_minor}
        words = "The amount is not within the limits of the rate."
        raise AmountNotConverted(words, field="amount_minor", rule="least..most", **limits)
    middle = price(order, source_digits, target_digits, spread=False)
    margin = converted * middle.numerator // middle.denominator - target
    return Worked(total, total - converted, converted, target, margin)


def _total_of(order: RateOrder, converted: int) -> int:
    """The smallest total from which the fee leaves exactly `converted`: what is left grows by 0 or 1 with the total,
    so that every amount is met."""
    total = -(-(converted + order.fee_minor) * WHOLE_BP // (WHOLE_BP - order.fee_bp))
    while total - fee(order, total) > converted:
        total -= 1
    while total - fee(order, total) < converted:
        total += 1
    while total - 1 - fee(order, total - 1) == converted:
        total -= 1
    return total


def read_lines(text: str, now: datetime) -> list[RateOrder]:
    """The rates of a CSV file with a header line: source, target, middle, spread_bp, valid_from, valid_until, and
    perhaps fee_minor, fee_bp, least_minor, most_minor.

    Raises BadRate naming line and column; Malformed for a file without the columns, or with too many lines.
    """
    lines = [line.split(",") for line in text.removeprefix("\ufeff").splitlines() if line.strip()]
    head = [name.strip() for name in lines[0]] if lines else []
    if not set(COLUMNS) <= set(head) or not set(head) <= {*COLUMNS, *MORE} or len(set(head)) != len(head):
        raise Malformed("The first line names the columns.", field="header", rule=",".join((*COLUMNS, *MORE)))
    if not 1 < len(lines) <= MOST_LINES + 1:
        raise Malformed(f"A file has 1 to {MOST_LINES} rates.", field="lines", rule=f"1..{MOST_LINES}")
    found = [_line(head, [cell.strip() for cell in cells], n, now) for n, cells in enumerate(lines[1:], 2)]
    pairs = [(order.source, order.target, order.valid_from) for order in found]
    if len(set(pairs)) != len(pairs):
        raise BadRate("Two lines are about the same currencies and time.", field="source", rule="once")
    return found


def _line(head: Sequence[str], cells: Sequence[str], number: int, now: datetime) -> RateOrder:
    if len(cells) != len(head):
        raise BadRate("The line has another number of cells than the first.", field=f"line {number}", rule="columns")
    given = dict(zip(head, cells, strict=True))
    try:
        numbers = {name: int(given[name]) for name in MORE if name in given}
        spread, since, until = (
            *(int(given["spread_bp"]), datetime.fromisoformat(given["valid_from"])),
            datetime.fromisoformat(given["valid_until"]),
        )
    except ValueError:
        raise BadRate("A number or a time cannot be read.", field=f"line {number}", rule="number|time") from None
    try:
        words = given["source"], given["target"], given["middle"]
        return checked(RateOrder(*words, spread, since, until, **numbers), now)
    except BadRate as wrong:
        field = f"line {number}, {wrong.facts.get('field', '')}"
        raise BadRate(wrong.detail, field=field, rule=str(wrong.facts.get("rule", ""))) from None
