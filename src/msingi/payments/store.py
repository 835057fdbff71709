"""All SQL of the ledger and the accounts; decisions are made elsewhere."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from msgspec import structs

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.errors import Overtaken
from msingi.kernel.ids import PersonId
from msingi.kernel.inline import listed
from msingi.payments import packing
from msingi.payments.batch import Batch
from msingi.payments.book import Book, instant, micros
from msingi.payments.model import SHARD_BITS, Account, AccountKind, Entry, Flag, Hold, Outcome
from msingi.payments.moves import Original
from msingi.payments.rules import MAX_BALANCE_MINOR, account_id, available, masked_number, number_of, shard_of

Q = sql.load(__name__)
PAGE = 20_000


class FenceLost(Exception):
    """Another writer has moved the shard on: what was decided here rests on a past state."""


class IdsTaken(Exception):
    """A batch repeats transfer ids that were committed before this memory's time."""


async def persist(tx: Tx, book: Book, batch: Batch) -> None:
    """Write a decided batch with the transaction's commit: fence, balances, chain, journal, ids, remarks, holds.

    All of it travels in one message. `failure_of` says what it means when the commit fails.
    """
    columns = [f"{{{str(column)[1:-1]}}}" for column in batch.state]  # a list of numbers reads like an array's literal
    numbers = book.shard, book.epoch, batch.first_seq, batch.next_seq, len(batch.rows)
    tx.later.append((Q.settle_batch, (*numbers, batch.prev, batch.root, batch.head, instant(batch.at_us), *columns)))
    tx.pour("payments.journal", packing.JOURNAL, packing.stream(batch.copies))
    tx.pour("payments.transfer_id", packing.IDS, packing.stream(batch.ids))
    if batch.remarks:
        tx.pour("payments.remittance", packing.REMARKS, packing.stream(map(packing.remark, batch.remarks)))
    if batch.held:
        holds = zip(*[structs.astuple(hold)[:8] for hold in batch.held.values()], strict=True)
        tx.later.append((Q.add_holds, (book.shard, *map(list, holds))))
    if batch.released:
        tx.later.append((Q.end_holds, (book.shard, list(batch.released))))


def failure_of(failure: Exception) -> Exception:
    """Why a batch was not committed: FenceLost, IdsTaken, or the failure as it is."""
    if isinstance(failure, Overtaken):
        return FenceLost("another writer has moved the shard on")
    table = str(getattr(failure, "table_name", ""))
    if isinstance(failure, asyncpg.UniqueViolationError) and table == "transfer_id":
        return IdsTaken()
    return failure


async def standing(tx: Tx, shard: int) -> Row:
    """Where a shard stands: epoch, seq, head."""
    found = await tx.row(Q.shard, shard)
    if found is None:
        raise RuntimeError(f"shard {shard} does not exist")
    return found


async def load(tx: Tx, book: Book) -> None:
    """Fill an empty book from the database. The seq is read first: what is newer makes the fence refuse."""
    _stand(book, await standing(tx, book.shard))
    last = -1
    while True:
        page = await tx.rows(Q.accounts_page, book.shard, last, PAGE)
        book.put_many([tuple(row) for row in page])
        if len(page) < PAGE:
            break
        last = page[-1]["id"]
    await _load_holds(tx, book)


async def meet_transits(tx: Tx, book: Book) -> None:
    """Take the accounts towards other shards into the book."""
    rows = await tx.rows(Q.transits, book.shard)
    await meet(tx, book, {row["account_id"] for row in rows})
    for row in rows:
        book.transit[row["other"], row["currency"]] = row["account_id"] >> SHARD_BITS


async def open_transit(tx: Tx, shard: int, other: int, currency: str, owner: int, at: datetime) -> None:
    """Open the account of a shard towards another one in a currency, unless it is there."""
    if not await tx.do(Q.claim_transit, shard, other, currency):
        return
    label = f"{shard}-{other}"
    account = await open_institution_account(
        tx, "ledger", owner, AccountKind.TRANSIT, currency, -MAX_BALANCE_MINOR, label, at, shard
    )
    await tx.do(Q.name_transit, shard, other, currency, account)


async def _load_holds(tx: Tx, book: Book) -> None:
    """Take the transit accounts and all open holds into the book."""
    await meet_transits(tx, book)
    rows = await tx.rows(Q.holds, book.shard)
    book.hold_on(Hold(_uuid(row["id"]), *tuple(row)[1:]) for row in rows)


def _uuid(found: UUID) -> UUID:
    return UUID(bytes=found.bytes)


async def meet_originals(tx: Tx, book: Book, ids: Iterable[UUID]) -> int:
    """Take rows into the book that orders name; how many were found."""
    rows = await tx.rows(Q.originals, list(ids), book.shard)
    for row in rows:
        left = row["amount"] - row["reversed"]
        known = Original(row["kind"], row["debit"], row["credit"], row["currency"], left)
        book.originals.put(_uuid(row["id"]), known)
    return len(rows)


async def open_shard(tx: Tx, shard: int) -> None:
    """Give a shard its fence and its numbering."""
    await tx.do(Q.open_shard, shard)
    await tx.do(Q.open_numbering, shard)


async def waiting_crossings(tx: Tx, shard: int, before: datetime) -> list[tuple[UUID, int]]:
    """Transfers to other shards whose reservation is older than `before` and still open: id and seq."""
    return [(_uuid(row["id"]), row["seq"]) for row in await tx.rows(Q.waiting_crossings, shard, before)]


async def rows_between(tx: Tx, shard: int, first: int, last: int) -> list[Row]:
    """Journal rows of a shard, with the owner of each open hold among them."""
    return await tx.rows(Q.rows_between, shard, first, last)


async def end_of(tx: Tx, hold: UUID) -> Row | None:
    """The row that paid out of a hold."""
    return await tx.row(Q.end_of, hold)


async def shards_due(tx: Tx, now_us: int) -> list[int]:
    """The shards in which the time of some hold is over."""
    return [row["shard"] for row in await tx.rows(Q.shards_due, now_us)]


async def meet(tx: Tx, book: Book, accounts: Iterable[int]) -> None:
    """Take accounts into the book that it has not met."""
    _put(book, await tx.rows(Q.accounts_by_id, book.shard, sorted(accounts)))


async def catch_up(tx: Tx, book: Book, committed: int, suspects: set[int]) -> None:
    """Bring the book to the database's state: re-read `suspects` and all that was touched since seq `committed`."""
    remembered = book.epoch
    _stand(book, await standing(tx, book.shard))
    touched = {row["id"] for row in await tx.rows(Q.touched_since, book.shard, committed)}
    restricted = {row["id"] for row in await tx.rows(Q.restricted, book.shard, remembered)}
    transits = {index << SHARD_BITS | book.shard for index in book.transit.values()}
    await meet(tx, book, touched | suspects | restricted | transits | book.restricted())
    await _load_holds(tx, book)


async def restrict_holder(tx: Tx, person: PersonId, flag: int, on: bool) -> int:
    """Set or lift a flag on all accounts of a person, and make the writers read again; how many changed.

    The fences come first, as in every batch, so that neither waits for the other in a circle.
    """
    if flag == Flag.OUT_OF_USE:
        await tx.do(Q.signer_in_use, person, not on)
    shards = {row["account_id"] & 255 for row in await tx.rows(Q.held_accounts, person)}
    if not shards:
        return 0
    await tx.do(Q.move_fence, sorted(shards))
    return len(await tx.rows(Q.restrict_holder, person, flag, on))


async def keep_recovering(tx: Tx, person: PersonId, until: datetime) -> None:
    """A holder pays out small amounts only until then."""
    await tx.do(Q.keep_recovering, person, until)


async def recovered_by(tx: Tx, at: datetime, limit: int) -> list[PersonId]:
    """Holders whose days of small amounts are over."""
    return [PersonId(row["person_id"]) for row in await tx.rows(Q.recovered_by, at, limit)]


async def end_recovering(tx: Tx, person: PersonId, at: datetime) -> bool:
    """Forget it; False if it is not over."""
    return await tx.do(Q.end_recovering, person, at) == 1


async def flag(tx: Tx, account: int, flags: int, on: bool) -> bool:
    """Set or lift flags of an open account, and make its writer read again; False if there is none."""
    await tx.do(Q.move_fence, [shard_of(account)])
    return await tx.do(Q.flag_account, shard_of(account), account, flags, on) == 1


async def close(tx: Tx, account: int) -> bool:
    """Close an account that holds nothing, and make its writer read again; False if it holds something."""
    await tx.do(Q.move_fence, [shard_of(account)])
    return await tx.do(Q.close_account, shard_of(account), account) == 1


async def no_default(tx: Tx, owner: PersonId, account: int) -> None:
    """A closed wallet is no longer the one that a phone number leads to."""
    await tx.do(Q.no_default, owner, account)


async def holder_ref_of(tx: Tx, account: int) -> int | None:
    """The reference of whoever holds an account."""
    return await tx.value(Q.holder_ref_of, shard_of(account), account)


async def recall(tx: Tx, book: Book, ids: Sequence[UUID]) -> int:
    """Remember how old orders with these ids ended; the number that were known."""
    rows = await tx.rows(Q.known_ids, ids)
    for row in rows:
        outcome = Outcome(row["seq"], row["reason"], row["debit_after"], row["credit_after"], micros(row["at"]))
        book.remember(row["id"], bytes(row["body_hash"]), outcome)
    return len(rows)


def _stand(book: Book, row: Row) -> None:
    book.stand(row["epoch"], row["seq"], bytes(row["head"]), micros(row["last_at"]) if row["last_at"] else 0)


def _put(book: Book, rows: Iterable[Row]) -> None:
    for row in rows:
        book.put(*row)


async def full_chapters(tx: Tx) -> list[tuple[int, int]]:
    """The chapters of the journal that are full and have no index of accounts yet: shard and first seq."""
    return [(row["shard"], row["first_seq"]) for row in await tx.rows(Q.full_chapters)]


async def index_chapter(tx: Tx, shard: int, first_seq: int, legs: str) -> bool:
    """Build the index of a full chapter by `legs` (debit or credit); False where somebody else is at it."""
    return await tx.value(Q.index_chapter, shard, first_seq, legs)


async def open_person_accounts(
    tx: Tx,
    people: Sequence[PersonId],
    owners: Sequence[int],
    kind: AccountKind,
    currency: str,
    tier: int,
    defaults: Sequence[bool],
    at: datetime,
    shard: int = 0,
) -> list[int]:
    """Open one account for each of `people` (with their owner references); the account ids in the same order."""
    ids = await _number(tx, shard, len(people))
    await tx.do(Q.open_accounts, shard, listed(ids), listed(owners), 0, tier, currency, kind)
    await name_holders(tx, people, ids, kind, currency, defaults, at, shard)
    return ids


async def name_holders(
    tx: Tx,
    people: Sequence[PersonId],
    ids: Sequence[int],
    kind: AccountKind,
    currency: str,
    defaults: Sequence[bool],
    at: datetime,
    shard: int,
) -> None:
    """Say whose the accounts of a shard are, wherever they live."""
    await tx.do(Q.add_holders, listed(people), listed(ids), kind, currency, defaults, at)
    await tx.do(Q.add_owners, shard, listed(ids), listed(people))


async def open_institution_account(
    tx: Tx,
    institution: str,
    owner: int,
    kind: AccountKind,
    currency: str,
    floor: int,
    label: str,
    at: datetime,
    shard: int = 0,
) -> int:
    """Open an account of an institution; its id."""
    (account,) = await _number(tx, shard, 1)
    await tx.do(Q.open_accounts, shard, listed([account]), listed([owner]), floor, 0, currency, kind)
    await tx.do(Q.add_institution_account, institution, account, kind, currency, label, at)
    return account


async def _number(tx: Tx, shard: int, count: int) -> list[int]:
    first = await tx.value(Q.next_index, shard, count)
    return [account_id(first + n, shard) for n in range(count)]


async def default_wallets(tx: Tx, people: Sequence[PersonId]) -> dict[PersonId, tuple[int, str]]:
    """The default wallets (account id, currency) of those of `people` who have one."""
    rows = await tx.rows(Q.default_wallets, listed(people))
    return {PersonId(UUID(bytes=r["person_id"].bytes)): (r["account_id"], r["currency"]) for r in rows}


async def held(tx: Tx, person: PersonId | None, institution: str) -> list[Row]:
    """The accounts of a person, or else of an institution; without balances where they live in another database."""
    return await (tx.rows(Q.held_accounts, person) if person else tx.rows(Q.institution_accounts, institution))


async def accounts(tx: Tx, person: PersonId | None, institution: str) -> list[Account]:
    """Those accounts of a person, or else of an institution, that live in this database."""
    return [account_of(row, row) for row in await held(tx, person, institution) if row["posted"] is not None]


async def some_accounts(tx: Tx, shard: int, accounts: Sequence[int]) -> list[Row]:
    """Some accounts of a shard with their balances."""
    return await tx.rows(Q.accounts_by_id, shard, accounts)


def account_of(row: Row, hot: Row) -> Account:
    """An account as its holder sees it, from a row of `held` and the row that has its balances."""
    return Account(
        number_of(row["account_id"]),
        AccountKind(row["kind"]),
        row["currency"],
        hot["tier"],
        hot["posted"],
        available(hot["posted"], hot["reserved"], hot["floor"]),
        row["is_default"],
        row["opened_at"],
        row["label"],
    )


async def account(tx: Tx, account: int) -> Row | None:
    """One account of the ledger: currency, kind, flags, posted, reserved, floor."""
    return await tx.row(Q.account, shard_of(account), account)


async def owner_of(tx: Tx, account: int) -> PersonId | None:
    """The person who holds an account, if a person does and the permit reaches that person."""
    found = await tx.value(Q.owner_of, shard_of(account), account)
    return PersonId(UUID(bytes=found.bytes)) if found else None


async def institution_of(tx: Tx, account: int) -> Row | None:
    """The institution that holds an account: institution, label, kind, currency."""
    return await tx.row(Q.institution_of, account)


async def issue_account(tx: Tx, currency: str) -> Row | None:
    """The account of the issuing side in a currency: institution, account_id."""
    return await tx.row(Q.issue_account, currency)


async def entries(tx: Tx, account: int, before_seq: int, limit: int) -> list[Entry]:
    """A page of posted entries, newest first, older than `before_seq`."""
    rows = await tx.rows(Q.entries, shard_of(account), account, before_seq, limit)
    return [
        Entry(
            r["seq"],
            str(r["id"]),
            r["at"],
            r["amount"],
            r["balance"],
            r["name"] or masked_number(number_of(r["other"])),
            r["reference"] or "",
            r["code"],
        )
        for r in rows
    ]


async def balance_at(tx: Tx, account: int, at: datetime) -> int:
    """The balance after the last entry up to `at`; 0 before the first."""
    return await tx.value(Q.balance_at, shard_of(account), account, at) or 0


async def transfer(tx: Tx, transfer_id: UUID) -> Row | None:
    """A transfer as journalled, if the permit reaches one of its accounts."""
    return await tx.row(Q.transfer, transfer_id)


async def count_alias(tx: Tx, actor: str, at: datetime, window_s: int) -> int:
    """Count one alias look-up; how many it makes in the running window."""
    return await tx.value(Q.count_alias, actor, at, at - timedelta(seconds=window_s))


async def shards(tx: Tx) -> list[Row]:
    """All shards: shard, epoch, seq, head."""
    return await tx.rows(Q.shards)


async def every_holder(tx: Tx) -> list[PersonId]:
    """Everybody who holds an account, each once."""
    return [PersonId(row["person_id"]) for row in await tx.rows(Q.every_holder)]
