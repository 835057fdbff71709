"""Payments that nobody collected: whoever they are for is told, keeps them with one word or by using the account, or
they go back to the programme's account.

Cycles are looked at once, when their time to tell has come, in parts of which each is kept. Only what was paid into an
account that has never paid anything out counts as uncollected: a saver who once took something keeps all of it.
"""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from msingi.kernel import log, money, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Row, Tx
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import backward, ledger, orders, parties, rules, shards
from msingi.payments import errors as ledger_errors
from msingi.payments.bank import telling
from msingi.payments.programmes import preparing, store_uncollected
from msingi.payments.programmes.model import Uncollected

PART = 500
CODE = "UNCL"
TOLD = {
    "en": "{amount} from {programme} waits for you. Use your account or keep it under Money by {day}, or it goes back.",
    "sw": "{amount} kutoka {programme} zinakusubiri. Tumia akaunti yako au zihifadhi kwenye Fedha kabla ya {day}, "
    "la sivyo zitarudi.",
    "fr": "{amount} de {programme} vous attendent. Utilisez votre compte ou gardez-les sous Argent avant le {day}, "
    "sinon ils repartent.",
    "ar": "{amount} من {programme} بانتظارك. استعمل حسابك أو احتفظ بها في صفحة المال قبل {day} وإلا أُعيدت.",
}
GONE = {
    "en": "{amount} from {programme} went back, because nobody collected it. Ask the office if you need it.",
    "sw": "{amount} kutoka {programme} zimerudishwa kwa sababu hazikuchukuliwa. Uliza ofisini ukizihitaji.",
    "fr": "{amount} de {programme} sont repartis, car personne ne les a retirés. Adressez-vous au bureau.",
    "ar": "{amount} من {programme} أُعيدت لأن أحدا لم يستلمها. اسأل المكتب إن احتجت إليها.",
}


def _job() -> tuple[Context, policy.Permit]:
    ctx = preparing.job("")
    return ctx, policy.decide(ctx, "payments.look-after-payments", policy.ANYONE)


async def tell(stack: Stack) -> int:
    """Tell people of payments that they have not collected, cycle by cycle; how many people were told."""
    ctx, permit = _job()
    async with stack.db.transaction(permit) as tx:
        cycles = await store_uncollected.unlooked(tx, ctx.at)
        log.append(tx, permit, detail={"what": "cycles to be looked after", "count": len(cycles)})
    told = 0
    for cycle in cycles:
        first, last = cycle["looked_line"], cycle["lines"]
        while first <= last:
            until = min(first + PART, last)
            returns_at = max(
                cycle["finished_at"] + timedelta(days=cycle["claim_days"]),
                ctx.at + timedelta(days=cycle["warn_days"]),
            )
            async with stack.db.transaction(permit) as tx:
                lines = await store_uncollected.paid_lines(tx, cycle["file_id"], first, until)
                payees = await _payees(stack, permit, tx, [UUID(bytes=row["transfer_id"].bytes) for row in lines])
                used = await _used(stack, permit, tx, set(payees) - {None})
                kept = [(row, to) for row, to in zip(lines, payees, strict=True) if to is not None and to not in used]
                found = [row for row, _ in kept]
                await store_uncollected.add(tx, cycle, found, [to for _, to in kept], ctx.at, returns_at)
                await store_uncollected.looked_at(tx, cycle["file_id"], until, until == last)
                for row in found:
                    subject = store_uncollected.person(row)
                    log.append(tx, permit, subject=subject, detail={"what": "payment not collected", "to": "told"})
                log.append(tx, permit, detail={"what": "payments looked after", "count": len(found)})
            for row in found:
                day = returns_at.date().isoformat()
                said = _said(stack, TOLD, row["amount"], cycle["currency"], cycle["name"], day)
                await telling.tell_person(
                    stack, ctx, store_uncollected.person(row), said, f"uncollected/{row['transfer_id']}"
                )
            told += len(found)
            if until == last:
                break
            first = until
    return told


async def _payees(stack: Stack, permit: policy.Permit, tx: Tx, transfers: list[UUID]) -> list[int | None]:
    """The accounts that transfers were paid into, in their order, whatever database knows of them."""
    found: dict[UUID, int] = {}
    for shard in {rules.shard_of(one.int) for one in transfers}:
        async with shards.beside(stack, shard, permit, tx) as near:
            some = [one for one in transfers if rules.shard_of(one.int) == shard]
            found |= await store_uncollected.paid_into(near, some)
    return [found.get(one) for one in transfers]


async def _used(stack: Stack, permit: policy.Permit, tx: Tx, accounts: Iterable[int | None]) -> set[int]:
    """Those of some accounts that have ever paid anything out, in whatever database they live."""
    by_shard: dict[int, list[int]] = {}
    for account in accounts:
        if account is not None:
            by_shard.setdefault(rules.shard_of(account), []).append(account)
    used: set[int] = set()
    for shard, some in by_shard.items():
        async with shards.beside(stack, shard, permit, tx) as near:
            used |= await store_uncollected.used_accounts(near, shard, some)
    return used


def _said(stack: Stack, texts: dict[str, str], minor: int, currency: str, programme: str, day: str) -> dict[str, str]:
    """A sentence in every language."""
    profile = stack.profile
    amount = money.format(minor, profile.currency, profile.group_separator, profile.decimal_point)
    if currency != profile.currency.code:
        amount = f"{minor} {currency}"
    return {tongue: text.format(amount=amount, programme=programme, day=day) for tongue, text in texts.items()}


async def send_back(stack: Stack) -> int:
    """Send back what people were told of and nobody collected; how many payments ended, one way or the other."""
    ctx, permit = _job()
    async with stack.db.transaction(permit) as tx:
        due = await store_uncollected.overdue(tx, ctx.at, PART)
        used = await _used(stack, permit, tx, {row["account_id"] for row in due})
        log.append(tx, permit, detail={"what": "payments that nobody collected", "count": len(due)})
    for row in due:
        await _ended(stack, ctx, permit, row, row["account_id"] in used)
    return len(due)


async def _ended(stack: Stack, ctx: Context, permit: policy.Permit, row: Row, used: bool) -> None:
    """Reverse one payment, unless its account was used meanwhile or the ledger refuses; then it is its holder's.

    From the first transaction on nobody can keep it any more, and whatever breaks off is taken up here again.
    """
    person, back = store_uncollected.person(row), None
    async with stack.db.transaction(permit) as tx:
        mine = await store_uncollected.begin(tx, row)
        log.append(tx, permit, subject=person, detail={"what": "payment not collected", "to": "being ended"})
    if not mine:
        return
    if row["state"] == "returning" or not used:
        file_id, original = UUID(bytes=row["file_id"].bytes), UUID(bytes=row["transfer_id"].bytes)
        by = orders.By(permit, parties.person_ref(stack, person), f"uncollected/{file_id}")
        paid = await backward.received(stack, original)  # from another shard it came by another row
        original = UUID(bytes=paid["id"].bytes) if paid is not None else original
        words = f"{row['programme']}: not collected"[:140]
        order = orders.reverse(by, str(row["line"]), original, row["amount"], row["currency"], CODE, reference=words)
        try:
            ledger_errors.check(await ledger.post(stack, [order]))
            back = order.id
        except Refusal:
            back = None
    async with stack.db.transaction(permit) as tx:
        await store_uncollected.end(tx, row, back, ctx.at)
        log.append(
            tx, permit, subject=person, detail={"what": "payment not collected", "to": "back" if back else "kept"}
        )
    if back is not None:
        said = _said(stack, GONE, row["amount"], row["currency"], row["programme"], "")
        await telling.tell_person(stack, ctx, person, said, f"returned/{row['transfer_id']}")


async def own_uncollected(stack: Stack, ctx: Context) -> list[Uncollected]:
    """The actor's payments that go back soon."""
    person = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-uncollected", person)
    async with stack.db.transaction(permit) as tx:
        found = await store_uncollected.own(tx, person)
        log.append(tx, permit, subject=person, detail={"what": "payments not collected", "count": len(found)})
    return found


async def keep_payments(stack: Stack, ctx: Context) -> int:
    """The actor keeps the payments that would go back; how many they were."""
    person: PersonId = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.keep-payment", person)
    async with stack.db.transaction(permit) as tx:
        kept = await store_uncollected.keep(tx, person)
        log.append(tx, permit, subject=person, detail={"what": "payments kept", "count": kept})
    return kept
