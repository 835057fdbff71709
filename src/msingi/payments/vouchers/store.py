"""The only file of vouchers that runs SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.payments.rules import id_of, number_of
from msingi.payments.vouchers.model import Scheme, ShopOrder, State, Voucher, VoucherOrder

Q = sql.load(__name__)


class Spending(Struct, frozen=True):
    """What a shop took of a voucher; `state` is begun, paid or refused, `account` where the money goes."""

    serial: str
    key: str
    shop: str
    account: int
    amount: int
    state: str
    transfer_id: UUID | None
    begun_at: datetime


class Move(Struct, frozen=True):
    """Money that was put into a scheme, or went back to its payer, for `vouchers` vouchers."""

    scheme_id: UUID
    key: str
    amount: int
    vouchers: int
    is_return: bool
    settled: bool
    transfer_id: UUID | None
    at: datetime


class Known(Struct, frozen=True):
    """What an id of the caller's became before; printed numbers are not known here."""

    serial: str
    content: bytes
    expires_at: datetime
    printed: bool


class Kept(Struct, frozen=True):
    """A voucher with what is known of its scheme."""

    voucher: Voucher
    institution: str
    scheme: str
    digits: int
    printed: bool


def _uuid(found: UUID | None) -> UUID | None:
    return UUID(bytes=found.bytes) if found is not None else None


def _scheme(row: Row) -> Scheme:
    return Scheme(
        scheme_id=UUID(bytes=row["scheme_id"].bytes), institution=row["institution"], code=row["code"],
        name=row["name"], payer=number_of(row["payer"]), trust=number_of(row["trust"]), currency=row["currency"],
        digits=row["digits"], groups=tuple(row["groups"]), days=row["days"], systems=tuple(row["systems"]),
        funded_minor=row["funded"], allotted_minor=row["allotted"], opened_by=row["opened_by"],
        opened_at=row["opened_at"], closed_at=row["closed_at"],
    )  # fmt: skip


def _kept(row: Row) -> Kept:
    found = Voucher(
        serial=row["serial"], scheme_id=UUID(bytes=row["scheme_id"].bytes), instruction_id=row["instruction_id"],
        group=row["category"], amount_minor=row["amount"], left_minor=row["remaining"], currency=row["currency"],
        in_parts=row["in_parts"], state=State(row["state"]), comment=row["comment"], issued_by=row["issued_by"],
        issued_at=row["issued_at"], expires_at=row["expires_at"],
    )  # fmt: skip
    return Kept(found, row["institution"], row["name"], row["digits"], row["printed"])


def _spending(row: Row) -> Spending:
    name = row["serial"], row["key"], row["shop"], row["account_id"], row["amount"], row["state"]
    return Spending(*name, _uuid(row["transfer_id"]), row["begun_at"])


def _move(row: Row) -> Move:
    said = row["key"], row["amount"], row["vouchers"], row["is_return"], row["settled"]
    return Move(UUID(bytes=row["scheme_id"].bytes), *said, _uuid(row["transfer_id"]), row["at"])


async def add_scheme(tx: Tx, s: Scheme) -> bool:
    """Open a scheme; False where its code is taken."""
    money = id_of(s.payer), id_of(s.trust), s.currency, s.digits
    rest = list(s.groups), s.days, list(s.systems), s.opened_by, s.opened_at
    return await tx.do(Q.add_scheme, s.scheme_id, s.institution, s.code, s.name, *money, *rest) == 1


async def scheme(tx: Tx, scheme_id: UUID) -> Scheme | None:
    """A scheme."""
    row = await tx.row(Q.scheme, scheme_id)
    return _scheme(row) if row else None


async def scheme_by_code(tx: Tx, institution: str, code: str) -> Scheme | None:
    """The scheme that a code stands for."""
    row = await tx.row(Q.scheme_by_code, institution, code)
    return _scheme(row) if row else None


async def schemes(tx: Tx, institution: str, after: str, limit: int) -> list[Scheme]:
    """A page of an institution's schemes."""
    return [_scheme(row) for row in await tx.rows(Q.schemes, institution, after, limit)]


async def schemes_of_system(tx: Tx, institution: str, system: str) -> list[Scheme]:
    """The open schemes for which a system acts."""
    return [_scheme(row) for row in await tx.rows(Q.schemes_of_system, institution, system)]


async def allot(tx: Tx, scheme_id: UUID, amount: int) -> bool:
    """Give money to vouchers; False where it is not there."""
    return await tx.do(Q.allot, scheme_id, amount) == 1


async def give_back(tx: Tx, scheme_id: UUID, funded: int, allotted: int) -> None:
    """Money leaves a scheme."""
    await tx.do(Q.give_back, scheme_id, funded, allotted)


async def close_scheme(tx: Tx, scheme_id: UUID, at: datetime) -> int | None:
    """Close a scheme; what is free in it, None where it was closed before."""
    return await tx.value(Q.close_scheme, scheme_id, at)


async def approve_shop(tx: Tx, scheme_id: UUID, order: ShopOrder, who: str, at: datetime) -> None:
    """Let a shop take vouchers."""
    await tx.do(Q.approve_shop, scheme_id, order.shop, list(order.groups), order.details, who, at)


async def strike_shop(tx: Tx, scheme_id: UUID, shop: str) -> bool:
    """Let a shop take no more vouchers; whether it did."""
    return await tx.do(Q.strike_shop, scheme_id, shop) == 1


async def shop_groups(tx: Tx, scheme_id: UUID, shop: str) -> tuple[str, ...]:
    """The groups that a shop is approved for in a scheme."""
    return tuple(await tx.value(Q.shop_groups, scheme_id, shop) or ())


async def shops(tx: Tx, scheme_id: UUID, after: str, limit: int) -> list[ShopOrder]:
    """A page of a scheme's shops."""
    rows = await tx.rows(Q.shops, scheme_id, after, limit)
    return [ShopOrder(row["shop"], tuple(row["groups"]), row["details"]) for row in rows]


async def shops_named(tx: Tx, institution: str, details: str) -> list[str]:
    """The numbers of the shops that an institution's own register calls so."""
    return list(dict.fromkeys(row["shop"] for row in await tx.rows(Q.shop_named, institution, details)))


async def takes_vouchers(tx: Tx, shops: Sequence[str]) -> bool:
    """Whether one of some shops takes vouchers."""
    return await tx.value(Q.takes_vouchers, shops)


async def places(tx: Tx, count: int) -> list[int]:
    """Draw places in the register."""
    return [row["place"] for row in await tx.rows(Q.voucher_places, count)]


async def instructions(tx: Tx, scheme_id: UUID, ids: Sequence[str]) -> dict[str, Known]:
    """What some ids became before."""
    rows = await tx.rows(Q.instructions, scheme_id, ids)
    return {r["instruction_id"]: Known(r["serial"], bytes(r["content"]), r["expires_at"], r["printed"]) for r in rows}


async def add_vouchers(
    tx: Tx, scheme_id: UUID, new: Mapping[str, VoucherOrder], keys: Sequence[bytes], content: Sequence[bytes],
    who: tuple[str, datetime, datetime],
) -> bool:  # fmt: skip
    """Keep new vouchers by serial; False where an id, a serial or a number is taken. `who` issued, when, until when."""
    serials, orders = list(new), list(new.values())
    ids = [one.instruction_id for one in orders]
    columns = (
        *(serials, ids, [one.group for one in orders], [one.amount_minor for one in orders]),
        *([one.in_parts for one in orders], [bool(one.serial) for one in orders], [one.comment for one in orders]),
    )
    kept = await tx.do(Q.add_vouchers, scheme_id, *columns, *who)
    noted = await tx.do(Q.add_instructions, scheme_id, ids, serials, content)
    keyed = await tx.do(Q.add_numbers, keys, serials)
    return kept == noted == keyed == len(serials)


async def add_holders(tx: Tx, people: Sequence[PersonId], serials: Sequence[str], at: datetime) -> None:
    """Give vouchers to people."""
    await tx.do(Q.add_holders, people, serials, at)


async def holders(tx: Tx, serials: Sequence[str]) -> dict[str, PersonId]:
    """Who holds some vouchers."""
    rows = await tx.rows(Q.holders, serials)
    return {row["serial"]: PersonId(UUID(bytes=row["person_id"].bytes)) for row in rows}


async def vouchers_of(tx: Tx, person: PersonId, limit: int) -> list[Kept]:
    """The newest vouchers of a person."""
    return [_kept(row) for row in await tx.rows(Q.vouchers_of, person, limit)]


async def vouchers(tx: Tx, serials: Sequence[str], *, lock: bool = False) -> dict[str, Kept]:
    """Some vouchers by serial; `lock` holds them until the transaction ends."""
    if lock:
        await tx.rows(Q.lock_vouchers, serials)
    return {row["serial"]: _kept(row) for row in await tx.rows(Q.vouchers, serials)}


async def page(tx: Tx, scheme_id: UUID, after: str, limit: int) -> list[Voucher]:
    """A page of a scheme's vouchers."""
    return [_kept(row).voucher for row in await tx.rows(Q.voucher_page, scheme_id, after, limit)]


async def set_states(tx: Tx, serials: Sequence[str], state: State) -> None:
    """Say in which state vouchers are."""
    await tx.do(Q.set_states, serials, state.value)


async def serial_of_number(tx: Tx, key: bytes) -> str | None:
    """The voucher that a number spends."""
    return await tx.value(Q.serial_of_number, key)


async def tried(tx: Tx, serial: str, most: int) -> None:
    """Count a wrong number that was tried on a voucher."""
    await tx.do(Q.tried, serial, most)


async def spending(tx: Tx, serial: str, key: str) -> Spending | None:
    """What was taken of a voucher under a key."""
    row = await tx.row(Q.spending, serial, key)
    return _spending(row) if row else None


async def begin(tx: Tx, s: Spending, state: State, who: str) -> None:
    """Take an amount off a voucher and note for whom, before it is paid."""
    await tx.do(Q.begin_spending, s.serial, s.key, s.shop, s.account, s.amount, who, s.begun_at)
    await tx.do(Q.take, s.serial, s.amount, state.value)


async def end(tx: Tx, s: Spending, transfer_id: UUID | None) -> bool:
    """Say how a spending has ended: paid, or, without a transfer, refused and put back. False where that was said."""
    ended = await tx.do(Q.end_spending, s.serial, s.key, "paid" if transfer_id else "refused", transfer_id) == 1
    if ended and transfer_id is None:
        await tx.do(Q.put_back, s.serial, s.amount)
    return ended


async def spendings_open(tx: Tx, before: datetime, limit: int) -> list[Spending]:
    """What was begun and has not ended."""
    return [_spending(row) for row in await tx.rows(Q.spendings_open, before, limit)]


async def spendings_of(tx: Tx, serial: str, limit: int) -> list[Spending]:
    """What was taken of a voucher."""
    return [_spending(row) for row in await tx.rows(Q.spendings_of, serial, limit)]


async def restful(tx: Tx, now: datetime) -> list[UUID]:
    """Schemes from whose vouchers something goes back."""
    return [UUID(bytes=row["scheme_id"].bytes) for row in await tx.rows(Q.restful, now)]


async def release(tx: Tx, scheme_id: UUID, now: datetime, limit: int) -> tuple[int, int]:
    """Take what is left off vouchers that ended: the sum, and of how many."""
    row = await tx.row(Q.release, scheme_id, now, limit)
    assert row is not None
    return row["freed"], row["vouchers"]


async def add_move(tx: Tx, m: Move, who: str) -> bool:
    """Note a movement of money; False where its key is taken."""
    return await tx.do(Q.add_move, m.scheme_id, m.key, m.amount, m.vouchers, m.is_return, who, m.at) == 1


async def move(tx: Tx, scheme_id: UUID, key: str) -> Move | None:
    """One movement."""
    row = await tx.row(Q.move, scheme_id, key)
    return _move(row) if row else None


async def moves(tx: Tx, scheme_id: UUID, limit: int) -> list[Move]:
    """The newest movements of a scheme."""
    return [_move(row) for row in await tx.rows(Q.moves, scheme_id, limit)]


async def moves_open(tx: Tx, limit: int) -> list[Move]:
    """Money that goes back and has not arrived."""
    return [_move(row) for row in await tx.rows(Q.moves_open, limit)]


async def settle_move(tx: Tx, m: Move, transfer_id: UUID) -> None:
    """The transfer was posted: what was put in can be given to vouchers. Once, however often it is said."""
    if await tx.do(Q.settle_move, m.scheme_id, m.key, transfer_id) == 1 and not m.is_return:
        await tx.do(Q.put_in, m.scheme_id, m.amount)


async def waiting_paper(tx: Tx, scheme_id: UUID, issued_at: datetime, now: datetime, limit: int) -> list[Row]:
    """Vouchers of one issue that wait to be handed out on paper: serial, category, amount, expires_at."""
    return await tx.rows(Q.waiting_paper, scheme_id, issued_at, now, limit)


async def issues(tx: Tx, scheme_id: UUID, now: datetime, limit: int) -> list[Row]:
    """What was issued together and waits to be handed out: issued_at, vouchers, amount, paper."""
    return await tx.rows(Q.issues, scheme_id, now, limit)


async def serials_of_issue(tx: Tx, scheme_id: UUID, issued_at: datetime, limit: int) -> list[str]:
    """The vouchers of one issue that wait to be handed out."""
    return [row["serial"] for row in await tx.rows(Q.serials_of_issue, scheme_id, issued_at, limit)]


async def redemptions(tx: Tx, scheme_id: UUID, before: datetime, limit: int) -> list[Row]:
    """What shops took of a scheme's vouchers: serial, shop, amount, begun_at."""
    return await tx.rows(Q.redemptions, scheme_id, before, limit)
