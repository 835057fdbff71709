"""What the tests of payments share: people with keys, accounts with money, orders for the writer."""

from uuid import UUID

import asyncpg

from msingi.kernel import log, policy
from msingi.kernel.context import Actor, Context, Kind, context, job_context
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.payments import acts, parties, rules
from msingi.payments.model import Account, AccountKind, IssueOrder, Order

SAMPLE = job_context("setup")


async def a_person(stack: Stack) -> PersonId:
    """A person id with a key, so that records about it can be sealed."""
    person = PersonId(uuid7())
    permit = policy.decide(job_context("payments-writer"), "payments.reread-ledger", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        await stack.seal.create_key(tx, person)
        log.append(tx, permit, subject=person)
    return person


def as_person(person: PersonId, assurance: int = 2, purpose: str = "payment", name: str = "Asha Mrema") -> Context:
    """The context of a person who is signed in."""
    return context(Actor(Kind.PERSON, str(person), assurance=assurance, name=name), purpose, "contract")


def as_staff(*roles: str, id: str = "staff-1", institution: str = "hazina", purpose: str = "payment") -> Context:
    """The context of an official who is signed in with two factors."""
    actor = Actor(Kind.STAFF, id, institution, frozenset(roles), 2, f"Official {id}")
    return context(actor, purpose, "public-task")


async def treasury(
    stack: Stack, amount_minor: int = 10**12, institution: str = "hazina", currency: str = ""
) -> Account:
    """A government account with money from the issuing side."""
    currency = currency or stack.profile.currency.code
    issuing = [a for a in await acts.accounts(stack, as_staff("treasurer", institution="benki-kuu"))]
    if not any(a.currency == currency for a in issuing):
        await acts.open_account(stack, SAMPLE, "benki-kuu", AccountKind.ISSUE, currency=currency)
    account = await acts.open_account(stack, SAMPLE, institution, AccountKind.GOVERNMENT, currency=currency)
    await acts.issue(stack, SAMPLE, IssueOrder(f"start-{account.number}", account.number, amount_minor))
    return account


async def wallet(stack: Stack, person: PersonId, amount_minor: int = 0, source: Account | None = None) -> Account:
    """A wallet with money."""
    account = await acts.open_account(stack, as_person(person), person, AccountKind.WALLET)
    if amount_minor:
        assert source is not None
        paid = order(stack, "institution:hazina", source.number, account.number, amount_minor)
        (ending,) = await acts.writer.of(stack).post([paid])
        assert not ending.reason
    return account


def order(
    stack: Stack,
    holder: str,
    payer: str,
    payee: str,
    amount: int,
    *,
    id: UUID | None = None,
    currency: str = "",
    reference: str = "",
) -> Order:
    """An order as it enters the writer; `holder` is "person:<id>" or "institution:<code>"."""
    id = id or uuid7()
    debit, credit = rules.id_of(payer), rules.id_of(payee)
    currency = currency or stack.profile.currency.code
    hashed = rules.body_hash(id, debit, credit, amount, currency, "P2P", reference)
    permit = policy.decide(job_context("payments-file-runner"), "payments.pay-line", policy.NOBODY)
    owner = rules.owner_ref(stack.keys.mac("blind"), holder)
    return Order(
        *(id, owner, debit, credit, amount, currency, "P2P", hashed, permit, parties.permit_text(permit), reference)
    )


async def owner_does(owner_url: str, statement: str, *args: object) -> list[asyncpg.Record]:
    """Run a statement as the database's superuser."""
    conn = await asyncpg.connect(owner_url)
    try:
        return await conn.fetch(statement, *args)
    finally:
        await conn.close()
