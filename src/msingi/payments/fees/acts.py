"""Verbs of fees: what a payment would cost, and what payments of a month did cost. (`taking.py` takes them.)"""

import re

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import charges, parties
from msingi.payments import errors as ledger_errors
from msingi.payments import rules as ledger
from msingi.payments import store as accounts
from msingi.payments.bank.rules import check_amount
from msingi.payments.fees import store
from msingi.payments.fees.model import Charged, FeeQuote, Kind
from msingi.payments.fees.taking import Taking, job
from msingi.payments.groups import mandates

MOST_LINES = 1_000
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


def is_month(text: str) -> bool:
    """Whether a text names a month, YYYY-MM."""
    return _MONTH.fullmatch(text) is not None


def taking(stack: Stack) -> Taking:
    """How fees are taken on this stack."""
    found = stack.local.get(charges.KEY)
    if not isinstance(found, Taking):
        found = stack.local[charges.KEY] = Taking(stack)
    return found


async def _own(stack: Stack, tx: accounts.Tx, person: PersonId, account: int) -> bool:
    """Whether an account is a person's, alone or with others."""
    return account in {row["account_id"] for row in await accounts.held(tx, person, "")}


@crossing("payments", "portal", "channels")
async def quote_fee(
    stack: Stack, ctx: Context, payer: str, amount_minor: int, *, kind: Kind = Kind.TRANSFER, payee: str = ""
) -> FeeQuote:
    """What a payment out of an own account (or of a child's) would cost now, and by which terms: show it before.

    `payee` is the number of the paid account, where it is one of the actor's own; any other makes no difference.

    Raises NoSuchAccount, AmountOutOfRange, BankNotOpen.
    """
    check_amount(amount_minor)
    if kind is Kind.SALE:
        raise Malformed("A sale costs its shop, not its payer.", field="kind", rule="transfer, standing, bill")
    credit = ledger.id_of(payee) if payee else None
    person, account = parties.person_of(ctx), ledger.id_of(payer)
    permit = policy.decide(ctx, "payments.quote-fee", person)
    async with stack.db.transaction(permit) as tx:
        mine = await _own(stack, tx, person, account)
        credit = credit if credit is not None and await _own(stack, tx, person, credit) else None
        log.append(tx, permit, subject=person, detail={"what": "fee of a payment asked for"})
    if not mine:
        asked = policy.decide(job(), "payments.charge-fee", policy.ANYONE)
        async with stack.db.transaction(asked) as tx:
            child = await accounts.owner_of(tx, account)
            log.append(tx, asked, subject=child, detail={"what": "right to pay looked up"})
        if child is None or not await mandates.is_guardian(stack, child, person):
            raise ledger_errors.NoSuchAccount(party="payer")
    return await taking(stack).quote(account, kind, amount_minor, credit)


@crossing("payments", "portal")
async def fees_of_month(stack: Stack, ctx: Context, number: str, month: str) -> list[Charged]:
    """What payments of a month (YYYY-MM) out of an own account did cost, newest first, each with its terms (law 5).

    Raises NoSuchAccount, Malformed.
    """
    if not _MONTH.fullmatch(month):
        raise Malformed("A month is written YYYY-MM.", field="month", rule="YYYY-MM")
    person, account = parties.person_of(ctx), ledger.id_of(number)
    permit = policy.decide(ctx, "payments.quote-fee", person)
    async with stack.db.transaction(permit) as tx:
        if not await _own(stack, tx, person, account):
            raise ledger_errors.NoSuchAccount()
        found = await store.of_month(tx, account, month, MOST_LINES)
        log.append(tx, permit, subject=person, detail={"what": "fees of a month", "month": month})
    return [
        Charged(
            transfer_id=str(one.transfer_id), kind=one.kind, at=one.at, amount_minor=one.amount, fee_minor=one.fee,
            tax_minor=one.tax, currency=one.currency, product=one.product, begins=one.begins, band_minor=one.band,
            free=one.free, state="returned" if one.state == "returned" else "taken",
        )
        for one in found
    ]  # fmt: skip
