"""Where guesses are counted (laws 2 and 3), so that nobody can guess on by changing what is cheap to change.

A cookie is thrown away in a moment, so a device counts for itself only once two factors were proved on it. One PIN
tried on many people fails once for each of them, so a network has a counter of its own as well.
"""

import unicodedata
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from msingi.kernel import tally
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.signin import rules, store
from msingi.signin.model import Place, Question

NETWORK_TRIES = 100
NETWORK_WINDOW_S = 15 * 60
SPRAY = tally.Limit("signin.verify-pin: one PIN on many people", 50, 15 * 60)


class Way(StrEnum):
    """A way from one institution to one person that closes after too many tries, and that the person opens again."""

    CODES = "codes"
    SECRETS = "secrets"
    FACTS = "facts"
    WALLET_CODES = "wallet-codes"
    WALLET_PINS = "wallet-pins"
    REQUESTS = "requests"


def wallets_of(institution: str) -> str:
    """What the wallet software of an institution is counted as."""
    return f"wallets of institution:{institution}"


def way_key(stack: Stack, way: Way, whom: str, institution: str) -> bytes:
    """The counter of a way from an institution to `whom`: an account's id, or what nobody is counted by."""
    asking = f"institution:{institution}"
    if way is Way.CODES:
        return stack.keys.blind(f"signin.sms|{whom}|{asking}")
    if way is Way.WALLET_CODES:
        return stack.keys.blind(f"signin.sms|{whom}|{wallets_of(institution)}")
    if way is Way.REQUESTS:
        return stack.keys.blind(f"signin.ciba|{institution}|{whom}")
    if way is Way.WALLET_PINS:
        return stack.keys.blind(rules.place_key(whom, wallets_of(institution).encode(), ""))
    return stack.keys.blind(rules.place_key(whom, None, asking if way is Way.SECRETS else f"{asking}|facts"))


def ways_to(stack: Stack, person_id: PersonId, institutions: list[str]) -> dict[bytes, tuple[Way, str]]:
    """The counters of all ways from these institutions to a person."""
    return {way_key(stack, way, str(person_id), by): (way, by) for by in institutions for way in Way}


def new_devices(stack: Stack, account: PersonId) -> bytes:
    """The counter of codes for all devices together on which an account never signed in."""
    return stack.keys.blind(f"signin.sms|{account}|new devices")


class Taken(Struct, frozen=True):
    """What became of one more try that was counted: the seconds to wait where it may not be made (else 0), how many
    there were, and the seconds for which this one closed the place to others (else 0)."""

    wait_s: int
    tries: int = 0
    closed_s: int = 0


async def code_place(stack: Stack, tx: Tx, account: PersonId, device: bytes, place: str, at: datetime) -> bytes:
    """The counter of codes sent to an account at the wish of `place`; an empty one means a browser.

    A known device counts for itself, all new devices together count as one: who has the PIN and no phone must not
    get further guesses with each new cookie. The owner still signs in on a known device.
    """
    if not place:
        if not await store.device_known(tx, account, device, at):
            return new_devices(stack, account)
        place = f"device:{device.hex()}"
    return stack.keys.blind(f"signin.sms|{account}|{place}")


async def take_code(tx: Tx, place: bytes, at: datetime, allowed: int = rules.SMS_TRIES) -> Taken:
    """Count one code to be sent (or one request to be put before somebody), unless the place is closed."""
    tries = await store.open_place(tx, place, at)
    if wait_s := rules.locked_s(tries, at):
        return Taken(wait_s)
    after = rules.after_failure(tries, at, allowed)
    await store.count_failure(tx, place, after)
    return Taken(0, after.failures, rules.locked_s(after, at))


async def open_pin(tx: Tx, account: PersonId | None, place: bytes, at: datetime) -> rules.Tries:
    """The counter of wrong PINs of a place, held. What came before the PIN was set anew says nothing of the new one.

    So whoever is given back their account at a centre is not held up by what somebody did before.
    """
    tries = await store.open_place(tx, place, at)
    if account is not None and rules.locked_s(tries, at):
        set_at = await store.pin_set_at(tx, account)
        if set_at is not None and tries.since < set_at:
            return rules.Tries(0, at)
    return tries


def network_place(stack: Stack, place: Place, at: datetime) -> bytes:
    """The counter of wrong PINs from one network on new devices, whoever they were for, in the present window."""
    return stack.keys.blind(f"signin.network|{place.network}|{int(at.timestamp()) // NETWORK_WINDOW_S}")


async def network_wait_s(tx: Tx, network: bytes, at: datetime) -> int:
    """The seconds until the next window if this network has had its wrong PINs, else 0."""
    wrong = await store.failures(tx, network)
    return NETWORK_WINDOW_S - int(at.timestamp()) % NETWORK_WINDOW_S if wrong >= NETWORK_TRIES else 0


def _spray(stack: Stack, pin: str) -> str:
    return stack.keys.blind(f"signin.spray|{pin[:64]}").hex()[:24]  # nothing that is kept or logged tells the PIN


async def count_spray(stack: Stack, tx: Tx, pin: str, at: datetime) -> None:
    """Count a PIN that was wrong on a new device, whoever it was for and from wherever; the operator hears of many."""
    await tally.add(stack, tx, SPRAY, _spray(stack, pin), at)


async def is_sprayed(stack: Stack, tx: Tx, pin: str, at: datetime) -> bool:
    """Whether this PIN is being tried on many people, from however many networks.

    It locks nobody, for that could be done on purpose: it only stops being enough by itself on a new device.
    """
    return await tally.add(stack, tx, SPRAY, _spray(stack, pin), at, 0) >= SPRAY.most


def digits(text: str) -> str:
    """The last nine digits of a number however it is written; the text itself where it has none."""
    found = "".join(c for c in unicodedata.normalize("NFKC", text) if c.isdecimal())
    return found[-9:] or text[:100]


def nobody(question: Question) -> str:
    """What nobody is counted by: however a number is written, it is one number, as it would be somebody's."""
    return digits(question.number) if question.number else question.pseudonym
