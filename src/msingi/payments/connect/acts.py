"""The verbs of connecting: link and resolve addresses, check a batch, hand it in, ask what became of it."""

from collections.abc import AsyncIterator, Container, Sequence
from uuid import UUID

import msgspec

from msingi.identity import acts as identity
from msingi.identity.errors import NotInUse
from msingi.kernel import log, money, once, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import DifferentContent, Malformed, NotFound
from msingi.kernel.stack import Stack
from msingi.payments import files, homes
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.connect import errors, rules, store
from msingi.payments.connect.model import Address, Batch, BatchOrder, Credit, Failed, Why
from msingi.payments.csvfile import Sheet
from msingi.payments.errors import NoSuchAccount
from msingi.payments.model import AccountKind, PaymentFile

SEAL = "payments.address"


def _permit(ctx: Context, act: str) -> policy.Permit:
    return policy.decide(ctx, act, policy.NOBODY, own_account=bool(ctx.actor.institution))


def _key(stack: Stack, institution: str, payee: str) -> bytes:
    return stack.keys.blind(f"payments-address:{institution}\0{payee}", "payments")


async def link_addresses(stack: Stack, ctx: Context, links: Sequence[Address]) -> None:
    """Say where the institution's payees are paid; again, to say it anew. Raises Malformed."""
    if not 1 <= len(links) <= rules.MAX_LINKS:
        raise Malformed(f"Link 1 to {rules.MAX_LINKS} payees at once.", field="links", rule=f"1..{rules.MAX_LINKS}")
    permit = _permit(ctx, "payments.link-address")
    for place, one in enumerate(links):
        rules.check_address(one, f"links[{place}]")
    institution, seal = ctx.actor.institution, stack.seal.seal_with_room_key
    sealed = {_key(stack, institution, one.payee): seal(SEAL, msgspec.msgpack.encode(one)) for one in links}
    async with stack.db.transaction(permit) as tx:
        await store.link(tx, institution, sealed, f"{ctx.actor.kind}:{ctx.actor.id}", ctx.at)
        log.append(tx, permit, detail={"what": "payees' addresses linked", "count": len(sealed)})


async def unlink_addresses(stack: Stack, ctx: Context, payees: Sequence[str]) -> list[bool]:
    """Forget where payees are paid; for each whether it was known."""
    permit = _permit(ctx, "payments.link-address")
    keys = [_key(stack, ctx.actor.institution, payee) for payee in payees[: rules.MAX_LINKS]]
    async with stack.db.transaction(permit) as tx:
        gone = await store.unlink(tx, ctx.actor.institution, keys)
        log.append(tx, permit, detail={"what": "payees' addresses unlinked", "count": len(gone)})
    return [key in gone for key in keys]


async def resolve_addresses(stack: Stack, ctx: Context, payees: Sequence[str]) -> dict[str, Address]:
    """Where the institution's payees are paid; those that are not linked are absent."""
    permit = _permit(ctx, "payments.resolve-address")
    async with stack.db.transaction(permit) as tx:
        found = await _linked(stack, tx, ctx.actor.institution, payees)
        log.append(tx, permit, detail={"what": "payees' addresses looked up", "count": len(found)})
    return found


async def _linked(stack: Stack, tx: accounts.Tx, institution: str, payees: Sequence[str]) -> dict[str, Address]:
    keys = {_key(stack, institution, payee): payee for payee in payees}
    opened = stack.seal.unseal_with_room_key
    return {
        keys[key]: msgspec.msgpack.decode(opened(SEAL, blob), type=Address)
        for key, blob in (await store.linked(tx, institution, list(keys))).items()
    }


async def check_batch(stack: Stack, ctx: Context, order: BatchOrder) -> list[Failed]:
    """Whom of a batch the stack could not pay as things stand, each with the reason; nothing moves (law 3).

    Raises Malformed, TooManyMisses for whoever tries numbers out.
    """
    rules.check_batch(order)
    permit = _permit(ctx, "payments.check-batch")
    async with stack.db.transaction(permit) as tx:
        linked = await _linked(stack, tx, ctx.actor.institution, [one.payee for one in order.credits])
        log.append(tx, permit, detail={"what": "batch checked", "credits": len(order.credits)})
    addresses = {payee: one.address for payee, one in linked.items()}
    where = {credit.payee: rules.destination(credit.payee, addresses) for credit in order.credits}
    numbers = [d for d in where.values() if d and d.isdigit()]
    people = await identity.persons_by_number(stack, ctx, numbers) if numbers else {}
    failed = []
    for credit in order.credits:
        why = _amount(stack, order, credit) or await _refusal(stack, ctx, where[credit.payee], people)
        if why is not None:
            failed.append(Failed(credit.instruction_id, why))
    again = _permit(ctx, "payments.check-batch")
    async with stack.db.transaction(again) as tx:
        await store.keep_batch(tx, ctx.actor.institution, order, ctx.at, failed=failed)
        log.append(tx, again, detail={"what": "result of a check kept", "failed": len(failed)})
    return failed


def _amount(stack: Stack, order: BatchOrder, credit: Credit) -> Why | None:
    currency = stack.profile.currency
    try:
        amount = money.parse(credit.amount, currency)
    except Malformed:
        return Why.AMOUNT
    return None if 0 < amount <= ledger_rules.MAX_AMOUNT_MINOR and order.currency == currency.code else Why.AMOUNT


async def _refusal(stack: Stack, ctx: Context, where: str | None, people: Container[str]) -> Why | None:
    """Why a destination cannot be paid to, or None."""
    if where is None:
        return Why.NOT_LINKED
    kind, _, rest = where.rpartition(":")
    if kind == "tel":
        try:
            await identity.person_by_phone(stack, ctx, rest)
        except (NotFound, NotInUse, Malformed):
            return Why.NOT_IN_USE
        return None
    if kind == "account":
        try:
            account = ledger_rules.id_of(rest)
            async with homes.home(stack, ledger_rules.shard_of(account)).db.reading("payments") as tx:
                found = await accounts.account(tx, account)
        except (NoSuchAccount, Malformed):
            found = None
        return None if found is not None and found["currency"] == stack.profile.currency.code else Why.NOT_HERE
    if where == rules.NOWHERE:
        return Why.NOT_HERE
    return None if where in people else Why.NOT_IN_USE


async def hand_in_batch(stack: Stack, ctx: Context, order: BatchOrder) -> PaymentFile:
    """Hand a batch in: it becomes a payment file that waits for its approval (law 2).

    The same batch again gives the first answer. Raises Malformed, DifferentContent, NoPayerAccount.
    """
    rules.check_batch(order)
    permit = _permit(ctx, "payments.check-batch")
    async with stack.db.transaction(permit) as tx:
        payees = [one.payee for one in order.credits]
        known = await store.batch(tx, ctx.actor.institution, order.batch_id)
        linked = await _linked(stack, tx, ctx.actor.institution, payees)
        payer = await _payer(tx, ctx.actor.institution, order)
        log.append(tx, permit, detail={"what": "batch taken", "credits": len(order.credits)})
    content = once.content_hash(msgspec.structs.replace(order, request_id=""))
    if known is not None and known.file_id is not None:
        if known.content != content:
            raise DifferentContent(key=order.batch_id)
        return await files.payment_file(stack, ctx, known.file_id)
    raw = rules.table(order, {payee: one.address for payee, one in linked.items()})
    kept = await files.take_payment_file(stack, ctx, _whole(raw), Sheet(order.batch_id, payer, order.currency))
    again = _permit(ctx, "payments.check-batch")
    async with stack.db.transaction(again) as tx:
        await store.keep_batch(tx, ctx.actor.institution, order, ctx.at, file_id=UUID(kept.file_id), content=content)
        log.append(tx, again, detail={"what": "batch handed in", "lines": kept.lines})
    return kept


async def _whole(raw: bytes) -> AsyncIterator[bytes]:
    yield raw


async def _payer(tx: accounts.Tx, institution: str, order: BatchOrder) -> str:
    """The account that pays: the government account labelled with the source's id, or else the institution's first."""
    found = [
        row
        for row in await accounts.held(tx, None, institution)
        if row["kind"] == AccountKind.GOVERNMENT and row["currency"] == order.currency
    ]
    if not found:
        raise errors.NoPayerAccount()
    named = [row for row in found if row["label"] == order.source_id]
    return ledger_rules.number_of((named or found)[0]["account_id"])


async def batch(stack: Stack, ctx: Context, batch_id: str) -> Batch:
    """What became of a batch. Raises NoSuchBatch."""
    permit = _permit(ctx, "payments.read-batch")
    async with stack.db.transaction(permit) as tx:
        found = await store.batch(tx, ctx.actor.institution, batch_id)
        log.append(tx, permit, detail={"what": "batch looked up"})
    if found is None:
        raise errors.NoSuchBatch()
    return found
