"""The only file of dormant accounts that runs SQL."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.seal import Seals
from msingi.payments.dormant.rules import Step
from msingi.payments.rules import shard_of

Q = sql.load(__name__)
REASON = "payments.dormant.reason"


def plain(found: UUID) -> UUID:
    """A UUID of the standard library, as the rest of the stack compares them."""
    return UUID(bytes=found.bytes)


async def fresh(tx: Tx, shard: int, before: datetime, limit: int) -> list[Row]:
    """Accounts of people that are not followed yet."""
    return await tx.rows(Q.fresh_accounts, shard, await tx.value(Q.followed, shard) or 0, before, limit)


async def follow(tx: Tx, shard: int, rows: Sequence[Row], opened: Sequence[date], looks: Sequence[date]) -> None:
    """Follow accounts from now on."""
    columns = [r["account_id"] for r in rows], [r["kind"] for r in rows], [r["currency"] for r in rows]
    await tx.do(Q.add_dormancy, shard, *columns, opened, looks)


async def followed(tx: Tx, shard: int, upto: int) -> None:
    """Remember how far a shard's accounts are followed."""
    await tx.do(Q.follow_on, shard, upto)


async def to_look_at(tx: Tx, shard: int, day: date, limit: int) -> list[Row]:
    """Accounts that are to be looked at by a day."""
    return await tx.rows(Q.to_look_at, shard, day, limit)


async def to_hand_over(tx: Tx, shard: int, day: date, limit: int) -> list[Row]:
    """Accounts whose money is to be handed over by a day."""
    return await tx.rows(Q.to_hand_over, shard, day, limit)


async def accounts_of_owners(tx: Tx, shard: int, accounts: Collection[int]) -> dict[int, set[int]]:
    """For each account, all the accounts of those who hold it."""
    found: dict[int, set[int]] = {account: {account} for account in accounts}
    for row in await tx.rows(Q.accounts_of_owners, shard, list(accounts)):
        found[row["asked"]].add(row["account_id"])
    return found


async def owners_of(tx: Tx, shard: int, accounts: Collection[int]) -> dict[int, list[PersonId]]:
    """Who holds these accounts."""
    found: dict[int, list[PersonId]] = {account: [] for account in accounts}
    for row in await tx.rows(Q.owners_of_many, shard, list(accounts)):
        found[row["account_id"]].append(PersonId(plain(row["person_id"])))
    return found


async def last_acts(
    tx: Tx, shard: int, accounts: Collection[int], not_debits: Sequence[str], credits: Sequence[str]
) -> dict[int, datetime]:
    """When the customer last ordered something on accounts of a shard; those without are absent."""
    rows = await tx.rows(Q.last_acts, shard, list(accounts), list(not_debits), list(credits))
    return {row["id"]: row["at"] for row in rows if row["at"] is not None}


async def put_steps(tx: Tx, shard: int, steps: dict[int, Step], today: date) -> None:
    """What became of accounts."""
    found = list(steps.values())
    columns = [s.state.value for s in found], [s.look_on for s in found], [s.falls_on for s in found]
    await tx.do(Q.put_step, shard, list(steps), *columns, today)


async def fence(near: Tx, shard: int) -> int:
    """Make the shard's writer read again; until the transaction ends, nothing is posted there. The new epoch."""
    return await near.value(Q.next_epoch, shard)


async def put_to_sleep(near: Tx, shard: int, accounts: Sequence[int], epoch: int) -> None:
    """Accounts pay nothing from the moment on at which this commits; the fence was moved to `epoch`."""
    slept = [row["id"] for row in await near.rows(Q.put_to_sleep, shard, list(accounts))]
    await near.do(Q.note_sleepers, shard, slept, epoch)


async def wake_up(near: Tx, account: int) -> bool:
    """An account pays again; False if it did not sleep."""
    shard = shard_of(account)
    epoch = await fence(near, shard)
    if await near.do(Q.wake_up, shard, account) != 1:
        return False
    await near.do(Q.note_sleepers, shard, [account], epoch)
    return True


async def lend(near: Tx, account: int, owner: int) -> None:
    """Let only the handing-over debit an account."""
    shard = shard_of(account)
    epoch = await fence(near, shard)
    await near.do(Q.lend_account, shard, account, owner)
    await near.do(Q.note_sleepers, shard, [account], epoch)


async def give_back(near: Tx, account: int, owner: int, tier: int) -> None:
    """The account is its holder's again, and sleeps."""
    shard = shard_of(account)
    epoch = await fence(near, shard)
    await near.do(Q.return_account, shard, account, owner, tier)
    await near.do(Q.note_sleepers, shard, [account], epoch)


async def hot(near: Tx, account: int) -> Row | None:
    """An account of the ledger as it is."""
    return await near.row(Q.hot_account, shard_of(account), account)


async def standing(tx: Tx, accounts: Collection[int]) -> dict[int, Row]:
    """How accounts stand, wherever they live."""
    found: dict[int, Row] = {}
    for shard in {shard_of(account) for account in accounts}:
        some = [account for account in accounts if shard_of(account) == shard]
        found |= {row["account_id"]: row for row in await tx.rows(Q.dormancy, shard, some)}
    return found


async def held(tx: Tx, account: int) -> Row | None:
    """How an account stands, locked until the transaction ends."""
    return await tx.row(Q.hold_dormancy, shard_of(account), account)


async def woken(tx: Tx, account: int, today: date, look_on: date) -> bool:
    """Its customer woke it; False while it is being handed over."""
    return await tx.do(Q.woken, shard_of(account), account, today, look_on) == 1


async def begin_handing(tx: Tx, account: int, transfer: UUID, amount: int, tier: int, owner: int) -> None:
    """The money is to be handed over by this transfer."""
    await tx.do(Q.begin_handing, shard_of(account), account, transfer, amount, tier, owner)


async def end_handing(tx: Tx, account: int, look_on: date) -> None:
    """The handing-over has ended."""
    await tx.do(Q.end_handing, shard_of(account), account, look_on)


async def add_unclaimed(tx: Tx, row: Row, transfer: UUID, amount: int, today: date) -> None:
    """What was handed over."""
    where = shard_of(row["account_id"]), row["account_id"], transfer, row["kind"], row["currency"]
    await tx.do(Q.add_unclaimed, *where, amount, row["since"], today)


async def unclaimed_of(tx: Tx, accounts: Collection[int]) -> list[Row]:
    """What the authority keeps of accounts."""
    found: list[Row] = []
    for shard in {shard_of(account) for account in accounts}:
        found += await tx.rows(Q.unclaimed_of, shard, [a for a in accounts if shard_of(a) == shard])
    return found


async def left_of(tx: Tx, account: int, transfer: UUID) -> tuple[int, int]:
    """What was handed over by a transfer and what of it was claimed, locked until the transaction ends."""
    row = await tx.row(Q.hold_unclaimed, shard_of(account), account, transfer)
    return (row["amount"], row["claimed"]) if row else (0, 0)


async def claim(tx: Tx, account: int, transfer: UUID, amount: int) -> None:
    """So much more of it is claimed."""
    await tx.do(Q.claim, shard_of(account), account, transfer, amount)


async def trust_account(tx: Tx, institution: str, currency: str) -> int | None:
    """Where the authority keeps unclaimed money."""
    return await tx.value(Q.trust_account, institution, currency)


async def add_case(
    tx: Tx, seals: Seals, case_id: UUID, account: int, what: str, unclaimed: UUID | None, credit: int, amount: int,
    currency: str, reason: str, by: str, at: datetime, state: str,
) -> None:  # fmt: skip
    """Keep a proposal or a claim; nothing happens if there is one with this id."""
    sealed = seals.seal_with_room_key(REASON, reason.encode())
    values = unclaimed, credit, amount, currency, sealed, by, at, state
    await tx.do(Q.add_case, shard_of(account), case_id, account, what, *values)


async def open_cases(tx: Tx, limit: int) -> list[Row]:
    """What waits for a second official."""
    return await tx.rows(Q.open_cases, limit)


async def case(tx: Tx, shard: int, case_id: UUID) -> Row | None:
    """A proposal, locked until the transaction ends."""
    return await tx.row(Q.hold_case, shard, case_id)


async def case_state(tx: Tx, row: Row, state: str, by: str) -> None:
    """How a proposal stands now, and who decided."""
    await tx.do(Q.case_state, row["shard"], row["case_id"], state, by)


async def counts(tx: Tx, first: date, last: date) -> Row:
    """How many accounts are told or sleep, and what was handed over in a period."""
    found = await tx.row(Q.counts, first, last)
    assert found is not None
    return found


async def handed_between(tx: Tx, first: date, last: date, after: UUID, limit: int) -> list[Row]:
    """A page of what was handed over in a period."""
    return await tx.rows(Q.handed_between, first, last, after, limit)
