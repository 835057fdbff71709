"""How fees are taken: fixed and counted first, posted with their payment in one chain, and given back with it.

What a payment costs is written down before the ledger is asked, under the payment's own id: whatever is repeated or
breaks off, it costs the same (law 1), and counts once (law 4). The ledger posts payment, fee and tax all or none
(law 2), so neither a crash nor an empty account leaves a payment without its fee or a fee without its payment.
"""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from msgspec import structs

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import Refusal
from msingi.kernel.stack import Stack
from msingi.payments import backward, errors, homes, ledger, orders, parties
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import tariff
from msingi.payments.bank.errors import BankNotOpen
from msingi.payments.batch import Ending
from msingi.payments.fees import rules, store
from msingi.payments.fees.errors import FeeChanged
from msingi.payments.fees.model import Due, FeeQuote, Kind
from msingi.payments.model import Kind as Movement
from msingi.payments.model import Order, Outcome
from msingi.payments.products import catalogue
from msingi.payments.products.errors import NoSuchProduct
from msingi.payments.products.model import Charge, Product, Terms
from msingi.payments.products.rules import month_of, terms_on

JOB = "payments-fees"
CODE, TAX = "FEE", "TAX"
KINDS = {"P2P": Kind.TRANSFER, "STDO": Kind.STANDING, "BILL": Kind.BILL}  # by the code of the payment
KNOWN_FOR = timedelta(seconds=60)
OVERLAP = timedelta(minutes=5)
BROKEN_OFF = timedelta(minutes=10)
AT_ONCE = 200
EVER = datetime(2000, 1, 1, tzinfo=UTC)


def job() -> Context:
    """The context in which the bank fixes and takes fees."""
    return job_context(JOB, "payment", "contract")


def _local(stack: Stack, at: datetime) -> date:
    return (at + timedelta(minutes=stack.profile.utc_offset_minutes)).date()


def charge_of(terms: Terms, kind: Kind) -> Charge | None:
    """What terms charge for a kind of payment."""
    return {
        Kind.TRANSFER: terms.transfers, Kind.SALE: terms.sales, Kind.STANDING: terms.standing, Kind.BILL: terms.bills,
    }[kind]  # fmt: skip


class Taking:
    """Takes fees on a stack; it stands beside the ledger's door (`payments.charges`)."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._known, self._loaded = stack, set[int](), EVER
        found = catalogue.of(stack).products
        charging = [one for one in found if any(charge_of(t, kind) for t in one.terms for kind in KINDS.values())]
        self._products = [one.code for one in charging if not one.standard]
        self._everybody = any(one.standard for one in charging)
        self._any, self._learning = bool(charging), asyncio.Lock()
        self._opened: dict[int, int] = {}  # how many accounts each shard had when it was last asked
        self._old: dict[int, int] = {}  # and the time before: whoever is younger is asked about, payment by payment

    def concerned(self, order: Order, agreed_minor: int | None) -> bool:
        """Whether a payment may cost something: its account is known to, its payer was told so, or it is time to ask
        again which accounts do."""
        if not self._any or order.code not in KINDS or order.kind != Movement.POST:
            return False
        if self._may_charge(order, agreed_minor):
            return True
        return clock.now() - self._loaded > KNOWN_FOR

    def _may_charge(self, order: Order, agreed_minor: int | None) -> bool:
        """Whether the database is to be asked what a payment costs. An account that was opened since this memory was
        last but once renewed may have got its product in another program."""
        if agreed_minor is not None or self._everybody or order.debit in self._known:
            return True
        return ledger_rules.index_of(order.debit) >= self._old.get(ledger_rules.shard_of(order.debit), 0)

    async def _learn(self) -> None:
        """Which accounts have products that charge payments. Whoever comes while it is being asked waits for it."""
        async with self._learning:
            now = clock.now()
            if now - self._loaded <= KNOWN_FOR:
                return
            permit = _permit()
            opened: dict[int, int] = {}
            for home in homes.databases(self._stack):  # before the accounts are looked up: none slips between
                async with home.db.reading("payments") as near:
                    opened |= await store.opened(near)
            async with self._stack.db.transaction(permit) as tx:
                found = await store.charged_accounts(tx, self._products, self._loaded - OVERLAP)
                log.append(tx, permit, detail={"what": "accounts that pay fees", "count": len(found)})
            self._known.update(found)
            self._old, self._opened, self._loaded = self._opened or opened, opened, now

    async def pay(self, order: Order, agreed_minor: int | None) -> Ending:
        """Post a payment together with what it costs. Raises FeeChanged, BankNotOpen."""
        await self._learn()
        due = None
        if self._may_charge(order, agreed_minor):
            due = await self.fix(order, order.debit, KINDS[order.code], agreed_minor)
        if due is None or not due.fee:
            (ending,) = await ledger.post(self._stack, (order,))
        else:
            endings = await ledger.post_linked(self._stack, [order, *await self._legs(order, due, order.owner)])
            ending = _first(endings)
        if due is not None:
            await self._ended(due, _posted(ending))
        return ending

    async def sell(self, order: Order, seller: int) -> tuple[Order, Ending]:
        """Post a payment to a shop with what the shop pays for it; where the shop cannot pay, the sale goes on."""
        due = await self.fix(order, seller, Kind.SALE, None)
        if due is None or not due.fee or not await self._is_open(due.currency):
            (ending,) = await ledger.post(self._stack, (order,))
            return order, ending
        async with homes.home(self._stack, ledger_rules.shard_of(seller)).db.reading("payments") as near:
            owner = await accounts.holder_ref_of(near, seller) or 0
        legs = await self._legs(order, due, owner)
        if ledger_rules.shard_of(order.debit) == ledger_rules.shard_of(seller):
            ending, *_ = await ledger.post_linked(self._stack, [order, *legs])
            if _posted(ending) or _refused_itself(ending):
                await self._ended(due, _posted(ending))
                return order, ending
            await self._ended(due, False)  # the shop's account may not pay: the customer still can
            alone = orders.By(order.permit or _permit(), order.owner, f"sale-alone/{order.id}")
            again = orders.pay(
                alone, "alone", order.debit, order.credit, order.amount, order.currency, order.code,
                reference=order.reference, payer=order.payer, payee=order.payee,
            )  # fmt: skip
            (ending,) = await ledger.post(self._stack, (again,))
            return again, ending
        (ending,) = await ledger.post(self._stack, (order,))
        taken = _posted(ending) and _posted(_first(await ledger.post_linked(self._stack, legs)))
        await self._ended(due, taken)
        return order, ending

    async def quote(self, account: int, kind: Kind, amount_minor: int, credit: int | None = None) -> FeeQuote:
        """What a payment out of an account (to `credit`, where that is known) would cost now. A standing order is shown
        at its full price, for the free ones of its days are not known yet. Raises AmountOutOfRange, BankNotOpen."""
        currency, now = self._stack.profile.currency.code, clock.now()
        product, terms, charge = await self._terms(account, kind, _local(self._stack, now))
        own = terms is not None and await self._own(terms, kind, account, credit)
        if product is None or terms is None or charge is None or own:
            return FeeQuote(kind=kind, amount_minor=amount_minor, fee_minor=0, tax_minor=0, currency=currency)
        month = month_of(_local(self._stack, now))
        async with self._stack.db.reading("payments") as tx:
            used = await store.used(tx, account, month, kind)
        left = 0 if kind is Kind.STANDING else max(0, charge.free_per_month - used)
        band = rules.band_of(charge, amount_minor)
        fee = 0 if left else rules.fee_of(band, amount_minor)
        if fee:
            await self._where(currency)
        return FeeQuote(
            kind=kind, amount_minor=amount_minor, fee_minor=fee, tax_minor=self._tax(fee), currency=currency,
            product=product.code, begins=terms.begins, band_minor=band.up_to_minor, free_left=left,
        )  # fmt: skip

    def _tax(self, fee: int) -> int:
        tax = catalogue.of(self._stack).tax
        return rules.tax_of(fee, tax.rate_bp) if tax is not None else 0

    async def _terms(
        self, account: int, kind: Kind, day: date
    ) -> tuple[Product | None, Terms | None, Charge | None]:  # fmt: skip
        """The terms that hold for an account on a day: its product's, or the standard ones of its kind."""
        found, code = catalogue.of(self._stack).products, None
        if kind is not Kind.SALE:
            permit = policy.decide(job(), "payments.charge-fee", policy.ANYONE)
            async with self._stack.db.transaction(permit) as tx:
                code = await store.product_of(tx, account)
                log.append(tx, permit, detail={"what": "product of an account"})
            async with homes.home(self._stack, ledger_rules.shard_of(account)).db.reading("payments") as near:
                row = await accounts.account(near, account)
            of_kind = row["kind"] if row is not None else ""
        else:
            of_kind = catalogue.SHOPS
        wanted = [one for one in found if (one.code == code if code else one.standard and one.kind == of_kind)]
        try:
            terms = terms_on(wanted[0], day) if wanted else None
        except NoSuchProduct:
            terms = None
        return (wanted[0], terms, charge_of(terms, kind)) if terms else (None, None, None)

    async def _own(self, terms: Terms, kind: Kind, debit: int, credit: int | None) -> bool:
        """Whether a payment stays with one holder, and its terms let that be free."""
        if not terms.own_free or credit is None or kind not in (Kind.TRANSFER, Kind.STANDING):
            return False
        holders: list[int | None] = []
        for account in (debit, credit):
            known = ledger.holder_of(self._stack, account)
            if known is None:
                async with homes.home(self._stack, ledger_rules.shard_of(account)).db.reading("payments") as near:
                    known = await accounts.holder_ref_of(near, account)
            holders.append(known)
        return holders[0] is not None and holders[0] == holders[1]

    async def fix(self, order: Order, account: int, kind: Kind, agreed_minor: int | None) -> Due | None:
        """Write down what a payment costs, once; None where no terms charge it. Raises FeeChanged, BankNotOpen."""
        permit = policy.decide(job(), "payments.charge-fee", policy.ANYONE)
        async with self._stack.db.reading("payments") as tx:
            known = await store.fee(tx, account, order.id)
        if known is not None:
            return known
        now = clock.now()
        product, terms, charge = await self._terms(account, kind, _local(self._stack, now))
        if product is None or terms is None or charge is None:
            return None
        if await self._own(terms, kind, account, order.credit):
            return None
        band, month = rules.band_of(charge, order.amount), month_of(_local(self._stack, now))
        full = rules.fee_of(band, order.amount)
        if not full and not charge.free_per_month:
            return None
        async with self._stack.db.transaction(permit) as tx:
            place = await store.count_one(tx, account, month, kind) if charge.free_per_month else 1
            free = place <= charge.free_per_month
            fee = 0 if free else full
            if agreed_minor is not None and fee + self._tax(fee) > agreed_minor:
                raise FeeChanged()
            due = Due(
                account=account, transfer_id=UUID(bytes=order.id.bytes), kind=kind, month=month, amount=order.amount,
                fee=fee, tax=self._tax(fee), currency=order.currency, product=product.code, begins=terms.begins,
                band=band.up_to_minor, free=free, returned=charge.returned, at=now,
            )  # fmt: skip
            await store.fix(tx, due)
            first = await store.fee(tx, account, order.id)
            log.append(tx, permit, detail={"what": "fee fixed", "product": product.code, "fee": fee, "tax": due.tax})
        return first

    async def _where(self, currency: str) -> tuple[int, int | None]:
        """The accounts on which fee and tax arrive. Raises BankNotOpen where one is missing."""
        tax = catalogue.of(self._stack).tax
        async with self._stack.db.reading("payments") as tx:
            fees = await store.account_of(tx, tariff.of(self._stack).institution, currency, "", "fee")
            taxes = await store.account_of(tx, tax.institution, currency, "tax", "") if tax else None
        if fees is None or (tax is not None and tax.rate_bp and taxes is None):
            raise BankNotOpen()
        return fees, taxes

    async def _is_open(self, currency: str) -> bool:
        """Whether the bank can take fees at all."""
        try:
            await self._where(currency)
        except BankNotOpen:
            return False
        return True

    async def _legs(self, order: Order, due: Due, owner: int) -> list[Order]:
        """The orders of fee and tax, out of the account that pays them."""
        fees, taxes = await self._where(due.currency)
        permit = order.permit if due.kind is not Kind.SALE and order.permit else _permit()
        by = orders.By(permit, owner, _scope(due))
        said = {
            "reference": due.product,
            "payee": parties.institution_name(self._stack, tariff.of(self._stack).institution),
        }
        legs = [orders.pay(by, "fee", due.account, fees, due.fee, due.currency, CODE, **said)]
        if due.tax and taxes is not None:
            tax = catalogue.of(self._stack).tax
            name = parties.institution_name(self._stack, tax.institution) if tax else ""
            legs.append(orders.pay(by, "tax", due.account, taxes, due.tax, due.currency, TAX, payee=name))
        return legs

    async def _ended(self, due: Due, posted: bool) -> None:
        if due.state != "due":
            return
        permit = _permit()
        async with self._stack.db.transaction(permit) as tx:
            await store.ended(tx, due, "taken" if posted else "void")
            log.append(tx, permit, detail={"what": "fee taken" if posted else "fee not taken"})

    async def paid_back(self, original: UUID, amount_minor: int) -> None:
        """Give back what a payment cost that was paid back in full, where its terms say so (law 6)."""
        async with self._stack.db.reading("payments") as tx:
            found = await store.fees_of_transfer(tx, original)
        for due in found:
            if due.returned and due.state == "taken" and due.amount == amount_minor:
                await self._state(due, "owed")
                await self.give_back(structs.replace(due, state="owed"))

    async def give_back(self, due: Due) -> None:
        """Pay fee and tax back out of the accounts on which they arrived; repeated, nothing comes back twice."""
        if due.fee:
            tax, shard = catalogue.of(self._stack).tax, ledger_rules.shard_of(due.account)
            bank = tariff.of(self._stack).institution
            parts = [("fee", due.fee, bank)]
            if due.tax and tax is not None:
                parts.append(("tax", due.tax, tax.institution))
            for key, amount, institution in parts:
                by = orders.By(_permit(), parties.institution_ref(self._stack, institution), f"{_scope(due)}/back")
                leg = ledger_rules.transfer_id(_scope(due), key, shard)
                try:
                    paid = await backward.received(self._stack, leg)
                    paid_leg = UUID(bytes=paid["id"].bytes) if paid is not None else leg
                    back = orders.reverse(by, key, paid_leg, amount, due.currency)
                    errors.check(await ledger.post(self._stack, [back]))
                except Refusal:
                    return  # stays owed: tried again later
        await self._state(due, "returned")

    async def _state(self, due: Due, state: str) -> None:
        permit = _permit()
        async with self._stack.db.transaction(permit) as tx:
            await store.ended(tx, due, state)
            log.append(tx, permit, detail={"what": "fee", "state": state})

    async def mend(self) -> int:
        """Settle what broke off: whether a payment was posted, says the ledger; how many."""
        async with self._stack.db.reading("payments") as tx:
            found = await store.due_before(tx, clock.now() - BROKEN_OFF, AT_ONCE)
        permit = policy.decide(job(), "payments.charge-fee", policy.ANYONE)
        for due in found:
            if due.state == "owed":
                await self.give_back(due)
                continue
            async with homes.home(self._stack, ledger_rules.shard_of(due.transfer_id.int)).db.transaction(
                permit
            ) as near:
                row = await accounts.transfer(near, due.transfer_id)
                log.append(near, permit, detail={"what": "payment looked up"})
            await self._ended(due, row is not None and row["status"] == 1)
        return len(found)


def _permit() -> policy.Permit:
    return policy.decide(job(), "payments.charge-fee", policy.ANYONE)


def _scope(due: Due) -> str:
    return f"fee/{due.account}/{due.transfer_id}"


def _posted(ending: Ending) -> bool:
    return isinstance(ending, Outcome) and not ending.reason


def _refused_itself(ending: Ending) -> bool:
    """Whether an order was refused for a reason of its own, not because of another one of its chain."""
    return isinstance(ending, Refusal) or ending.reason not in (0, errors.Reason.LINKED)


def _first(endings: list[Ending]) -> Ending:
    """How a chain ended, as its payer is told: the reason of the order that was refused."""
    for ending in endings:
        if _refused_itself(ending):
            return ending
    return endings[0]
