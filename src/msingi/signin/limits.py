"""Where guesses are counted (laws 2 and 3), so that nobody can guess on by changing what is cheap to change.

A cookie is thrown away in a moment, so a device counts for itself only once two factors were proved on it. One PIN
tried on many people fails once for each of them, so a network has a counter of its own as well.
"""

import unicodedata
from datetime import datetime

from msingi.kernel import tally
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.signin import rules, store
from msingi.signin.model import Place, Question

NETWORK_TRIES = 100
NETWORK_WINDOW_S = 15 * 60
SPRAY = tally.Limit("signin.verify-pin: one PIN on many people", 50, 15 * 60)


async def code_place(stack: Stack, tx: Tx, account: PersonId, device: bytes, place: str, at: datetime) -> bytes:
    """The counter of codes sent to an account at the wish of `place`; an empty one means a browser.

    A known device counts for itself, all new devices together count as one: who has the PIN and no phone must not
    get further guesses with each new cookie. The owner still signs in on a known device.
    """
    if not place:
        known = await store.device_known(tx, account, device, at)
        place = f"device:{device.hex()}" if known else "new devices"
    return stack.keys.blind(f"signin.sms|{account}|{place}")


async def take_code(tx: Tx, place: bytes, at: datetime) -> int:
    """Count one code to be sent; the seconds to wait if it must not be, else 0."""
    tries = await store.open_place(tx, place, at)
    wait_s = rules.locked_s(tries, at)
    if not wait_s:
        await store.count_failure(tx, place, rules.after_failure(tries, at, rules.SMS_TRIES))
    return wait_s


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
