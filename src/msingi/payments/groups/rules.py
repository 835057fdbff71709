"""The laws of what people hold together, as pure functions: who may still sign, and when enough have."""

from collections.abc import Collection, Iterable

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
