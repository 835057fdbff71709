"""The money of accounts that sleep for years: handed to the authority, and paid back to owner and heirs.

While it is handed over, an account belongs to the handing-over alone (its holder's reference is lent), so that no order
of anybody else meets it half done. The transfer's id and amount are kept before the ledger is asked (law 3), and
whatever breaks off is taken up by the next run. A claim is counted before it is paid, and given back if the ledger
refuses it (law 4).
"""

from contextlib import suppress
from datetime import date
from uuid import UUID

from msingi.kernel import log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.db import Row
from msingi.kernel.errors import Refusal
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import errors, homes, ledger, orders, parties, shards, store_shared
from msingi.payments import rules as ledger_rules
from msingi.payments.bank.tariff import Dormant
from msingi.payments.dormant import rules, store
from msingi.payments.dormant.errors import AuthorityNotOpen
from msingi.payments.model import Flag, Outcome

JOB = "payments-dormant"
CODE = "UNCL"
AT_ONCE = 100
OTHER_STOPS = int(Flag.NO_DEBIT | Flag.CLOSED)


def _job() -> Context:
    return job_context(JOB, "payment", "legal-obligation")


async def hand_over(stack: Stack, law: Dormant, shard: int, now: date) -> int:
    """Hand over what sleeps so long; how many accounts were worked on. Nothing while the authority has no account."""
    permit = policy.decide(_job(), "payments.follow-dormancy", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await store.to_hand_over(tx, shard, now, AT_ONCE)
        tx.repeated = not rows
        if rows:
            log.append(tx, permit, detail={"what": "accounts to be handed over", "count": len(rows)})
        else:
            tx.release(permit)
    done = 0
    for row in rows:
        done += await _one(stack, law, permit, row, now)
    return done


async def _one(stack: Stack, law: Dormant, permit: Permit, row: Row, now: date) -> bool:
    """Hand over one account; False where it waits, because the authority has no account or an order stops it."""
    account = row["account_id"]
    async with stack.db.reading("payments") as tx:
        keeper = await store.trust_account(tx, law.authority, row["currency"])
    async with homes.home(stack, ledger_rules.shard_of(account)).db.reading("payments") as near:
        hot = await store.hot(near, account)
    if keeper is None or hot is None:
        return False
    if row["handing"] is None:
        amount = ledger_rules.available(hot["posted"], hot["reserved"], hot["floor"])
        if hot["flags"] & OTHER_STOPS or amount <= 0:  # a court's order comes first; an empty account has nothing
            async with stack.db.transaction(permit) as tx:
                await store.end_handing(tx, account, rules.later(now, 1))
                log.append(tx, permit, detail={"what": "nothing to be handed over"})
            return True
        owner, tier, attempt = hot["owner"], hot["tier"], row["attempt"] + 1
    else:
        amount, owner, tier, attempt = row["amount"], row["owner"], row["tier"], row["attempt"]
    lent = parties.holder_ref(stack, f"dormant:{account}")
    by = orders.By(permit, lent, f"dormant/{account}")
    name = parties.institution_name(stack, law.authority)
    order = orders.pay(by, f"{row['since']}/{attempt}", account, keeper, amount, row["currency"], CODE, payee=name)
    async with stack.db.transaction(permit) as tx:
        if row["handing"] is None:
            await store.begin_handing(tx, account, order.id, amount, tier, owner)
        async with shards.beside(stack, account, permit, tx) as near:
            await store.lend(near, account, lent)
        log.append(tx, permit, detail={"what": "account about to be handed over"})
    (ended,) = await ledger.post(stack, [order])
    posted = isinstance(ended, Outcome) and not ended.reason
    async with stack.db.transaction(permit) as tx:
        async with shards.beside(stack, account, permit, tx) as near:
            await store.give_back(near, account, owner, tier)
        if posted:
            await store.add_unclaimed(tx, row, order.id, amount, now)
        # Interest may arrive later: looked at again in a year. What the ledger refused is tried again tomorrow.
        await store.end_handing(tx, account, rules.later(now, 12) if posted else now)
        for person in await store_shared.owners_of(tx, account):
            log.append(tx, permit, subject=person, detail={"what": "money handed over", "to": name, "amount": amount})
        log.append(tx, permit, detail={"what": "account handed over", "done": posted})
    return posted


async def pay_claim(stack: Stack, law: Dormant, case: Row) -> None:
    """Pay a claim that is counted already; repeated, it pays nothing twice. Raises AuthorityNotOpen, or the ledger's
    reason, and then the claim counts no more."""
    shard, case_id = case["shard"], store.plain(case["case_id"])
    permit = policy.decide(_job(), "payments.pay-unclaimed", policy.ANYONE)
    async with stack.db.reading("payments") as tx:
        keeper = await store.trust_account(tx, law.authority, case["currency"])
    if keeper is None:
        await _not_paid(stack, permit, case)
        raise AuthorityNotOpen()
    by = orders.By(permit, parties.institution_ref(stack, law.authority), "unclaimed")
    name = parties.institution_name(stack, law.authority)
    wanted = keeper, case["credit"], case["amount"], case["currency"], CODE
    try:
        errors.check(await ledger.post(stack, [orders.pay(by, str(case_id), *wanted, payer=name)]))
    except Refusal as refused:
        await _not_paid(stack, permit, case)
        if isinstance(refused, errors.InsufficientFunds):
            raise AuthorityNotOpen() from None
        raise
    async with stack.db.transaction(permit) as tx:
        await store.case_state(tx, case, "done", case["decided_by"])
        for person in {*await store_shared.owners_of(tx, case["account_id"])}:
            log.append(tx, permit, subject=person, detail={"what": "unclaimed money paid", "amount": case["amount"]})
        log.append(tx, permit, detail={"what": "claim paid", "shard": shard})


async def pay_broken_off(stack: Stack, law: Dormant) -> None:
    """Pay the claims whose payment broke off."""
    permit = policy.decide(_job(), "payments.pay-unclaimed", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = [row for row in await store.open_cases(tx, AT_ONCE) if row["state"] == "paying"]
        tx.repeated = not rows
        if not rows:
            return tx.release(permit)
        log.append(tx, permit, detail={"what": "claims to be paid", "count": len(rows)})
    for row in rows:
        with suppress(Refusal):  # why not is written on the case; the claim counts no more
            await pay_claim(stack, law, row)


async def _not_paid(stack: Stack, permit: Permit, case: Row) -> None:
    async with stack.db.transaction(permit) as tx:
        await store.claim(tx, case["account_id"], store.plain(case["unclaimed"]), -case["amount"])
        await store.case_state(tx, case, "refused", case["decided_by"])
        log.append(tx, permit, detail={"what": "claim not paid"})


async def count_claim(tx: store.Tx, account: int, transfer: UUID, amount: int) -> None:
    """Count a claim against what was handed over. Raises NothingUnclaimed where so much is not left (law 4)."""
    rules.check_claim(amount, *await store.left_of(tx, account, transfer))
    await store.claim(tx, account, transfer, amount)
