"""All SQL of the switch."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.rules import shard_of
from msingi.payments.switch.model import (
    Fsp,
    FspAccount,
    Letter,
    NetLine,
    Pair,
    Part,
    Proof,
    Proposal,
    ProposalState,
    SettledCurrency,
    Settlement,
    Speaks,
    Standing,
    State,
    Talk,
    Transfer,
    Wanted,
    Window,
    WindowState,
)
from msingi.payments.switch.rules import is_low

Q = sql.load(__name__)
_PARTS = msgspec.msgpack.Decoder(tuple[Part, ...])
_HEADERS = msgspec.msgpack.Decoder(dict[str, str])
_encode = msgspec.msgpack.encode


async def currencies(tx: Tx) -> list[SettledCurrency]:
    """The currencies that are settled."""
    return [
        SettledCurrency(r["currency"], r["digits"], Settlement(r["settlement"]), r["outside"])
        for r in await tx.rows(Q.currencies)
    ]


async def put_currency(tx: Tx, made: SettledCurrency) -> bool:
    """Settle a currency; False if it was settled already."""
    return bool(await tx.do(Q.put_currency, made.currency, made.digits, made.settlement, made.outside))


async def fsps(tx: Tx) -> list[Fsp]:
    """Every participant."""
    return [
        Fsp(
            r["fsp"], r["institution"], r["name"], r["key"], r["endpoint"], r["active"], Proof(r["proof"]),
            r["joined_at"], Speaks(r["speaks"]),
        )
        for r in await tx.rows(Q.fsps)
    ]  # fmt: skip


async def secrets(tx: Tx) -> dict[str, tuple[bytes, bytes | None]]:
    """The token hash and the wrapped private key of every participant."""
    return {r["fsp"]: (bytes(r["token_hash"]), r["secret"]) for r in await tx.rows(Q.fsp_secrets)}


async def put_fsp(tx: Tx, made: Fsp, token_hash: bytes, secret: bytes | None) -> bool:
    """Let a participant join; False if its name is taken."""
    return bool(
        await tx.do(
            Q.put_fsp, made.fsp, made.institution, made.name, made.key, token_hash, made.endpoint, made.proof,
            made.joined_at, secret, made.speaks,
        )
    )  # fmt: skip


async def change_fsp(
    tx: Tx, fsp: str, endpoint: str | None, key: str | None, active: bool | None, token_hash: bytes | None
) -> bool:
    """Change what is not None; False if there is no such participant."""
    return bool(await tx.do(Q.change_fsp, fsp, endpoint, key, active, token_hash))


async def accounts(tx: Tx) -> list[FspAccount]:
    """What all participants hold."""
    return [_account(r) for r in await tx.rows(Q.fsp_accounts)]


async def locked(tx: Tx, fsp: str, currency: str) -> FspAccount | None:
    """What a participant holds in a currency, locked until the end of the transaction."""
    row = await tx.row(Q.fsp_account_locked, fsp, currency)
    return _account(row) if row else None


def _account(r: Row) -> FspAccount:
    return FspAccount(
        r["fsp"], r["currency"], r["cover"], r["position"], r["guarantee"], r["wanted_minor"], r["active"]
    )


async def put_account(tx: Tx, made: FspAccount) -> bool:
    """Let a participant settle in a currency; False if it does."""
    return bool(await tx.do(Q.put_fsp_account, made.fsp, made.currency, made.cover, made.position, made.guarantee))


async def change_account(tx: Tx, fsp: str, currency: str, wanted_minor: int | None, active: bool | None) -> None:
    """Change what is not None."""
    await tx.do(Q.change_fsp_account, fsp, currency, wanted_minor, active)


async def pairs(tx: Tx) -> list[Pair]:
    """The conversions that are offered now."""
    return [Pair(*tuple(r)) for r in await tx.rows(Q.pairs)]


async def put_pair(tx: Tx, pair: Pair, active: bool) -> None:
    """A participant offers a conversion, or does no longer."""
    await tx.do(Q.put_pair, pair.fsp, pair.source, pair.target, active)


async def standing(tx: Tx, held: FspAccount) -> Standing:
    """How a participant stands, as the ledger says now."""
    found = await balances(tx, [held.cover, held.position, held.guarantee])
    (cover, kept), (balance, reserved) = found[held.cover], found[held.position]
    limit = -found[held.guarantee][0]
    position = limit - balance
    # Without a limit each transfer is settled at once, out of the cover.
    low = is_low(limit, position, reserved) if limit else is_low(cover, 0, kept)
    return Standing(held.currency, cover - kept, limit, held.wanted_minor, position, reserved, held.active, low)


async def debts(tx: Tx, fsp: str, currency: str) -> int:
    """What a participant owes in windows not settled yet, without what it is owed in others."""
    return await tx.value(Q.debts, fsp, currency)


async def unsettled_before(tx: Tx, number: int) -> int:
    """How many windows before this one are not settled."""
    return await tx.value(Q.unsettled_before, number)


async def balances(tx: Tx, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Posted and reserved amounts of accounts."""
    found: dict[int, tuple[int, int]] = {}
    for shard in sorted({shard_of(i) for i in ids}):
        rows = await tx.rows(Q.balances, shard, [i for i in ids if shard_of(i) == shard])
        found |= {r["id"]: (r["posted"], r["reserved"]) for r in rows}
    return found


async def party_fsp(tx: Tx, ref: bytes, currency: str) -> str:
    """Which participant keeps a party's account; empty if none is registered."""
    return await tx.value(Q.party_fsp, ref, currency) or ""


async def put_party(tx: Tx, ref: bytes, currency: str, fsp: str, at: datetime) -> bool:
    """Register a party; False if another participant registered it."""
    return bool(await tx.do(Q.put_party, ref, currency, fsp, at))


async def drop_party(tx: Tx, ref: bytes, currency: str, fsp: str) -> bool:
    """End a registration of this participant's; False if it has none."""
    return bool(await tx.do(Q.drop_party, ref, currency, fsp))


async def begin_talks(tx: Tx, talks: Sequence[Talk], at: datetime) -> set[tuple[str, str]]:
    """Keep requests; the (resource, id) of those that are new."""
    columns = (
        [t.resource for t in talks],
        [t.id for t in talks],
        [t.hash for t in talks],
        [t.source for t in talks],
        [t.destination for t in talks],
    )
    return {(r["resource"], r["id"]) for r in await tx.rows(Q.begin_talks, *columns, at)}


async def talk(tx: Tx, resource: str, id_: str) -> Talk | None:
    """A request by its id."""
    row = await tx.row(Q.talk, id_, resource)
    return Talk(row["resource"], row["id"], bytes(row["hash"]), row["source"], row["destination"]) if row else None


async def begin_transfers(tx: Tx, transfers: Sequence[Transfer]) -> set[str]:
    """Keep reserved transfers; the ids of those that are new."""
    columns = [
        [getattr(t, name) for t in transfers]
        for name in (
            *("id", "hash", "resource", "payer", "payee", "currency", "amount_minor", "condition", "expires_at"),
            *("hold", "flavour", "funder", "linked", "target_currency", "target_minor"),
        )
    ]
    columns.append([_encode(t.parts) for t in transfers])
    return {r["id"] for r in await tx.rows(Q.begin_transfers, *columns)}


async def promise(tx: Tx, promised: Sequence[Transfer]) -> set[str]:
    """Keep the fulfilment of conversions that are reserved still; the ids of those that this promised."""
    found = await tx.rows(Q.promise, [t.id for t in promised], [t.fulfilment for t in promised])
    return {r["id"] for r in found}


async def prolong(tx: Tx, deciding: Sequence[Transfer]) -> None:
    """Let the conversions behind these transfers wait for them."""
    await tx.do(Q.prolong, [t.linked for t in deciding], [t.expires_at for t in deciding])


async def end_transfers(tx: Tx, ended: Sequence[Transfer]) -> set[str]:
    """End transfers that are reserved still; the ids of those that this ended."""
    columns = [[getattr(t, n) for t in ended] for n in ("id", "state", "fulfilment", "completed_at", "settled_minor")]
    return {r["id"] for r in await tx.rows(Q.end_transfers, *columns)}


async def transfer(tx: Tx, id_: str) -> Transfer | None:
    """A transfer by its id."""
    row = await tx.row(Q.transfer, id_)
    return _transfer(row) if row else None


async def overdue(tx: Tx, before: datetime, limit: int) -> list[Transfer]:
    """Reserved transfers whose expiry was before an instant."""
    return [_transfer(row) for row in await tx.rows(Q.overdue, before, limit)]


def _transfer(r: Row) -> Transfer:
    return Transfer(
        *(r["id"], bytes(r["hash"]), r["resource"], r["payer"], r["payee"], r["currency"]),
        *(r["amount"], r["condition"], r["expires_at"], UUID(bytes=r["hold"].bytes)),
        *(r["flavour"], _PARTS.decode(r["parts"])),
        *(State(r["state"]), r["fulfilment"], r["completed_at"], r["settled"]),
        *(r["funder"], r["linked"], r["target_currency"], r["target"]),
    )


async def post_letters(tx: Tx, letters: Sequence[Letter], due: datetime) -> None:
    """Keep messages to be sent; `due` is when somebody else may take them up."""
    columns = (
        [m.id for m in letters],
        [m.fsp for m in letters],
        [m.method for m in letters],
        [m.path for m in letters],
        [_encode(m.headers) for m in letters],
        [m.body for m in letters],
        [m.until for m in letters],
    )
    await tx.do(Q.post_letters, *columns, due)


async def drop_letters(tx: Tx, ids: Sequence[UUID]) -> None:
    """Forget messages."""
    await tx.do(Q.drop_letters, ids)


async def postpone_letters(tx: Tx, later: Sequence[tuple[UUID, datetime]]) -> None:
    """Try messages again later."""
    await tx.do(Q.postpone_letters, [i for i, _ in later], [d for _, d in later])


async def due_letters(tx: Tx, now: datetime, limit: int) -> list[Letter]:
    """Messages that should have been sent by now."""
    return [
        Letter(
            *(UUID(bytes=r["id"].bytes), r["fsp"], r["method"], r["path"], _HEADERS.decode(r["headers"])),
            *(bytes(r["body"]), r["until"], r["tries"]),
        )
        for r in await tx.rows(Q.due_letters, now, limit)
    ]


async def windows(tx: Tx, before: int, limit: int) -> list[Window]:
    """Windows, newest first."""
    return [_window(r) for r in await tx.rows(Q.windows, before, limit)]


async def open_window(tx: Tx, at: datetime) -> bool:
    """Open a window unless one is open; whether it did."""
    return bool(await tx.do(Q.open_window, at))


async def close_window(tx: Tx, number: int, at: datetime) -> bool:
    """Close an open window; False if it is not open."""
    return bool(await tx.do(Q.close_window, number, at))


async def window_locked(tx: Tx, number: int) -> Window | None:
    """A window, locked."""
    row = await tx.row(Q.window_locked, number)
    return _window(row) if row else None


def _window(r: Row) -> Window:
    return Window(r["window"], WindowState(r["state"]), r["opened_at"], r["closed_at"], r["settled_at"])


async def settle_window(tx: Tx, number: int, at: datetime, lines: Sequence[NetLine]) -> None:
    """Keep the report of a window, and that it is settled."""
    names = ("fsp", "currency", "sent", "sent_minor", "received", "received_minor")
    await tx.do(Q.keep_lines, number, *[[getattr(line, n) for line in lines] for n in names])
    await tx.do(Q.settle_window, number, at)


async def lines(tx: Tx, window: Window) -> list[NetLine]:
    """What participants sent and received: as it was settled, or as the transfers of the window say."""
    query = Q.settled_lines if window.state is WindowState.SETTLED else Q.window_lines
    return [NetLine(*tuple(row)) for row in await tx.rows(query, window.window)]


async def hold_owner(tx: Tx, shard: int, hold: UUID) -> tuple[int, int] | None:
    """The keyed hash of whose account an open hold reserves, and its amount; None if it is not open."""
    row = await tx.row(Q.hold_owner, shard, hold)
    return (row["owner"], row["amount"]) if row else None


def _proposal(row: Row) -> Proposal:
    return Proposal(
        str(row["id"]), msgspec.json.decode(row["content"], type=Wanted), row["proposed_by"], row["proposed_at"],
        ProposalState(row["state"]), row["decided_by"], row["decided_at"],
    )  # fmt: skip


async def put_proposal(tx: Tx, made: Proposal) -> Proposal:
    """Keep a proposal; the first one of this id."""
    await tx.do(Q.put_proposal, UUID(made.id), msgspec.json.encode(made.wanted), made.proposed_by, made.proposed_at)
    kept = await proposal(tx, UUID(made.id))
    assert kept is not None
    return kept


async def proposal(tx: Tx, id_: UUID) -> Proposal | None:
    """A proposal by its id."""
    row = await tx.row(Q.proposal, id_)
    return _proposal(row) if row is not None else None


async def proposals(tx: Tx, limit: int) -> list[Proposal]:
    """What waits for a second officer, oldest first."""
    return [_proposal(row) for row in await tx.rows(Q.proposals, limit)]


async def end_proposal(tx: Tx, id_: UUID, state: ProposalState, who: str, at: datetime) -> bool:
    """A proposal was decided; False if it was before."""
    return bool(await tx.do(Q.end_proposal, id_, state, who, at))
