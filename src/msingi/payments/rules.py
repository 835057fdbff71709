"""The laws of the ledger as pure functions; the writer asks them for every order, the tests with every number."""

import hmac
from functools import lru_cache
from hashlib import sha256
from struct import Struct as Layout
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as FastUUID  # an equal of the standard one, made in a fifth of the time

from msingi.kernel.errors import Malformed
from msingi.payments.errors import AmountOutOfRange
from msingi.payments.model import SHARD_BITS, AccountId, Flag, Kind, Reason, Tier, TransferOrder

MAX_AMOUNT_MINOR = 10**15
MAX_BALANCE_MINOR = 10**18
NO_TIER = Tier(0, MAX_AMOUNT_MINOR, MAX_BALANCE_MINOR, MAX_BALANCE_MINOR)
DAY_US = 86_400_000_000
RECOVERING_SHARE = 10

# Plain integers: the writer weighs tens of thousands of orders a second, and enum arithmetic costs microseconds.
_OPEN, _CLOSED = int(Flag.OPEN), int(Flag.CLOSED)
_NO_DEBIT = int(Flag.NO_DEBIT | Flag.OUT_OF_USE | Flag.CLOSED | Flag.DORMANT)
_DORMANT = int(Flag.DORMANT)
_NO_CREDIT = int(Flag.NO_CREDIT | Flag.CLOSED)
_POST, _COMMIT, _REVERSE = int(Kind.POST), int(Kind.COMMIT), int(Kind.REVERSE)
FOLLOWING = frozenset((_COMMIT, _REVERSE, int(Kind.ABORT), int(Kind.EXPIRE)))

_SPACE = 10**11
_SPREAD = 61_803_398_873  # coprime to 10, so that the map below is a permutation of all 11-digit bodies
_SHIFT = 31_415_926_535
_UNSPREAD = pow(_SPREAD, -1, _SPACE)
_BODY = Layout(">B16sqqq")
_PACK_BODY = _BODY.pack
_MORE = Layout(">B16si")
_NO_ID = bytes(16)
_AFTER_DEATH = "job:payments-seizures@", "job:payments-estates@"
_BY_LAW = *_AFTER_DEATH, "job:payments-recalls@"  # of `parties.permit_text`
_HALVES, _ID = Layout(">QQ16x").unpack, Layout(">QQ").pack
_VERSION_8, _VARIANT = 8 << 12, 1 << 63  # RFC 9562, section 5.8
_UNVERSIONED, _UNMARKED = (1 << 64) - 1 ^ 15 << 12, (1 << 62) - 1 ^ 255


def weigh(
    amount: int,
    available: int,
    payer_flags: int,
    payee_flags: int,
    same_account: bool,
    same_currency: bool,
    payee_room: int,
    transfer_limit: int,
    day_left: int,
) -> Reason:
    """Why an order must be rejected, or Reason.NONE (laws 2 and 3).

    All amounts are minor units of one currency; flags are 0 for an account that does not exist; `payee_room` is
    what the payee may still receive. The order of the checks is part of the rule: the same order on the same books
    is always rejected for the same reason.
    """
    if not 0 < amount <= MAX_AMOUNT_MINOR:
        return Reason.AMOUNT
    if not payer_flags & _OPEN:
        return Reason.UNKNOWN_PAYER
    if not payee_flags & _OPEN:
        return Reason.UNKNOWN_PAYEE
    if same_account:
        return Reason.SAME_ACCOUNT
    if not same_currency:
        return Reason.CURRENCY
    if payer_flags & _NO_DEBIT:
        if payer_flags & _NO_DEBIT == _DORMANT:
            return Reason.PAYER_DORMANT
        return Reason.CLOSED if payer_flags & _CLOSED else Reason.PAYER_FROZEN
    if payee_flags & _NO_CREDIT:
        return Reason.CLOSED if payee_flags & _CLOSED else Reason.PAYEE_FROZEN
    if amount > transfer_limit:
        return Reason.TRANSFER_LIMIT
    if amount > day_left:
        return Reason.DAY_LIMIT
    if amount > available:
        return Reason.INSUFFICIENT_FUNDS
    if amount > payee_room:
        return Reason.BALANCE_LIMIT
    return Reason.NONE


def by_law(permit_text: str) -> bool:
    """Whether an order carries out what a court or the law has ordered over an account, which is no wish of its holder:
    the holder's limits then do not stop it, and it does not use them up. Everything else is weighed as ever."""
    return permit_text.startswith(_BY_LAW)


def after_death(permit_text: str) -> bool:
    """Whether an order pays heirs, or carries out a court's: what ends the holder's own orders does not stop it."""
    return permit_text.startswith(_AFTER_DEATH)


def is_closed(flags: int) -> bool:
    """Whether an account is closed for good."""
    return bool(flags & _CLOSED)


def while_recovering(tier: Tier) -> Tier:
    """What a tier allows in the days after its holder's sign-in was given back: a tenth at once, and a tenth a day.

    Enough for food and a bus; too little to empty an account before its owner can object.
    """
    at_once, a_day = tier.transfer_limit_minor // RECOVERING_SHARE, tier.day_limit_minor // RECOVERING_SHARE
    return Tier(tier.number, at_once, a_day, tier.balance_limit_minor)


def weigh_end(hold_amount: int | None, ended: bool, owner: bool, amount: int) -> Reason:
    """Why a hold cannot be ended so, or Reason.NONE (law 9).

    `hold_amount` is what the hold still reserves, None if there is none; `ended` says that there was one; `owner`
    that the order comes for whoever reserved it; `amount` is what a COMMIT posts (0 for an ABORT).

    Neither limits, nor funds, nor a freeze that came later stop a commit: all were weighed when it was reserved.
    """
    if hold_amount is None or not owner:
        return Reason.HOLD_ENDED if ended and owner else Reason.NO_HOLD
    return Reason.OVER_HOLD if amount > hold_amount else Reason.NONE


def check_key(key: str) -> None:
    """Raises Malformed unless an idempotency key has 1 to 64 printable characters."""
    if not 1 <= len(key) <= 64 or not key.isprintable():
        raise Malformed("A key has 1 to 64 printable characters.", field="key", rule="length<=64")


def is_sound(wanted: TransferOrder) -> bool:
    """Whether `check_order` certainly has nothing to say: in one go, and without saying what."""
    key, reference, currency = wanted.key, wanted.reference, wanted.currency
    return (
        0 < wanted.amount_minor <= MAX_AMOUNT_MINOR
        and 1 <= len(key) <= 64
        and key.isprintable()
        and (not reference or (len(reference) <= 140 and reference.isprintable()))
        and len(currency) == 3
        and currency.isascii()
        and currency.isupper()
    )


def check_order(wanted: TransferOrder) -> None:
    """Raises Malformed or AmountOutOfRange unless the parts of an order are of the right form."""
    check_key(wanted.key)
    if len(wanted.reference) > 140 or (wanted.reference and not wanted.reference.isprintable()):
        raise Malformed("A reference has at most 140 printable characters.", field="reference", rule="length<=140")
    if not 0 < wanted.amount_minor <= MAX_AMOUNT_MINOR:
        raise AmountOutOfRange(largest_minor=MAX_AMOUNT_MINOR)
    if len(wanted.currency) != 3 or not (wanted.currency.isascii() and wanted.currency.isupper()):
        raise Malformed("A currency is an ISO 4217 code.", field="currency", rule="iso4217")


def available(posted: int, reserved: int, floor: int) -> int:
    """What an account can pay out: posted - reserved - floor (law 2)."""
    return posted - reserved - floor


def spent_on(day: int, last_day: int, spent: int) -> int:
    """What was already paid out on `day` (days since 1970-01-01): the counter only counts for its own day."""
    return spent if last_day == day else 0


def day_of(at_us: int) -> int:
    """The UTC day, in days since 1970-01-01, of an instant in microseconds."""
    return at_us // DAY_US


def body_hash(
    transfer_id: UUID,
    debit: int,
    credit: int,
    amount: int,
    currency: str,
    code: str,
    reference: str,
    kind: int = _POST,
    pending: UUID | None = None,
    timeout_s: int = 0,
) -> bytes:
    """SHA-256 over what is ordered: two orders with one id are the same order if and only if these agree (law 4).

    Layout, big-endian: version 1 (1 byte), id (16), debit, credit, amount (8 each), then currency, code and
    reference in UTF-8, separated by a zero byte. Any kind but POST has version 2, with kind (1), pending id or zeros
    (16) and timeout in seconds (4) before the words. Orders that name a hold or a transfer leave the accounts to it
    (zeros), and an ABORT leaves the amount to it too, whatever the journal row says of them.
    """
    words = f"{currency}\0{code}\0{reference}".encode()
    if kind == _POST:
        return sha256(_PACK_BODY(1, transfer_id.bytes, debit, credit, amount) + words).digest()
    if kind in FOLLOWING:
        debit = credit = 0
        amount = amount if kind in (_COMMIT, _REVERSE) else 0
    more = _MORE.pack(kind, pending.bytes if pending is not None else _NO_ID, timeout_s)
    return sha256(_BODY.pack(2, transfer_id.bytes, debit, credit, amount) + more + words).digest()


def transfer_id(scope: str, key: str, shard: int = 0) -> UUID:
    """The id of the transfer that an idempotency key means within `scope` (who orders): a version 8 UUID.

    Being derived, it is the same for every repetition, and nobody can occupy the key of somebody else. Its last byte
    is the payer's shard, so that whoever knows the id knows where its journal row stands.
    """
    high, low = _HALVES(sha256(f"msingi/transfer\0{scope}\0{key}".encode()).digest())
    return FastUUID(_ID(high & _UNVERSIONED | _VERSION_8, low & _UNMARKED | _VARIANT | shard))


def expiry_id(hold: UUID) -> UUID:
    """The id of the row that ends a hold whose time has passed: one hold, one id."""
    return transfer_id("expiry", hold.hex, shard_of(hold.int))


@lru_cache(maxsize=100_000)
def owner_ref(secret: bytes, holder: str) -> int:
    """The keyed hash, as a signed 64-bit number, of who holds an account: "person:<id>" or "institution:<code>".

    The ledger compares it and learns nothing about the holder.
    """
    return int.from_bytes(hmac.digest(secret, b"payments.owner\0" + holder.encode(), "sha256")[:8], signed=True)


def shard_of(account: AccountId | int) -> int:
    """The shard that an account id names."""
    return account & ((1 << SHARD_BITS) - 1)


def index_of(account: AccountId | int) -> int:
    """The dense index of an account within its shard."""
    return account >> SHARD_BITS


def account_id(index: int, shard: int) -> AccountId:
    """The account id of a dense index within a shard."""
    return AccountId(index << SHARD_BITS | shard)


def number_of(account: AccountId | int) -> str:
    """The account number that people see: 11 digits and two check digits (ISO 7064 MOD 97-10).

    The digits are spread over the whole range, so that neighbours differ and numbers do not count accounts.
    """
    body = (account * _SPREAD + _SHIFT) % _SPACE
    return f"{body:011d}{98 - body * 100 % 97:02d}"


def id_of(number: str) -> AccountId:
    """The account id behind an account number; blanks are ignored.

    Raises Malformed unless it has 13 digits and the right check digits.
    """
    if len(number) == 13 and number.isascii() and number.isdigit() and (value := int(number)) % 97 == 1:
        return (value // 100 - _SHIFT) * _UNSPREAD % _SPACE  # pyright: ignore[reportReturnType]
    digits = number.replace(" ", "")
    if len(digits) != 13 or not (digits.isascii() and digits.isdigit()):
        raise Malformed("An account number has 13 digits.", field="account", rule="digits=13")
    value = int(digits)
    if value % 97 != 1:
        raise Malformed("The check digits of the account number are wrong.", field="account", rule="iso7064-mod97")
    return AccountId((value // 100 - _SHIFT) * _UNSPREAD % _SPACE)


def masked(given: str, family: str) -> str:
    """A name as a stranger may see it: the first letter and the initial of the family name, such as "A. M."."""
    initials = [part.strip()[0].upper() + "." for part in (given, family) if part.strip()]
    return " ".join(initials) or "?"


def masked_number(number: str) -> str:
    """An account number of which only the last four digits are told."""
    return "\u2022\u2022\u2022\u2022" + number[-4:]
