"""The laws of the switch as pure functions: headers and versions, amounts, expiry, conditions, limits, netting."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256

from msingi.payments.switch import errors, ilp
from msingi.payments.switch.model import NetLine, Part, SettledCurrency, State, Transfer

# A UUID of version 1 to 5 (1.1), or a ULID (the CorrelationId of 2.0, which Mojaloop's own software sends everywhere).
ID_TEXT = r"^(?:[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|[0-7][0-9A-HJKMNP-TV-Z]{25})$"
AMOUNT_TEXT = r"^([0]|([1-9][0-9]{0,17}))([.][0-9]{0,3}[1-9])?$"
DATE_TIME = (
    r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}"
    r"(Z|[+-](0\d|1[0-4]):[0-5]\d)$"
)
FSP_TEXT = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$"
VERSIONS = {"fspiop": ((1, 0), (1, 1)), "iso20022": ((2, 0),)}
CONVERSION = ("services", "fxQuotes", "fxTransfers")  # resources that came with API 2.0, and have one flavour
CONVERSION_VERSIONS = ((2, 0),)
RECALLS = "recalls"  # FSPIOP has none: camt.056 and camt.029, in the ISO 20022 flavour alone
_MEDIA = re.compile(
    r"^application/vnd\.interoperability\.(?:(iso20022)\.)?([A-Za-z]{1,40})\+json"
    r"(?:\s*;\s*version\s*=\s*(\d{1,2})(?:\.(\d{1,2}))?)?$"
)
_ID, _AMOUNT, _DATE_TIME = re.compile(ID_TEXT), re.compile(AMOUNT_TEXT), re.compile(DATE_TIME)
_FSP = re.compile(FSP_TEXT)
LONGEST = timedelta(days=1)
LOW_PARTS, LOW_OF = 4, 5
FOLLOWS = timedelta(minutes=10)  # so long after a conversion's own expiry the transfer that decides it may end
HOLD_GRACE_S = 15  # the ledger frees a reservation by itself this long after the switch should have


@lru_cache(maxsize=1024)
def content_type(text: str, resource: str) -> tuple[str, str]:
    """The flavour ("fspiop" or "iso20022") and the version of a body of `resource`.

    Raises BadSyntax for another media type, BadVersion for a version that the switch does not speak.
    """
    match = _MEDIA.match(text.strip())
    if not match or match[2].lower() != resource.lower() or not match[3]:
        rule = f"application/vnd.interoperability.{resource}+json;version=1.1"
        raise errors.BadSyntax("The content type does not name the resource.", field="Content-Type", rule=rule)
    flavour, asked = match[1] or "fspiop", (int(match[3]), int(match[4] or 0))
    if asked not in versions(flavour, resource):
        raise errors.BadVersion(field="Content-Type", rule=spoken(flavour, resource))
    return flavour, f"{asked[0]}.{asked[1]}"


@lru_cache(maxsize=1024)
def accepted(text: str, resource: str) -> str:
    """The version of an answer that a request accepts, as "1.1": the best that the switch speaks.

    Raises BadSyntax unless it names the resource, BadVersion if it accepts no version of the switch.
    """
    fits: list[str] = []
    named = False
    for one in text.split(","):
        match = _MEDIA.match(one.strip())
        if not match or match[2].lower() != resource.lower():
            continue
        named = True
        major, minor = match[3], match[4]
        for known in reversed(versions(match[1] or "fspiop", resource)):
            if (not major or int(major) == known[0]) and (not minor or int(minor) == known[1]):
                fits.append(f"{known[0]}.{known[1]}")
                break
    if not named:
        rule = f"application/vnd.interoperability.{resource}+json;version=1"
        raise errors.BadSyntax("Accept does not name the resource.", field="Accept", rule=rule)
    if not fits:
        raise errors.BadVersion(field="Accept", rule=spoken("fspiop", resource))
    return fits[0]


def versions(flavour: str, resource: str) -> tuple[tuple[int, int], ...]:
    """The versions of a resource that the switch speaks in a flavour: conversions came with 2.0, and as JSON only."""
    if resource in CONVERSION:
        return CONVERSION_VERSIONS if flavour == "fspiop" else ()
    if resource == RECALLS:
        return VERSIONS[flavour] if flavour == "iso20022" else ()
    return VERSIONS[flavour]


def spoken(flavour: str, resource: str = "") -> str:
    """The versions that the switch speaks in a flavour, as told in answers: "1.0, 1.1"."""
    return ", ".join(f"{major}.{minor}" for major, minor in versions(flavour, resource) or CONVERSION_VERSIONS)


def dated(headers: Mapping[str, str]) -> None:
    """Check the header Date. Raises MissingElement, BadSyntax unless it is an HTTP date."""
    text = headers.get("date", "")
    if not text:
        raise errors.MissingElement("The header Date is missing.", field="Date", rule="required")
    if not _is_date(text):
        raise errors.BadSyntax("The date is not an HTTP date.", field="Date", rule="http-date")


@lru_cache(maxsize=256)
def _is_date(text: str) -> bool:
    """Whether a text is an HTTP date; all messages of a second say the same."""
    try:
        parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return False
    return True


def fsp_id(text: str, field: str) -> str:
    """The name of a participant. Raises BadSyntax unless it has 1 to 32 plain characters."""
    if not _FSP.match(text):
        raise errors.BadSyntax("A participant's name has 1 to 32 plain characters.", field=field, rule="fsp-id")
    return text


def correlation(text: str, field: str) -> str:
    """An id of the wire: a UUID of version 1 to 5 in lower case, or a ULID. Raises BadSyntax."""
    if not _ID.match(text):
        raise errors.BadSyntax(
            "An id is a UUID of version 1 to 5 in lower case, or a ULID.", field=field, rule="uuid|ulid"
        )
    return text


def instant(text: str, field: str) -> datetime:
    """An instant of the wire: with milliseconds and zone. Raises BadSyntax."""
    try:
        if not _DATE_TIME.match(text):
            raise ValueError
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise errors.BadSyntax("A time is yyyy-MM-ddTHH:mm:ss.SSS and a zone.", field=field, rule="date-time") from None


def told(at: datetime) -> str:
    """An instant as the wire tells it: 2026-01-31T08:15:00.123Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def minor(text: str, digits: int) -> int:
    """The minor units of an amount of the wire, for a currency of `digits` decimals.

    Raises BadSyntax for another form, zero, or more decimals than the currency has: nothing is ever rounded.
    """
    if not _AMOUNT.match(text):
        raise errors.BadSyntax("An amount is a plain decimal without needless zeros.", field="amount", rule="amount")
    whole, _, fraction = text.partition(".")
    if len(fraction) > digits:
        raise errors.BadSyntax("The currency has fewer decimals.", field="amount", rule=f"decimals<={digits}")
    found = int(whole + fraction.ljust(digits, "0"))
    if not 0 < found <= 10**15:
        raise errors.BadSyntax("The amount is out of range.", field="amount", rule="0<amount<=10^15")
    return found


def amount(minor_units: int, digits: int) -> str:
    """Minor units as an amount of the wire: no needless zeros."""
    text = str(minor_units).rjust(digits + 1, "0")
    if not digits:
        return text
    fraction = text[-digits:].rstrip("0")
    return text[:-digits] + (f".{fraction}" if fraction else "")


def content_hash(source: str, body: bytes) -> bytes:
    """What makes a request the same request (law 5): its sender and its exact body."""
    return sha256(source.encode() + b"\0" + body).digest()


def still_open(expires_at: datetime, now: datetime) -> None:
    """Raises Expired at and after the expiry, BadSyntax for one that is more than a day ahead (law 4)."""
    if expires_at <= now:
        raise errors.Expired()
    if expires_at - now > LONGEST:
        raise errors.BadSyntax("It may wait at most a day.", field="expiration", rule="within-a-day")


def hold_s(expires_at: datetime, now: datetime) -> int:
    """For how long the ledger reserves, in seconds: until the expiry, and the grace in which the switch ends it.

    Raises Expired, BadSyntax as `still_open`.
    """
    still_open(expires_at, now)
    return int((expires_at - now).total_seconds()) + 1 + HOLD_GRACE_S


def fulfils(fulfilment: str, condition: str) -> None:
    """Raises BadFulfilment unless the SHA-256 of the fulfilment is the condition (law 3)."""
    if ilp.condition_of(fulfilment) != condition:
        raise errors.BadFulfilment(field="fulfilment", rule="sha256=condition")


def decides(transfer: Transfer, conversion: Transfer) -> None:
    """Whether a transfer may be paid with what a conversion brings: all of it, by whoever ordered both, in time.

    Raises NotPromised until the exchange provider has fulfilled, Expired for one that has ended, BadSyntax.
    """
    if conversion.payer != transfer.payer:
        raise errors.BadSyntax("Somebody else ordered the conversion.", field="payerFsp", rule="initiatingFsp=payerFsp")
    if conversion.state is not State.RESERVED:
        raise errors.Expired("The conversion has ended.", field="determiningTransferId", rule="reserved")
    if not conversion.fulfilment:
        raise errors.NotPromised(field="determiningTransferId", rule="fulfilled")
    if (transfer.currency, transfer.amount_minor) != (conversion.target_currency, conversion.target_minor):
        raise errors.BadSyntax("The transfer pays what was converted.", field="amount", rule="amount=targetAmount")
    if transfer.expires_at > conversion.expires_at + FOLLOWS:
        rule = f"within {int(FOLLOWS.total_seconds())} s after the conversion's"
        raise errors.BadSyntax("The conversion does not wait so long.", field="expiration", rule=rule)


def payable(transfer: Transfer, fulfilled: Mapping[str, str]) -> tuple[int, tuple[Part, ...]]:
    """What of a bulk is paid, in minor units, and its parts: those whose fulfilment fits, each once (law 3).

    Raises BadFulfilment for one that does not fit, UnknownId for one that is no part of the bulk.
    """
    parts = {part.id: part for part in transfer.parts}
    paid = []
    for part_id, fulfilment in fulfilled.items():
        part = parts.get(part_id)
        if part is None:
            raise errors.UnknownId(field="individualTransferResults", rule="part-of-the-bulk")
        fulfils(fulfilment, part.condition)
        paid.append(part)
    return sum(part.amount_minor for part in paid), tuple(paid)


def coverable(limit_minor: int, cover_minor: int, owes_minor: int, reserved_minor: int) -> None:
    """Whether a limit may stand: not above the cover, not below what is owed or reserved already (law 1).

    Raises OverCover; all amounts are minor units of one currency.
    """
    if limit_minor < 0 or limit_minor > cover_minor:
        raise errors.OverCover(cover_minor=cover_minor)
    if limit_minor < owes_minor + reserved_minor:
        raise errors.OverCover("More is owed or reserved already.", owed_minor=owes_minor + reserved_minor)


def removable(amount_minor: int, cover_minor: int, limit_minor: int, debts_minor: int) -> None:
    """Whether cover may be taken out: what the limit rests on stays, and what windows still have to take (law 1).

    Raises OverCover.
    """
    kept = max(limit_minor, debts_minor, 0)
    if cover_minor - amount_minor < kept:
        raise errors.OverCover(cover_minor=cover_minor, needed_minor=kept)


def carried(wanted_minor: int, cover_minor: int, limit_minor: int, position_minor: int, reserved_minor: int) -> int:
    """By how much the limit in force changes: towards what is wanted and the cover carries, and not below what is
    owed and reserved (law 1)."""
    aim = min(wanted_minor, cover_minor)
    if aim >= limit_minor:
        return aim - limit_minor
    return max(aim, min(limit_minor, position_minor + reserved_minor)) - limit_minor


def is_low(most_minor: int, owed_minor: int, reserved_minor: int) -> bool:
    """Whether a participant can hardly pay any more: four fifths of what it may owe are owed or under way. One that may
    owe nothing is not warned of."""
    return most_minor > 0 and (owed_minor + reserved_minor) * LOW_OF >= most_minor * LOW_PARTS


def moves(lines: Iterable[NetLine]) -> list[tuple[str, str, int]]:
    """What settles a window: (participant, currency, amount), above 0 out of its cover, below 0 into it.

    Amounts of each currency sum to zero (law 8). Raises ValueError if they do not: then the books are wrong.
    """
    found = [(line.fsp, line.currency, line.owes_minor) for line in lines if line.owes_minor]
    for currency in {currency for _, currency, _ in found}:
        if sum(owed for _, of, owed in found if of == currency):
            raise ValueError(f"the net amounts of {currency} do not sum to zero")
    return sorted(found)


def settled_in(currencies: Sequence[SettledCurrency], code: str) -> SettledCurrency:
    """The currency of this code. Raises BadCurrency if the switch does not settle in it."""
    for known in currencies:
        if known.currency == code:
            return known
    raise errors.BadCurrency(currency=code[:3])
