"""Receipts by text message: for cash, payments received and payments made, as each person chose, in her language.

The journal itself is read behind the writer, so that a payment costs nothing more. How far it was read is kept; each
message is claimed by transfer and person in the transaction that hands it to the outbox: none is lost or sent twice.
"""

import tomllib
from functools import cache
from importlib.resources import files

from msgspec import Struct, structs

from msingi.identity import acts as identity
from msingi.kernel import log, money, once, policy
from msingi.kernel.context import Actor, Context, Kind, job_context
from msingi.kernel.crossing import crossing
from msingi.kernel.db import Row
from msingi.kernel.errors import Erased, NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack
from msingi.payments import homes, parties, rules
from msingi.payments.bank import store_telling

JOB = "payments-telling"
STRETCH = 20_000  # rows of the journal at once
CASH = {"CSHI": "cash_in", "CSHO": "cash_out"}
SILENT = frozenset({"FEE", "FEES", "COMM"})


class Wish(Struct, frozen=True):
    """Which receipts come by text message, and whether they say the balance, which whoever holds the phone reads."""

    cash: bool = False
    received: bool = False
    made: bool = False
    balance: bool = False


@crossing("payments", "portal")
async def own_telling(stack: Stack, ctx: Context) -> Wish:
    """What the actor has chosen; without a choice nothing is sent."""
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-telling", me)
    async with stack.db.transaction(permit) as tx:
        found = await store_telling.telling(tx, me)
        log.append(tx, permit, subject=me, detail={"what": "receipts by message"})
    return Wish(*found) if found else Wish()


@crossing("payments", "portal")
async def choose_telling(stack: Stack, ctx: Context, wish: Wish) -> None:
    """Choose which receipts come by text message; nothing that happened before is told."""
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.choose-telling", me)
    async with stack.db.transaction(permit) as tx:
        await store_telling.choose(tx, me, structs.astuple(wish), ctx.at)
        log.append(tx, permit, subject=me, detail={"what": "receipts by message chosen"})


async def tell(stack: Stack) -> int:
    """Send what has not been told yet; how many messages were handed on."""
    done = 0
    for shard in homes.known(stack):
        if homes.home(stack, shard) is stack:  # a shard of its own database tells nobody yet
            done += await _tell_shard(stack, shard)
    return done


async def _tell_shard(stack: Stack, shard: int) -> int:
    ctx = job_context(JOB, "payment", "contract")
    async with stack.db.reading("payments") as tx:
        first, last, is_new = await store_telling.told(tx, shard)
    if first >= last and not is_new:
        return 0
    last = min(last, first + STRETCH)
    permit = policy.decide(ctx, "payments.tell", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        due = await store_telling.to_be_told(tx, shard, first, last)
        log.append(tx, permit, detail={"what": "receipts by message", "count": len(due)})
    done = 0
    for row in due:
        said = _said(stack, row)
        if said:
            key = f"{row['id']}/{row['person_id']}"
            done += await tell_person(stack, ctx, PersonId(row["person_id"]), said, key)
    async with stack.db.transaction(permit) as tx:
        await store_telling.tell_on(tx, shard, last)
        log.append(tx, permit, detail={"what": "journal told", "shard": shard})
    return done


@cache
def texts() -> dict[str, dict[str, str]]:
    """The sentences by language."""
    return tomllib.loads((files("msingi.payments.bank") / "telling.toml").read_text("utf-8"))


def _said(stack: Stack, row: Row) -> dict[str, str]:
    """What a person is told of a movement, in every language; nothing where it was not asked for."""
    kind = CASH.get(row["code"]) or ("made" if row["paid"] else "received")
    wanted = row["cash"] if row["code"] in CASH else row[kind]
    if not wanted or row["code"] in SILENT:
        return {}
    currency = stack.profile.currency
    blanks = {
        "amount": written(stack, row["amount"], row["currency"]),
        "name": row["name"] or rules.masked_number(rules.number_of(row["other"])),
        "ref": str(row["id"])[:8],
        "balance": written(stack, row["after"], currency.code),
    }
    more = ("balance",) if row["balance"] else ()
    return {tongue: "".join(t[part] for part in (kind, *more)).format(**blanks) for tongue, t in texts().items()}


def written(stack: Stack, minor: int, code: str) -> str:
    """An amount as people of the country write it."""
    profile = stack.profile
    if code != profile.currency.code:
        return f"{minor} {code}"
    return money.format(minor, profile.currency, profile.group_separator, profile.decimal_point)


@crossing("payments", room="identity")
async def tell_person(stack: Stack, ctx: Context, person: PersonId, said: dict[str, str], key: str) -> bool:
    """Send one of the sentences to a person's phone, in her language, once; False where no phone is known.

    It is done where the record is: the bank learns neither phone nor language.
    """
    reader = structs.replace(ctx, actor=Actor(Kind.JOB, parties.NAMES, assurance=2), purpose="payment")
    try:
        known = (await identity.read_person(stack, reader, person)).demographics
    except (NotFound, Erased):
        return False
    if not known.phone:
        return False
    text = said.get(known.language) or said.get(stack.profile.language) or next(iter(said.values()))
    permit = policy.decide(ctx, "identity.tell-holder", person)
    async with stack.db.transaction(permit) as tx:
        if await once.claim(tx, "identity", f"receipt:{key}", text):
            return False
        await stack.outbox.emit(tx, "sms.requested", SmsRequested(known.phone, text, "receipt"))
        log.append(tx, permit, subject=person, detail={"what": "receipt by message"})
        await once.settle(tx, "identity", f"receipt:{key}", b"sent")
    return True
