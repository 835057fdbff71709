"""The laws of vouchers as pure functions: numbers, shapes of orders, and whether a voucher can be spent."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime

from msingi.kernel.errors import Malformed, Refusal
from msingi.payments import rules as ledger
from msingi.payments.vouchers import errors
from msingi.payments.vouchers.model import SchemeOrder, State, Voucher, VoucherOrder

CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{1,11}")
PRINTED = re.compile(r"[0-9]{1,25}", re.ASCII)
SERIAL_DIGITS, SECRET_DIGITS = 16, 6
SHORTEST_NUMBER = 16
MOST_TRIES = 5
MAX_DAYS = 730
MAX_LIST = 1_000
MAX_GROUPS = 20
_SPACE = 10**14
_SPREAD, _SHIFT = 61_803_398_874_989, 31_415_926_535_897  # coprime to the space: neighbours are far apart


def serial_of(place: int) -> str:
    """The serial number of the voucher at a place in the register: 14 digits spread over the range, and two check
    digits (ISO 7064 MOD 97-10)."""
    body = (place * _SPREAD + _SHIFT) % _SPACE
    return f"{body:014d}{(98 - body * 100 % 97) % 97:02d}"


def is_serial(text: str) -> bool:
    """Whether a text has the form of a serial number made here, check digits included."""
    return len(text) == SERIAL_DIGITS and text.isascii() and text.isdigit() and int(text) % 97 == 1


def plain(typed: str) -> str:
    """A number as it was typed, without the blanks and hyphens that paper is printed with."""
    return re.sub(r"[\s\u00a0\u200e\u200f-]", "", typed)


def serial_tried(number: str) -> str:
    """The serial number that a number was tried on; empty where it is none of ours."""
    body = number[:SERIAL_DIGITS]
    return body if len(number) == SERIAL_DIGITS + SECRET_DIGITS and is_serial(body) else ""


def check_scheme(order: SchemeOrder) -> None:
    """Raises Malformed, naming the field, unless code, name, groups, days and systems have their shapes."""
    if not CODE.fullmatch(order.code):
        raise Malformed("A code has 2 to 12 capital letters, digits and hyphens.", field="code", rule="[A-Z0-9-]{2,12}")
    _words("name", order.name, 60)
    if not 1 <= len(set(order.groups)) == len(order.groups) <= MAX_GROUPS:
        raise Malformed(f"A scheme has 1 to {MAX_GROUPS} groups, each once.", field="groups", rule="unique")
    for group in order.groups:
        _words("groups", group, 40)
    for system in order.systems[:MAX_GROUPS]:
        _words("systems", system, 40)
    if len(order.systems) > MAX_GROUPS:
        raise Malformed(f"Name at most {MAX_GROUPS} systems.", field="systems", rule=f"count<={MAX_GROUPS}")
    if not 1 <= order.days <= MAX_DAYS:
        raise Malformed(f"A voucher lasts 1 to {MAX_DAYS} days.", field="days", rule=f"1..{MAX_DAYS}")
    if order.digits is not None and not 0 <= order.digits <= 4:
        raise Malformed("A currency has 0 to 4 decimals.", field="digits", rule="0..4")


def _words(field: str, text: str, most: int) -> None:
    if not 1 <= len(text.strip()) <= most or not text.isprintable():
        raise Malformed(f"Write 1 to {most} printable characters.", field=field, rule=f"length<={most}")


def check_list(count: int, field: str) -> None:
    """Raises Malformed unless a list has 1 to 1,000 entries."""
    if not 1 <= count <= MAX_LIST:
        raise Malformed(f"A list has 1 to {MAX_LIST} entries.", field=field, rule=f"count 1..{MAX_LIST}")


def check_vouchers(wanted: Sequence[VoucherOrder], groups: Collection[str], shortest: int) -> None:
    """Raises Malformed, naming the field, unless every voucher has an id of its own, a known group and a right amount;
    `shortest` is how many digits the number of printed paper has at least."""
    check_list(len(wanted), "vouchers")
    for place, one in enumerate(wanted):
        field = f"vouchers[{place}]"
        if not 1 <= len(one.instruction_id) <= 40 or not one.instruction_id.isprintable():
            raise Malformed("An id has 1 to 40 characters.", field=f"{field}.instruction_id", rule="length<=40")
        if not 0 < one.amount_minor <= ledger.MAX_AMOUNT_MINOR:
            raise Malformed("The amount is above zero.", field=f"{field}.amount_minor", rule="above 0")
        if one.group not in groups:
            raise Malformed("The scheme has no such group.", field=f"{field}.group", rule="known-group")
        if len(one.comment) > 140 or (one.comment and not one.comment.isprintable()):
            raise Malformed("A comment has at most 140 characters.", field=f"{field}.comment", rule="length<=140")
        if bool(one.serial) != bool(one.number):
            raise Malformed("Printed paper has both numbers.", field=f"{field}.number", rule="serial and number")
        if one.serial and not PRINTED.fullmatch(one.serial):
            raise Malformed("A serial number has 1 to 25 digits.", field=f"{field}.serial", rule="digits<=25")
        if one.number and not (PRINTED.fullmatch(one.number) and len(one.number) >= shortest):
            rule = f"digits {shortest}..25"
            raise Malformed("The number on printed paper is too short or too long.", field=f"{field}.number", rule=rule)
    if len({one.instruction_id for one in wanted}) < len(wanted):
        raise Malformed("Two vouchers have the same id.", field="vouchers", rule="unique")


def amount_of(found: Voucher, groups: Collection[str], amount_minor: int, now: datetime) -> int:
    """What a shop that is approved for `groups` may take of a voucher now; 0 asks for all that is left (laws 2, 3).

    Raises VoucherEnded, ShopNotApproved, VoucherTooSmall.
    """
    no = refusal(found, now)
    if no is not None:
        raise no
    if found.group not in groups:
        raise errors.ShopNotApproved()
    if not 0 <= amount_minor <= found.left_minor:
        raise errors.VoucherTooSmall(left_minor=found.left_minor)
    return amount_minor or found.left_minor


def refusal(found: Voucher, now: datetime) -> Refusal | None:
    """Why a voucher cannot be spent now, or None."""
    if found.state is State.ACTIVE and found.expires_at <= now:
        return errors.VoucherEnded(state=State.EXPIRED.value)
    if found.state is not State.ACTIVE or not found.left_minor:
        return errors.VoucherEnded(state=found.state.value)
    return None


def after(found: Voucher, taken: int) -> State:
    """The state of a voucher after a shop took something of it."""
    return State.ACTIVE if found.in_parts and taken < found.left_minor else State.USED


def can_be_active(found: Voucher, now: datetime) -> bool:
    """Whether a voucher may be handed out, or given back after it was blocked."""
    return found.state in (State.WAITING, State.BLOCKED, State.ACTIVE) and found.expires_at > now
