"""Orders for the ledger, made from a permit: pay, reserve, commit, void, reverse. Pure: nothing moves before they are
posted (`ledger.py`).

The id of an order is derived from who orders (`By.scope`) and the key, so that repeating it gives the first ending.
Amounts are whole minor units of `currency`; accounts are ids (`rules.id_of`).
"""

from uuid import UUID

from msgspec import Struct, structs

from msingi.kernel.errors import Malformed
from msingi.kernel.policy import Permit
from msingi.payments import errors, rules
from msingi.payments.model import Kind, Order
from msingi.payments.parties import permit_text

MAX_TIMEOUT_S = 400 * 86_400
_POST, _RESERVE, _COMMIT, _ABORT = int(Kind.POST), int(Kind.RESERVE), int(Kind.COMMIT), int(Kind.ABORT)
_REVERSE, _ARRIVE = int(Kind.REVERSE), int(Kind.ARRIVE)


class By(Struct, frozen=True):
    """Who orders: a permit, the reference of the holder of the debited account (`parties.person_ref`,
    `parties.institution_ref`), and the scope in which keys are unique, such as "bill/<biller>"."""

    permit: Permit
    owner: int
    scope: str


def pay(
    by: By,
    key: str,
    debit: int,
    credit: int,
    amount: int,
    currency: str,
    code: str,
    *,
    reference: str = "",
    payer: str = "",
    payee: str = "",
) -> Order:
    """Move money at once. `reference` is for both sides; `payer` and `payee` are the names that the other side sees."""
    return _made(by, key, _POST, (debit, credit), amount, currency, code, (reference, payer, payee))


def reserve(
    by: By,
    key: str,
    debit: int,
    credit: int,
    amount: int,
    currency: str,
    code: str,
    *,
    timeout_s: int,
    reference: str = "",
    payer: str = "",
    payee: str = "",
) -> Order:
    """Reserve money for `credit`: the order's id is the hold's. After `timeout_s` seconds by the writer's clock it is
    released (0: it stays until it is committed or voided)."""
    if not 0 <= timeout_s <= MAX_TIMEOUT_S:
        raise Malformed(f"A hold lasts up to {MAX_TIMEOUT_S} seconds.", field="timeout_s", rule=f"0..{MAX_TIMEOUT_S}")
    names = reference, payer, payee
    return _made(by, key, _RESERVE, (debit, credit), amount, currency, code, names, timeout_s=timeout_s)


def commit(by: By, key: str, hold: UUID, amount: int, currency: str, code: str, *, reference: str = "") -> Order:
    """Pay out of a hold, the whole or less: what is left of it is released."""
    return _made(by, key, _COMMIT, (0, 0), amount, currency, code, (reference, "", ""), hold)


def void(by: By, key: str, hold: UUID, currency: str, code: str, *, reference: str = "") -> Order:
    """Release a hold."""
    return _made(by, key, _ABORT, (0, 0), 1, currency, code, (reference, "", ""), hold)


def reverse(
    by: By, key: str, original: UUID, amount: int, currency: str, code: str = "REVR", *, reference: str = ""
) -> Order:
    """Pay back what a transfer paid, in whole or in part, by a new transfer the other way; never more than it paid.

    `by.owner` is the holder of the account that had received.
    """
    return _made(by, key, _REVERSE, (0, 0), amount, currency, code, (reference, "", ""), original)


def linked(orders: list[Order]) -> list[Order]:
    """The orders as one chain: posted all or none."""
    return [*(structs.replace(order, linked=True) for order in orders[:-1]), structs.replace(orders[-1], linked=False)]


def _made(
    by: By,
    key: str,
    kind: int,
    accounts: tuple[int, int],
    amount: int,
    currency: str,
    code: str,
    words: tuple[str, str, str],
    pending: UUID | None = None,
    timeout_s: int = 0,
) -> Order:
    """An order of any kind. Raises AmountOutOfRange."""
    if not 0 < amount <= rules.MAX_AMOUNT_MINOR:
        raise errors.AmountOutOfRange(largest_minor=rules.MAX_AMOUNT_MINOR)
    shard = rules.shard_of(pending.int) if pending is not None else rules.shard_of(accounts[0])
    order_id = rules.transfer_id(by.scope, key, shard)
    hashed = rules.body_hash(order_id, *accounts, amount, currency, code, words[0], kind, pending, timeout_s)
    return Order(
        *(order_id, by.owner, *accounts, amount, currency, code, hashed, by.permit, permit_text(by.permit)),
        *(*words, kind, pending, timeout_s),
    )
