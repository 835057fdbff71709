"""The only file of exchange that runs SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.rates.model import Quote, QuoteState, Rate, RateOrder, RateState

Q = sql.load(__name__)
_ORDER = (
    *("source", "target", "middle", "spread_bp", "fee_minor", "fee_bp", "least_minor", "most_minor"),
    *("valid_from", "valid_until"),
)


class Dealt(NamedTuple):
    """A currency that the house deals in, on one shard: its position and its account for fees."""

    currency: str
    shard: int
    digits: int
    position: int
    fees: int
    limit_minor: int


class Kept(NamedTuple):
    """A quote with whose it is, and with which key and accounts it was confirmed."""

    quote: Quote
    owner: int
    key: str
    payer: int
    payee: int
    terms: bytes


async def positions(tx: Tx) -> list[Dealt]:
    """What the house deals in, on every shard."""
    return [Dealt(*tuple(row)) for row in await tx.rows(Q.positions)]


async def put_position(tx: Tx, made: Dealt) -> bool:
    """Deal in a currency; False if the house did already."""
    return bool(await tx.do(Q.put_position, *made))


async def add_rates(tx: Tx, rates: Sequence[Rate]) -> None:
    """Keep rates that were proposed together."""
    first = rates[0]
    columns = [[getattr(rate.order, name) for rate in rates] for name in _ORDER]
    await tx.do(Q.add_rates, [r.id for r in rates], first.batch, first.proposed_by, first.proposed_at, *columns)


async def proposers(tx: Tx, batch: UUID) -> set[str]:
    """Who proposed what waits of a batch, locked; empty if nothing waits."""
    return {row["proposed_by"] for row in await tx.rows(Q.batch_locked, batch)}


async def decide(tx: Tx, batch: UUID, state: RateState, who: str, at: datetime) -> int:
    """Decide about what waits of a batch; how many rates."""
    return await tx.do(Q.decide_batch, batch, state, who, at)


async def withdraw(tx: Tx, rate: UUID, who: str, at: datetime) -> bool:
    """Take an approved rate back; False if there is none."""
    return bool(await tx.do(Q.withdraw, rate, who, at))


async def rates(tx: Tx, before: tuple[datetime, UUID], limit: int) -> list[Rate]:
    """Rates, newest proposals first."""
    return [_rate(row) for row in await tx.rows(Q.rates, *before, limit)]


async def in_force(tx: Tx, at: datetime) -> list[Rate]:
    """The rates in force at an instant, one for each pair."""
    return [_rate(row) for row in await tx.rows(Q.in_force, at)]


def _rate(row: Row) -> Rate:
    order = RateOrder(**{name: row[name] for name in _ORDER})
    ids = UUID(bytes=row["id"].bytes), UUID(bytes=row["batch"].bytes)
    decided = row["decided_by"], row["decided_at"]
    return Rate(*ids, order, RateState(row["state"]), row["proposed_by"], row["proposed_at"], *decided)


async def add_quote(tx: Tx, quote: Quote, owner: int, rate: UUID) -> None:
    """Keep a quote."""
    await tx.do(
        Q.add_quote, UUID(quote.id), owner, rate, quote.source, quote.target, quote.total_minor, quote.fee_minor,
        quote.converted_minor, quote.target_minor, quote.margin_minor, f"{quote.rate} {quote.middle}",
        quote.valid_until,
    )  # fmt: skip


async def quote(tx: Tx, id_: UUID) -> Kept | None:
    """A quote by its id."""
    row = await tx.row(Q.quote, id_)
    if row is None:
        return None
    rate, _, middle = row["told"].partition(" ")
    names = ("source", "target", "total_minor", "fee_minor", "converted_minor", "target_minor", "margin_minor")
    made = Quote(
        id=str(row["id"]), rate=rate, middle=middle, valid_until=row["valid_until"], state=QuoteState(row["state"]),
        **{name: row[name] for name in names},
    )  # fmt: skip
    return Kept(made, row["owner"], row["key"], row["payer"], row["payee"], bytes(row["terms"]))


async def take_quote(tx: Tx, id_: UUID, owner: int, key: str, accounts: tuple[int, int], now: datetime) -> bool:
    """Confirm a quote; False unless it is this holder's, still valid and not confirmed yet."""
    return bool(await tx.do(Q.take_quote, id_, owner, key, *accounts, now))


async def turn(tx: Tx, id_: UUID, before: QuoteState, after: QuoteState) -> bool:
    """A quote goes from one state to another; False if it was not in the first."""
    return bool(await tx.do(Q.end_quote, id_, before, after))


async def put_terms(tx: Tx, id_: UUID, terms: bytes) -> None:
    """Keep what an offered conversion is for."""
    await tx.do(Q.put_terms, id_, terms)


async def held_for(tx: Tx, before: datetime, limit: int) -> list[str]:
    """Conversions that are held for something else, and whose quote ended before an instant."""
    return [str(row["id"]) for row in await tx.rows(Q.held_for, before, limit)]


async def left_open(tx: Tx, paying_before: datetime, held_before: datetime, limit: int) -> list[tuple[str, QuoteState]]:
    """Quotes that were confirmed and not brought to their end: (id, state)."""
    rows = await tx.rows(Q.left_open, paying_before, held_before, limit)
    return [(str(row["id"]), QuoteState(row["state"])) for row in rows]
