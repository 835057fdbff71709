"""The laws of what people hold together, as pure functions: who may still sign, and when enough have."""

from collections.abc import Collection, Iterable, Sequence

from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.payments.groups.model import Signer
from msingi.payments.rules import MAX_AMOUNT_MINOR

MOST_OTHERS = 5


def check_bound(bound_minor: int | None) -> None:
    """Raises Malformed unless a bound is none, zero, or an amount."""
    if bound_minor is not None and not 0 <= bound_minor <= MAX_AMOUNT_MINOR:
        raise Malformed("A bound is an amount, or none.", field="bound_minor", rule=f"0..{MAX_AMOUNT_MINOR}")


def holding(signers: Iterable[Signer]) -> dict[PersonId, Signer]:
    """Those who hold now: accepted, and neither left nor removed. A holder who died still counts until removed."""
    return {s.person_id: s for s in signers if s.state == "active"}


def may_act(signers: Iterable[Signer], person: PersonId) -> bool:
    """Whether somebody may pay and sign now (law 3)."""
    mine = holding(signers).get(person)
    return mine is not None and mine.in_use


def is_signed(signers: Iterable[Signer], signed: Collection[PersonId]) -> bool:
    """Whether everybody who holds now has signed (law 2). Signatures of others, or of earlier holders, do not count."""
    needed = holding(signers)
    return bool(needed) and all(person in signed and one.in_use for person, one in needed.items())


def left_alone(bound_minor: int, spent_minor: int) -> int:
    """What one holder may still pay alone today (law 1)."""
    return max(0, bound_minor - spent_minor)


def is_everybody_in(signers: Iterable[Signer]) -> bool:
    """Whether all who were invited have accepted (law 5)."""
    return all(s.state == "active" for s in signers)


KEYS = 3


def interest(lent_minor: int, permille: int) -> int:
    """What the group earns on a loan, once, as it agreed: rounded up, so that no loan is free by being small."""
    return -(-lent_minor * permille // 1000)


def divided(total_minor: int, weights: Sequence[int]) -> list[int]:
    """A total divided in proportion to weights, to the last minor unit: the parts sum to it exactly (law 6).

    Each part is the exact one, rounded down or up; what is left over after rounding down goes one unit each to the
    largest remainders, the earlier of two equal ones first. Raises Malformed where nobody has a weight.
    """
    whole = sum(weights)
    if whole <= 0 or any(w < 0 for w in weights):
        raise Malformed("Nobody has a share.", field="shares", rule="shares>0")
    parts = [total_minor * w // whole for w in weights]
    rest = sorted(range(len(weights)), key=lambda n: (-(total_minor * weights[n] % whole), n))
    for n in rest[: total_minor - sum(parts)]:
        parts[n] += 1
    return parts


def share_out(pot_minor: int, shares: Sequence[int], owes: Sequence[int]) -> list[int]:
    """What each member gets of the pot: the part of all that belongs to the group, less what the member still owes it.

    What is lent out belongs to the group too. The parts sum to the pot exactly (law 6). A part below zero says that
    the member must repay so much first.
    """
    parts = divided(pot_minor + sum(owes), shares)
    return [part - owed for part, owed in zip(parts, owes, strict=True)]


def most_lent(own_minor: int, times: int) -> int:
    """The largest loan of a member who has paid in so much."""
    return own_minor * times
