"""Cash at agents: paid in (the agent pays out of the own float), and paid out against a code that the customer gives.

An agent is a shop of the category that the tariff names. Cash is handed over only after the ledger has the money:
what a customer asks for is reserved first, so that neither side can lose it, and the reservation ends by itself.
"""

from datetime import timedelta

from msgspec import Struct, structs

from msingi.kernel import log, policy, tally
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack
from msingi.kernel.tally import Limit
from msingi.payments import acts as payments
from msingi.payments import errors as ledger_errors
from msingi.payments import ledger, orders, parties
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import acts, paying, rules, store, store_cash, tariff
from msingi.payments.bank.errors import BankNotOpen, NoSuchAgent, NoSuchCash
from msingi.payments.bank.model import CashAsked, CashIn, CashReceipt, CashWaiting, Merchant
from msingi.payments.model import Account, Order, Reason

CODES = Limit("payments.cash-codes", most=10, window_s=600)
JOB = "payments-bank"


class Agent(Struct, frozen=True):
    """The agency that the actor runs: its register entry and the account that holds the float."""

    shop: Merchant
    account: int

    @property
    def number(self) -> str:
        """The number of that account."""
        return ledger_rules.number_of(self.account)


def quote(stack: Stack, amount_minor: int) -> int:
    """What a customer pays for taking out an amount, in minor units. Raises AmountOutOfRange above the last band."""
    rules.check_amount(amount_minor)
    return tariff.band(tariff.of(stack).agents.cash_out, amount_minor).fee_minor


def is_agent(stack: Stack, shop: Merchant) -> bool:
    """Whether cash can be fetched at a shop."""
    return shop.category == tariff.of(stack).agents.category


@crossing("payments", "portal")
async def own_agency(stack: Stack, ctx: Context, code: str = "") -> Agent:
    """The agency that the actor runs (the one with a number, or the first). Raises NoSuchAgent."""
    category = tariff.of(stack).agents.category
    for own in await acts.own_merchants(stack, ctx):
        if own.merchant.category == category and own.merchant.is_open and code in ("", own.merchant.code):
            return Agent(own.merchant, ledger_rules.id_of(own.account))
    raise NoSuchAgent()


async def _agent(stack: Stack, ctx: Context, code: str) -> store.Shop:
    """An agent whom a customer names. Raises NoSuchAgent."""
    shop = await acts.open_shop(stack, ctx, code)
    if shop.merchant.category != tariff.of(stack).agents.category:
        raise NoSuchAgent()
    return shop


@crossing("payments", "portal")
async def cash_in(stack: Stack, ctx: Context, order: CashIn) -> CashReceipt:
    """Pay what a customer handed over into the customer's account, out of the agent's float, with the commission.

    Where the bank's account of fees is empty the cash is paid in all the same, and the receipt tells a commission of 0.
    Raises NoSuchAgent, NoSuchAccount, AmountOutOfRange, or the ledger's reason.
    """
    rules.check_key(order.key)
    rules.check_amount(order.amount_minor)
    agency = await own_agency(stack, ctx, order.agent)
    who = paying.payer(stack, ctx, "payments.cash-in")
    alias = acts.alias_of(stack, order.customer)
    if alias is None or alias.kind == "merchant":
        raise ledger_errors.NoSuchAccount(party="payee")
    credit, name, currency = await parties.payee(stack, ctx, alias)
    commission = tariff.band(tariff.of(stack).agents.cash_in, order.amount_minor).commission_minor
    by = who.by(f"cash-in/{agency.shop.code}")
    names = {"payer": agency.shop.name, "payee": name}
    paid = orders.pay(by, order.key, agency.account, credit, order.amount_minor, currency, "CSHI", **names)
    reward = await _commission(stack, agency, str(paid.id), commission, currency)
    if reward is not None:
        ended = await ledger.post_linked(stack, [paid, reward])
        if _reason(ended[0]) != Reason.LINKED:
            ledger_errors.check(ended)
            return CashReceipt(paying.receipt_of(paid, ended[0]), agency.shop.code, 0, commission)
        paid = orders.pay(by, f"{order.key}/alone", *_again(paid), "CSHI", **names)
    return CashReceipt(await paying.post(stack, [paid]), agency.shop.code, 0, 0)


def _again(order: Order) -> tuple[int, int, int, str]:
    return order.debit, order.credit, order.amount, order.currency


def _reason(ending: object) -> int:
    return getattr(ending, "reason", 0)


async def _commission(stack: Stack, agency: Agent, key: str, minor: int, currency: str) -> Order | None:
    """The order by which the bank pays an agent's commission; None where there is none."""
    fees = await _fees(stack, currency) if minor else None
    if fees is None:
        return None
    permit = policy.decide(job_context(JOB, "payment", "contract"), "payments.pay-commission", policy.NOBODY)
    bank = tariff.of(stack).institution
    by = orders.By(permit, parties.institution_ref(stack, bank), f"commission/{agency.shop.code}")
    name = parties.institution_name(stack, bank)
    return orders.pay(by, key, fees, agency.account, minor, currency, "COMM", payer=name, payee=agency.shop.name)


async def _fees(stack: Stack, currency: str) -> int | None:
    async with stack.db.reading("payments") as tx:
        return await store_cash.account_of_kind(tx, tariff.of(stack).institution, "fee", currency)


@crossing("payments", "portal")
async def ask_cash(stack: Stack, ctx: Context, key: str, agent: str, amount_minor: int) -> CashAsked:
    """Reserve cash to be fetched at an agent's, and the fee; the code to tell the agent. The same key, the same code.

    Raises NoSuchAgent, AmountOutOfRange, BankNotOpen, or the ledger's reason (InsufficientFunds, OverTierLimit, ...).
    """
    rules.check_key(key)
    rates = tariff.of(stack).agents
    fee = quote(stack, amount_minor)
    shop = await _agent(stack, ctx, agent)
    who = paying.payer(stack, ctx, "payments.ask-cash")
    if who.person is None:
        raise Malformed("People fetch cash at agents.", field="payer", rule="person")
    purse = await _purse(stack, ctx)
    debit, by = ledger_rules.id_of(purse.number), who.by("cash-out")
    mine = parties.own_name(stack, ctx)
    bank = parties.institution_name(stack, tariff.of(stack).institution)
    fees = await _fees(stack, purse.currency) if fee else None
    if fee and fees is None:
        raise BankNotOpen()
    names = {"timeout_s": rates.hold_s, "payer": mine}
    holds = [
        orders.reserve(
            by, key, debit, shop.account, amount_minor, purse.currency, "CSHO", payee=shop.merchant.name, **names
        )
    ]
    if fees is not None:
        holds.append(orders.reserve(by, f"{key}/fee", debit, fees, fee, purse.currency, "FEE", payee=bank, **names))
    ended = await (ledger.post_linked(stack, holds) if fees is not None else ledger.post(stack, holds))
    first = ledger_errors.check(ended)[0]
    begun = paying.moment(first)
    code = _code_of(stack, str(holds[0].id))
    asked = store_cash.Asked(
        agent=shop.merchant.code, code=_hashed(stack, shop.merchant.code, code), person=who.person, payer=mine,
        holder=who.owner, hold=holds[0].id, fee_hold=holds[1].id if fees is not None else None, amount=amount_minor,
        fee=fee if fees is not None else 0, currency=purse.currency, asked_at=begun,
        expires_at=begun + timedelta(seconds=rates.hold_s),
    )  # fmt: skip
    async with stack.db.transaction(who.permit) as tx:
        if not await store_cash.ask(tx, asked):
            raise NoSuchCash("This code is taken at the moment; ask again.")
        log.append(tx, who.permit, subject=who.person, detail={"what": "cash asked for", "agent": asked.agent})
    return CashAsked(code, shop.merchant, asked.amount, asked.fee, asked.currency, asked.expires_at)


async def _purse(stack: Stack, ctx: Context) -> Account:
    """The default account of a person. Raises NoSuchAccount."""
    for account in await payments.accounts(stack, ctx):
        if account.is_default:
            return account
    raise ledger_errors.NoSuchAccount(party="payer")


def _code_of(stack: Stack, hold: str) -> str:
    """Six digits for a hold: the same whenever they are asked for, and not to be guessed from it."""
    return f"{int.from_bytes(stack.keys.blind(f'payments.cash-code|{hold}', 'payments')[:8]) % 10**6:06d}"


def _hashed(stack: Stack, agent: str, code: str) -> bytes:
    return stack.keys.blind(f"payments.cash-out|{agent}|{code}", "payments")


@crossing("payments", "portal")
async def cash_waiting(stack: Stack, ctx: Context) -> list[CashWaiting]:
    """What the actor asked for and has not fetched yet, each with its code."""
    return [_waiting(one, _code_of(stack, str(one.hold))) for one in await _own_cash(stack, ctx)]


async def _own_cash(stack: Stack, ctx: Context) -> list[store_cash.Asked]:
    person = parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else None
    permit = policy.decide(ctx, "payments.own-cash", person or policy.NOBODY, holder="person")
    async with stack.db.transaction(permit) as tx:
        found = await store_cash.waiting(tx, person, ctx.at) if person else []
        log.append(tx, permit, subject=person, detail={"what": "own cash", "count": len(found)})
    return found


def _waiting(asked: store_cash.Asked, code: str) -> CashWaiting:
    return CashWaiting(code, asked.agent, asked.payer, asked.amount, asked.fee, asked.currency, asked.expires_at)


@crossing("payments", "portal")
async def stop_cash(stack: Stack, ctx: Context, code: str) -> None:
    """Take back what was asked for and not fetched: the money is free again. Raises NoSuchCash."""
    who = paying.payer(stack, ctx, "payments.ask-cash")
    found = await _own_cash(stack, ctx)
    asked = next((one for one in found if _code_of(stack, str(one.hold)) == code), None)
    if asked is None:
        raise NoSuchCash()
    by = orders.By(who.permit, asked.holder, f"cash-stop/{asked.hold}")
    held = [hold for hold in (asked.hold, asked.fee_hold) if hold is not None]
    voids = [orders.void(by, str(hold), hold, asked.currency, "CSHO") for hold in held]
    ledger_errors.check(await (ledger.post_linked(stack, voids) if len(voids) > 1 else ledger.post(stack, voids)))
    async with stack.db.transaction(who.permit) as tx:
        await store_cash.end(tx, asked, "stopped")
        log.append(tx, who.permit, subject=who.person, detail={"what": "cash taken back", "agent": asked.agent})


@crossing("payments", "portal")
async def see_cash(stack: Stack, ctx: Context, agent: str, code: str) -> CashWaiting:
    """What a customer's code stands for at the actor's own agency: amount and masked name. Ten tries in ten minutes.

    Raises NoSuchCash for a wrong or late code, TooMany.
    """
    return _waiting(await _asked(stack, ctx, await own_agency(stack, ctx, agent), code), code)


async def _asked(stack: Stack, ctx: Context, agency: Agent, code: str) -> store_cash.Asked:
    tally.check(stack, CODES, agency.shop.code, ctx.at)
    own = ctx.actor.kind is Kind.PERSON
    permit = policy.decide(
        ctx, "payments.see-cash", policy.ANYONE, holder="person" if own else "institution", own_account=not own
    )
    async with stack.db.transaction(permit) as tx:
        found = await store_cash.asked(tx, agency.shop.code, _hashed(stack, agency.shop.code, code.strip()))
        right = found is not None and (
            found.state == "paid" or (found.state == "waiting" and found.expires_at > ctx.at)
        )
        person = found.person if found is not None and right else None
        if not right:
            await tally.add(stack, tx, CODES, agency.shop.code, ctx.at)
        log.append(tx, permit, subject=person, detail={"what": "code of cash", "right": "yes" if right else "no"})
    if found is None or not right:
        raise NoSuchCash()
    return found


@crossing("payments", "portal")
async def pay_cash(stack: Stack, ctx: Context, agent: str, code: str) -> CashReceipt:
    """Take the customer's money for cash handed over now: amount to the agent, fee to the bank, commission back.

    Repeated, it gives the first receipt. Raises NoSuchCash, HoldEnded where it is too late, TooMany.
    """
    agency = await own_agency(stack, ctx, agent)
    asked = await _asked(stack, ctx, agency, code)
    own = ctx.actor.kind is Kind.PERSON
    permit = policy.decide(
        ctx, "payments.pay-cash", asked.person, holder="person" if own else "institution", own_account=not own
    )
    by = orders.By(permit, asked.holder, f"cash-pay/{asked.hold}")
    chain = [orders.commit(by, "amount", asked.hold, asked.amount, asked.currency, "CSHO")]
    commission = 0
    if asked.fee_hold is not None:
        chain.append(orders.commit(by, "fee", asked.fee_hold, asked.fee, asked.currency, "FEE"))
        commission = tariff.band(tariff.of(stack).agents.cash_out, asked.amount).commission_minor
        reward = await _commission(stack, agency, str(asked.hold), commission, asked.currency)
        chain += [reward] if reward is not None else []
    ended = await (ledger.post_linked(stack, chain) if len(chain) > 1 else ledger.post(stack, chain))
    first = ledger_errors.check(ended)[0]
    async with stack.db.transaction(permit) as tx:
        await store_cash.end(tx, asked, "paid")
        log.append(tx, permit, subject=asked.person, detail={"what": "cash paid out", "agent": asked.agent})
    shown = structs.replace(chain[0], debit=agency.account, payee=asked.payer)
    return CashReceipt(paying.receipt_of(shown, first, balance=first.credit_after), asked.agent, asked.fee, commission)
