"""The money of a seizure: held as it comes in, paid over, freed; each part written before the ledger is asked."""

import tomllib
from collections.abc import Collection
from contextlib import suppress
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from uuid import UUID

from msingi.kernel import log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import Refusal
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import errors, homes, ledger, orders, store_shared
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import telling
from msingi.payments.groups.mandates import today
from msingi.payments.model import Outcome
from msingi.payments.seizures import rules, store
from msingi.payments.seizures.model import Kept, Part, State

JOB = "payments-seizures"
CODE = "SEIZ"
AT_ONCE = 200
DAY_S = 86_400
PAYING = "paying"
OPEN = ("asked", "open", PAYING)


def job() -> Context:
    """The context in which the bank itself holds and frees."""
    return job_context(JOB, "payment", "legal-obligation")


def _permit() -> Permit:
    return policy.decide(job(), "payments.hold-seized", policy.ANYONE)


async def grow(stack: Stack, seizure_id: UUID) -> int:
    """Hold what the order wants and the account can give now; how much more is held. Repeated, nothing is held twice.

    The limits of the account's tier are about what its holder orders, not about this. A freeze holds nothing more, and
    needs nothing held.
    """
    held = 0
    while (grown := await _grow(stack, seizure_id)) is not None and not grown[1]:
        held += grown[0].amount
    return held


async def _grow(stack: Stack, seizure_id: UUID) -> tuple[Part, int] | None:
    """One part: written down, asked for, and how it ended (0: held); None if there is nothing."""
    permit = _permit()
    async with stack.db.transaction(permit) as tx:
        kept = await store.seizure(tx, seizure_id, hold=True)
        tx.repeated = True
        if kept is None or kept.state != State.ACTIVE:
            return None
        known = await store.parts(tx, seizure_id)
        part = next((p for p in known if p.state == "asked"), None)  # a program broke off: the same is asked again
        row, owner = await homes.account_and_holder(stack, kept.account)
        if part is None and row is not None:
            left = kept.amount - kept.held - kept.paid
            more = rules.holdable(left, row["posted"], row["reserved"], row["floor"], kept.protected)
            if more:
                place = len(known) + 1
                hold = ledger_rules.transfer_id(_scope(seizure_id), f"hold/{place}", _shard(kept))
                part = Part(place=place, hold=hold, amount=more, state="asked")
                await store.add_part(tx, seizure_id, part)
                tx.repeated = False
                log.append(tx, permit, detail={"what": "money to be held by an order"})
    if part is None:
        return None
    order = orders.reserve(
        orders.By(permit, owner, _scope(seizure_id)), f"hold/{part.place}", kept.account, kept.pay_to, part.amount,
        kept.currency, CODE, timeout_s=_until(stack, kept), reference=kept.number, payee=kept.pay_to_name,
    )  # fmt: skip
    (ending,) = await ledger.post(stack, [order])
    reason = int(ending.reason) if isinstance(ending, Outcome) else -1
    async with stack.db.transaction(permit) as tx:
        await store.set_part(tx, seizure_id, part.place, "refused" if reason else "open")
        for person in await store_shared.owners_of(tx, kept.account) or [None]:
            told: dict[str, str | int | bool] = {"what": "money held by an order", "held": not reason}
            log.append(tx, permit, subject=person, detail=told | {"number": kept.number})
    return part, reason


def _scope(seizure_id: UUID) -> str:
    return f"seizure/{seizure_id}"


def _shard(kept: Kept) -> int:
    return ledger_rules.shard_of(kept.account)


def _until(stack: Stack, kept: Kept) -> int:
    """Seconds for which a part is held: a day longer than the order, so that the order's end frees it and not the
    clock. The same for each repetition: counted from the day on which the order was entered."""
    entered = (kept.made_at + timedelta(minutes=stack.profile.utc_offset_minutes)).date()
    return min(((kept.last_day - entered).days + 2) * DAY_S, orders.MAX_TIMEOUT_S)


async def pay(stack: Stack, permit: Permit, kept: Kept, states: Collection[str] = ("open", PAYING)) -> int:
    """Pay over all that is held; minor units. Raises the ledger's reason. Repeated, nothing is paid twice.

    That a part is to be paid is written before the ledger is asked: cut off in between, `run` finishes it.
    """
    async with stack.db.transaction(permit) as tx:
        found = [p for p in await store.parts(tx, kept.seizure_id) if p.state in states]
        for part in found:
            await store.set_part(tx, kept.seizure_id, part.place, PAYING)
        log.append(tx, permit, detail={"what": "order to be paid over", "parts": len(found)})
    _, owner = await homes.account_and_holder(stack, kept.account)
    by, paid = orders.By(permit, owner, _scope(kept.seizure_id)), 0
    for part in found:
        made = orders.commit(
            by, f"pay/{part.place}", part.hold, part.amount, kept.currency, CODE, reference=kept.number
        )
        errors.check(await ledger.post(stack, [made]))
        paid += part.amount
        await _part(stack, permit, kept, part, "paid")
    return paid


async def settle(stack: Stack, permit: Permit, seizure_id: UUID, officer: str = "") -> bool:
    """End an order in force whose whole amount was paid over; whether this call ended it."""
    async with stack.db.transaction(permit) as tx:
        kept = await store.seizure(tx, seizure_id, hold=True)
        ended = bool(kept and kept.paid >= kept.amount) and await store.end(tx, seizure_id, State.PAID, officer, "")
        tx.repeated = not ended
        if ended:
            log.append(tx, permit, detail={"what": "order paid over"})
    return ended


async def free(stack: Stack, permit: Permit, kept: Kept) -> None:
    """Free all that is held, and finish paying over what an officer had begun to. Repeated, it changes nothing."""
    with suppress(errors.HoldEnded):
        await pay(stack, permit, kept, (PAYING,))
    async with stack.db.transaction(permit) as tx:
        found = [p for p in await store.parts(tx, kept.seizure_id) if p.state in OPEN]
        log.append(tx, permit, detail={"what": "order to be ended", "parts": len(found)})
    _, owner = await homes.account_and_holder(stack, kept.account)
    by = orders.By(permit, owner, _scope(kept.seizure_id))
    for part in found:
        void = orders.void(by, f"void/{part.place}", part.hold, kept.currency, CODE)
        with suppress(errors.HoldEnded, errors.NoSuchHold):  # its time was over, or it never came to be
            errors.check(await ledger.post(stack, [void]))
        await _part(stack, permit, kept, part, "void")


async def _part(stack: Stack, permit: Permit, kept: Kept, part: Part, state: str) -> None:
    async with stack.db.transaction(permit) as tx:
        await store.set_part(tx, kept.seizure_id, part.place, state)
        for person in await store_shared.owners_of(tx, kept.account) or [None]:
            log.append(tx, permit, subject=person, detail={"what": f"held by an order: {state}", "number": kept.number})


async def run(stack: Stack, ctx: Context, day: date | None = None) -> int:
    """Look at each order in force: hold what came in, end those whose day is over; how many were looked at."""
    day, after, seen = day or today(stack), UUID(int=0), 0
    permit = policy.decide(ctx, "payments.hold-seized", policy.ANYONE)
    while True:
        async with stack.db.transaction(permit) as tx:
            found = await store.active(tx, after, AT_ONCE)
            tx.repeated = not found
            if found:
                log.append(tx, permit, detail={"what": "orders in force", "count": len(found)})
        for seizure_id in found:
            await _look(stack, permit, seizure_id, day)
            seen += 1
        if len(found) < AT_ONCE:
            return seen
        after = found[-1]


async def _look(stack: Stack, permit: Permit, seizure_id: UUID, day: date) -> None:
    async with stack.db.transaction(permit) as tx:
        kept = await store.seizure(tx, seizure_id)
        tx.repeated = True
        begun = kept is not None and any(p.state == PAYING for p in await store.parts(tx, seizure_id))
    if kept is None:
        return
    if begun:
        with suppress(errors.HoldEnded):
            await pay(stack, permit, kept, (PAYING,))
    if await settle(stack, permit, seizure_id):
        return
    if kept.last_day >= day:
        await grow(stack, seizure_id)
        return
    await free(stack, permit, kept)
    async with stack.db.transaction(permit) as tx:
        ended = await store.end(tx, seizure_id, State.EXPIRED, "", "")
        for person in await store_shared.owners_of(tx, kept.account) or [None]:
            log.append(tx, permit, subject=person, detail={"what": "order has ended", "number": kept.number})
    if ended:
        await tell(stack, kept, "ended")


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("msingi.payments.seizures") / "telling.toml").read_text("utf-8"))


async def tell(stack: Stack, kept: Kept, what: str, amount: int = 0, contest: dict[str, str] | None = None) -> None:
    """Tell whoever holds the account by text message, in the own language, once for each thing (law 4)."""
    permit = _permit()
    async with stack.db.transaction(permit) as tx:
        people = await store_shared.owners_of(tx, kept.account)
        log.append(tx, permit, detail={"what": "holders to be told"})
    blanks = {
        "number": kept.number, "authority": kept.authority, "to": kept.pay_to_name,
        "account": ledger_rules.masked_number(ledger_rules.number_of(kept.account)),
        "amount": telling.written(stack, amount or kept.amount, kept.currency),
        "protected": telling.written(stack, kept.protected, kept.currency),
    }  # fmt: skip
    other = next(iter((contest or {}).values()), "")
    said = {
        tongue: texts[what].format(contest=(contest or {}).get(tongue, other), **blanks)
        for tongue, texts in _texts().items()
    }
    teller = job_context(telling.JOB, "payment", "legal-obligation")
    for person in people:
        try:
            await telling.tell_person(stack, teller, person, said, f"seizure/{kept.seizure_id}/{what}/{amount}")
        except Refusal:
            continue  # nobody to be told by phone: the page says it
