"""Verbs of dormant accounts: look, wake, claim; and for officials propose, confirm, report."""

from datetime import date
from uuid import UUID

from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.crossing import crossing
from msingi.kernel.db import Row, Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import homes, parties, shards, store_shared
from msingi.payments import rules as ledger
from msingi.payments import store as accounts
from msingi.payments.bank import tariff
from msingi.payments.bank.tariff import Dormant
from msingi.payments.dormant import daily, handing, rules, store
from msingi.payments.dormant.errors import NoSuchCase, NotAsleep, NothingUnclaimed, SecondOfficial
from msingi.payments.dormant.model import Handed, HeirOrder, Sleeper, SleeperCase, State, UnclaimedReport, What
from msingi.payments.model import Account

MOST_CASES = 200
MAX_PAGE = 500
NOBODY = UUID(int=0)


def law_of(stack: Stack) -> Dormant:
    """The country's law. Raises NotAsleep where there is none: no account sleeps."""
    found = tariff.of(stack).dormant
    if found is None:
        raise NotAsleep()
    return found


@crossing("payments", "portal")
async def own_sleepers(stack: Stack, ctx: Context) -> list[Sleeper]:
    """The actor's accounts that sleep or are about to, and those of which the authority keeps money."""
    person = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-dormancy", person)
    async with stack.db.transaction(permit) as tx:
        held = {ledger.id_of(a.number): a for a in await shards.accounts(stack, tx, person, "")}
        rows = await store.standing(tx, held.keys())
        kept: dict[int, int] = {}
        for row in await store.unclaimed_of(tx, held.keys()):
            kept[row["account_id"]] = kept.get(row["account_id"], 0) + row["amount"] - row["claimed"]
        log.append(tx, permit, subject=person, detail={"what": "accounts that sleep"})
    return [
        _sleeper(account, rows.get(number), kept.get(number, 0))
        for number, account in held.items()
        if kept.get(number) or (number in rows and rows[number]["state"] != State.ACTIVE)
    ]


def _sleeper(account: Account, row: Row | None, kept: int) -> Sleeper:
    state = State(row["state"]) if row else State.ACTIVE
    asleep = row is not None and state is State.DORMANT
    return Sleeper(
        account=account.number, kind=account.kind, currency=account.currency, state=state,
        balance_minor=account.balance_minor, falls_on=row["falls_on"] if row else None,
        since=row["since"] if row and asleep else None, hand_on=row["look_on"] if row and asleep else None,
        unclaimed_minor=kept,
    )  # fmt: skip


@crossing("payments", "portal")
async def wake(stack: Stack, ctx: Context, number: str) -> None:
    """Say that one is there: the actor's own account, told or asleep, is in use again at once. Needs two factors.

    Raises NoSuchAccount, NotAsleep (also while its money is just being handed over).
    """
    person, account = parties.person_of(ctx), ledger.id_of(number)
    permit = policy.decide(ctx, "payments.wake-account", person)
    async with stack.db.transaction(permit) as tx:
        if account not in {row["account_id"] for row in await accounts.held(tx, person, "")}:
            raise ledger_errors.NoSuchAccount()
        await _wake(stack, permit, tx, account)
        log.append(
            tx, permit, subject=person, detail={"what": "account woken", "account": ledger.masked_number(number)}
        )


async def _wake(stack: Stack, permit: Permit, tx: Tx, account: int) -> None:
    row, law = await store.held(tx, account), law_of(stack)
    if row is None or row["state"] == State.ACTIVE or row["handing"] is not None:
        raise NotAsleep()
    async with shards.beside(stack, account, permit, tx) as near:
        if row["state"] == State.DORMANT and not await store.wake_up(near, account):
            raise NotAsleep()
    now = daily.today(stack)
    if not await store.woken(tx, account, now, rules.first_look(now, law)):
        raise NotAsleep()


@crossing("payments", "portal")
async def claim(stack: Stack, ctx: Context, number: str) -> int:
    """Get back what the authority keeps of an own account, all of it, into that account; how much, in minor units.

    The account is woken by it. Repeated after a break, what was counted is paid, once. Raises NoSuchAccount,
    NothingUnclaimed, AuthorityNotOpen, or the ledger's reason.
    """
    person, account, law = parties.person_of(ctx), ledger.id_of(number), law_of(stack)
    permit = policy.decide(ctx, "payments.claim-unclaimed", person)
    cases: list[Row] = []
    async with stack.db.transaction(permit) as tx:
        if account not in {row["account_id"] for row in await accounts.held(tx, person, "")}:
            raise ledger_errors.NoSuchAccount()
        row = await store.held(tx, account)
        if row is not None and row["state"] == State.DORMANT:
            await _wake(stack, permit, tx, account)
        for kept in await store.unclaimed_of(tx, [account]):
            transfer, left = store.plain(kept["transfer_id"]), kept["amount"] - kept["claimed"]
            await handing.count_claim(tx, account, transfer, left)
            case_id = ledger.transfer_id(f"claim/{transfer}", str(kept["claimed"]))
            values = case_id, account, "owner", transfer, account, left, kept["currency"], "", str(ctx.actor.kind)
            await store.add_case(tx, stack.seal, *values, ctx.at, "paying")
            found = await store.case(tx, ledger.shard_of(account), case_id)
            assert found is not None
            cases.append(found)
        log.append(tx, permit, subject=person, detail={"what": "unclaimed money claimed", "count": len(cases)})
    if not cases:
        raise NothingUnclaimed()
    for case in cases:
        await handing.pay_claim(stack, law, case)
    return sum(case["amount"] for case in cases)


def _official(ctx: Context) -> str:
    return f"{ctx.actor.institution}/{ctx.actor.id}"


@crossing("payments", "portal")
async def propose_waking(stack: Stack, ctx: Context, number: str, reason: str) -> str:
    """Propose to wake the account of a customer who stands at the counter; the id of the case, for a second official.

    The holders read it. Raises NoSuchAccount, NotAsleep, Malformed.
    """
    said, account = rules.check_reason(reason), ledger.id_of(number)
    permit = policy.decide(ctx, "payments.propose-for-sleeper", policy.ANYONE)
    case_id = ledger.transfer_id(f"wake/{account}/{_official(ctx)}", ctx.request_id or ctx.at.isoformat())
    async with stack.db.transaction(permit) as tx:
        row = await store.held(tx, account)
        if row is None or row["state"] != State.DORMANT:
            raise NotAsleep()
        by = _official(ctx)
        await store.add_case(
            tx, stack.seal, case_id, account, "wake", None, 0, 0, row["currency"], said, by, ctx.at, "open"
        )
        await _tell_owners(tx, permit, account, {"what": "waking proposed", "why": said})
    return str(case_id)


@crossing("payments", "portal")
async def propose_heir(stack: Stack, ctx: Context, order: HeirOrder) -> str:
    """Propose to pay an heir out of what the authority keeps of an account; the id of the case. The same key, the same.

    Raises NothingUnclaimed, NoSuchAccount for the heir's account, Malformed.
    """
    said, account = rules.check_reason(order.reason), ledger.id_of(order.account)
    ledger.check_key(order.key)
    credit, by = ledger.id_of(order.to), _official(ctx)
    permit = policy.decide(ctx, "payments.propose-for-sleeper", policy.ANYONE)
    async with homes.home(stack, ledger.shard_of(credit)).db.reading("payments") as near:
        heir = await accounts.account(near, credit)
    if heir is None:
        raise ledger_errors.NoSuchAccount(party="payee")
    case_id = ledger.transfer_id(f"heir/{account}/{by}", order.key)
    async with stack.db.transaction(permit) as tx:
        kept = await store.unclaimed_of(tx, [account])
        enough = [k for k in kept if k["amount"] - k["claimed"] >= order.amount_minor > 0]
        if not enough or heir["currency"] != enough[0]["currency"]:
            raise NothingUnclaimed()
        values = case_id, account, "heir", store.plain(enough[0]["transfer_id"]), credit, order.amount_minor
        await store.add_case(tx, stack.seal, *values, heir["currency"], said, by, ctx.at, "open")
        await _tell_owners(tx, permit, account, {"what": "payment to an heir proposed", "why": said})
    return str(case_id)


async def _tell_owners(tx: Tx, permit: Permit, account: int, told: dict[str, str | int | bool]) -> None:
    for person in await store_shared.owners_of(tx, account) or [None]:
        log.append(tx, permit, subject=person, detail=told)


@crossing("payments", "portal")
async def cases(stack: Stack, ctx: Context) -> list[SleeperCase]:
    """What waits for a second official, the oldest first."""
    permit = policy.decide(ctx, "payments.decide-for-sleeper", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await store.open_cases(tx, MOST_CASES)
        log.append(tx, permit, detail={"what": "cases of accounts that sleep", "count": len(rows)})
    return [_case(stack, row) for row in rows if row["state"] == "open"]


def _case(stack: Stack, row: Row) -> SleeperCase:
    said = stack.seal.unseal_with_room_key(store.REASON, bytes(row["reason"])).decode()
    return SleeperCase(
        case_id=str(row["case_id"]), what=What(row["what"]), account=ledger.number_of(row["account_id"]),
        amount_minor=row["amount"], currency=row["currency"],
        to=ledger.number_of(row["credit"]) if row["credit"] else "", reason=said, asked_by=row["asked_by"],
        asked_at=row["asked_at"], state=row["state"], decided_by=row["decided_by"],
    )  # fmt: skip


@crossing("payments", "portal")
async def decide(stack: Stack, ctx: Context, case_id: str, *, agrees: bool) -> SleeperCase:
    """Confirm or refuse what another official proposed; what is confirmed is done at once.

    Raises NoSuchCase, SecondOfficial for one's own proposal, NotAsleep, NothingUnclaimed, AuthorityNotOpen.
    """
    permit = policy.decide(ctx, "payments.decide-for-sleeper", policy.ANYONE)
    try:
        wanted = UUID(case_id)
    except ValueError:
        raise Malformed("The id of a case is a UUID.", field="case_id", rule="uuid") from None
    by, law = _official(ctx), law_of(stack)
    async with stack.db.transaction(permit) as tx:
        row = await _open_case(stack, tx, wanted)
        if row["asked_by"] == by:
            raise SecondOfficial()
        account, state = row["account_id"], "refused"
        if agrees and row["what"] == What.WAKE:
            await _wake(stack, permit, tx, account)
            state = "done"
        elif agrees:
            await handing.count_claim(tx, account, store.plain(row["unclaimed"]), row["amount"])
            state = "paying"
        await store.case_state(tx, row, state, by)
        told: dict[str, str | int | bool] = {"what": "case decided", "case": row["what"], "agreed": agrees}
        await _tell_owners(tx, permit, account, told)
        decided = await store.case(tx, row["shard"], wanted)
        assert decided is not None
    if state == "paying":
        await handing.pay_claim(stack, law, decided)
    return _case(stack, decided)


async def _open_case(stack: Stack, tx: Tx, case_id: UUID) -> Row:
    for shard in homes.known(stack):
        found = await store.case(tx, shard, case_id)
        if found is not None and found["state"] == "open":
            return found
    raise NoSuchCase()


@crossing("payments", "portal")
async def report(stack: Stack, ctx: Context, year: int, *, after: str = "", limit: int = 100) -> UnclaimedReport:
    """The yearly report to the authority: what was handed over, what was claimed of it, and how many accounts sleep.

    For officers of the bank, the authority's treasurers, and auditors. No names: the bank answers those who ask for
    an account. Raises Malformed.
    """
    if not 2000 <= year <= 9998 or not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A year has four digits, a page 1 to {MAX_PAGE} lines.", field="year", rule="2000..")
    try:
        begin = UUID(after) if after else NOBODY
    except ValueError:
        raise Malformed("`after` is what the page before gave.", field="after", rule="uuid") from None
    rates = tariff.of(stack)
    own = {rates.institution} | ({rates.dormant.authority} if rates.dormant else set())
    may = ctx.actor.kind is Kind.STAFF and (ctx.actor.institution in own or "auditor" in ctx.actor.roles)
    permit = policy.decide(ctx, "payments.report-unclaimed", policy.ANYONE, institution_may_read=may)
    first, last = date(year, 1, 1), date(year, 12, 31)
    async with stack.db.transaction(permit) as tx:
        sums = await store.counts(tx, first, last)
        rows = await store.handed_between(tx, first, last, begin, limit + 1)
        log.append(tx, permit, detail={"what": "report of unclaimed money", "year": year})
    lines = [
        Handed(
            account=ledger.number_of(r["account_id"]), kind=r["kind"], amount_minor=r["amount"],
            claimed_minor=r["claimed"], currency=r["currency"], dormant_since=r["since"], handed_on=r["handed_on"],
            transfer_id=str(r["transfer_id"]),
        )
        for r in rows[:limit]
    ]  # fmt: skip
    return UnclaimedReport(
        year=year, warned=sums["warned"], dormant=sums["dormant"], handed_minor=sums["handed"],
        claimed_minor=sums["claimed"], lines=lines, next_after=lines[-1].transfer_id if len(rows) > limit else None,
    )  # fmt: skip
