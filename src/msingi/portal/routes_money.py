"""Doors of a person's money: balance and movements, and sending in three steps (write, check, confirm)."""

from collections.abc import Callable
from contextlib import suppress

from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Struct, structs

from msingi.kernel.errors import NotFound, NotPermitted, Outage, Refusal, TooMany
from msingi.kernel.ids import PersonId, token
from msingi.kernel.money import Money
from msingi.payments import acts as payments
from msingi.payments.bank import acts as bank
from msingi.payments.bank.model import Purchase
from msingi.payments.errors import InsufficientFunds, OverTierLimit, SameAccount
from msingi.payments.fees import acts as fees
from msingi.payments.fees.errors import FeeChanged
from msingi.payments.groups import acts as groups
from msingi.payments.groups import signing, wards
from msingi.payments.groups.errors import NeedsSignatures
from msingi.payments.groups.model import ProposalOrder
from msingi.payments.model import Account, AccountKind, Alias, Receipt, TransferOrder
from msingi.portal import model as m
from msingi.portal import rules, session, views
from msingi.portal.errors import StaleForm
from msingi.portal.routes_person import speaker
from msingi.portal.visit import Visit, WebRequest, visit_as_person

PAGE = 25
LONGEST_NOTE = 80


class Order(Struct, frozen=True, array_like=True):
    """A transfer that waits for confirmation, sealed into the page for one session; `key` makes it happen once."""

    sid: str
    key: str
    payer: str
    kind: str
    alias: str
    payee: str
    amount_minor: int
    note: str
    label: str = ""
    fee_minor: int = 0


class Purse(Struct, frozen=True):
    """An account that a visitor may pay out of. `label` is empty for the ordinary one; `child` is whose it is else."""

    account: Account
    label: str = ""
    child: PersonId | None = None


async def account_of(seen: Visit) -> Account | None:
    """The account that a person's pages are about, if there is one."""
    found = await payments.accounts(seen.stack, seen.ctx("subject-access", "legal-obligation"))
    return views.default_account(found, seen.stack.profile.currency.code)


async def purses_of(seen: Visit) -> list[Purse]:
    """All accounts of the visitor, the ordinary one first, the joint ones by the names that their holders gave."""
    found = await payments.accounts(seen.stack, seen.ctx("subject-access", "legal-obligation"))
    ordinary = views.default_account(found, seen.stack.profile.currency.code)
    labels: dict[str, str] = {}
    if any(a.kind is AccountKind.JOINT for a in found):
        labels = {j.number: j.label for j in await groups.own_joint(seen.stack, seen.ctx("payment", "contract"))}
    kinds = [Purse(a, labels.get(a.number) or seen.say(f"money.account_{a.kind}")) for a in found if a != ordinary]
    return [*([Purse(ordinary)] if ordinary else []), *kinds]


async def purse_of(seen: Visit, number: str, purses: list[Purse]) -> Purse | None:
    """The account with a number, of the visitor or of a child; the ordinary one without a number. Raises NotFound."""
    if not number:
        return purses[0] if purses else None
    for one in purses:
        if one.account.number == number:
            return one
    for ward in await wards.own_wards(seen.stack, seen.ctx("payment", "contract")):
        for account in ward.accounts:
            if account.number == number:
                label = seen.say(f"children.of_{account.kind}", name=ward.name)
                return Purse(account, label, ward.person_id)
    raise NotFound()


@get("/me/money")
async def money(request: WebRequest) -> Response[bytes]:
    """Balance and movements, newest first, of the ordinary account or of the one with a number."""
    seen = await visit_as_person(request)
    purses = await purses_of(seen)
    purse, statement = await purse_of(seen, request.query_params.get("account", ""), purses), None
    after = request.query_params.get("after", "")
    if purse is not None:
        cursor = int(after) if after.isdecimal() and len(after) < 19 else None
        number = purse.account.number
        if purse.child is not None:
            ctx = seen.ctx("payment", "contract")
            statement = await wards.ward_statement(seen.stack, ctx, purse.child, number, after=cursor, limit=PAGE)
        else:
            ctx = seen.ctx("subject-access", "legal-obligation")
            statement = await payments.statement(seen.stack, ctx, number, after=cursor, limit=PAGE)
    others = tuple(
        m.OtherAccount(
            one.label or seen.say("money.account_wallet"), f"/me/money?account={one.account.number}",
            Money(one.account.balance_minor, one.account.currency),
        )
        for one in purses
        if purse is None or one.account.number != purse.account.number
    )  # fmt: skip
    newer = (f"/me/money?account={purse.account.number}" if purse and purse.label else "/me/money") if after else ""
    account, label = (purse.account, purse.label) if purse else (None, "")
    view = views.money(speaker(seen), account, statement, newer, label, others)
    view = structs.replace(view, held=purse is None or purse.child is None)
    return seen.page("person/money.html", view, area="person", here="money")


def amount_field(seen: Visit) -> m.Field:
    """The question how much."""
    currency = seen.stack.profile.currency
    hint = seen.say("send.amount_hint", currency=currency.symbol or currency.code, example="12000")
    return m.Field(name="amount", label=seen.say("send.amount_label"), kind="amount", hint=hint)


def amount_judge(seen: Visit) -> Callable[[str], str]:
    """Judges an answer to that question: the sentence that says what to correct, or empty."""
    profile = seen.stack.profile

    def judge(text: str) -> str:
        return rules.amount_wrong(text, profile.currency, profile.group_separator, profile.decimal_point, seen.say)

    return judge


def amount_in(seen: Visit, form: m.Form, name: str = "amount") -> int:
    """An amount of a judged form, in minor units of the country's currency."""
    profile = seen.stack.profile
    return rules.amount_minor(form.value(name), profile.currency, profile.group_separator, profile.decimal_point)


def _example(seen: Visit) -> str:
    return seen.stack.profile.phone_prefix + "712345678"[: seen.stack.profile.phone_digits]


def _form(seen: Visit) -> m.Form:
    say = seen.say
    fields = (
        m.Field(
            name="phone", label=say("send.phone"), kind="phone", hint=say("send.phone_hint", example=_example(seen)),
            longest=40,
        ),
        amount_field(seen),
        m.Field(name="note", label=say("send.note"), hint=say("send.note_hint"), optional=True, longest=LONGEST_NOTE),
    )  # fmt: skip
    return rules.filled(m.Form(fields), seen.fields)


def _judge(seen: Visit, form: m.Form) -> m.Form:
    def known(text: str) -> str:
        found = bank.alias_of(seen.stack, text) or rules.phone_of(text, profile.phone_prefix, profile.phone_digits)
        return "" if found else seen.say("send.not_known", example=_example(seen))

    profile = seen.stack.profile

    return rules.judged(form, seen.say, {"phone": known, "amount": amount_judge(seen)})


def _send_page(seen: Visit, purse: Purse, form: m.Form) -> Response[bytes]:
    have = Money(purse.account.available_minor, purse.account.currency)
    view = m.SendPage(have, purse.account.number if purse.label else "", purse.label)
    return seen.page("person/send.html", view, area="person", here="money", form=form)


async def _payer(seen: Visit, number: str) -> Purse | None:
    return await purse_of(seen, number, await purses_of(seen))


@get("/me/money/send")
async def send(request: WebRequest) -> Response[bytes]:
    """Step one: to whom and how much."""
    seen = await visit_as_person(request)
    purse = await _payer(seen, request.query_params.get("account", ""))
    return seen.go("/me/money") if purse is None else _send_page(seen, purse, _form(seen))


@post("/me/money/send", status_code=303)
async def find(request: WebRequest) -> Response[bytes]:
    """From step one to step two: find out who would be paid, or say what to correct."""
    seen = await visit_as_person(request)
    purse = await _payer(seen, seen.fields.get("account", ""))
    if purse is None:
        return seen.go("/me/money")
    form, account = _form(seen), purse.account
    if seen.in_other_language:
        return _send_page(seen, purse, form)
    form = _judge(seen, form)
    if form.wrongs:
        return _send_page(seen, purse, form)
    minor = amount_in(seen, form)
    try:
        payee = await bank.find_payee(seen.stack, seen.ctx("payment", "contract"), form.value("phone"))
    except (TooMany, NotPermitted):
        raise
    except Refusal:
        return await _elsewhere(seen, purse, form)
    if minor > account.available_minor:
        return _send_page(seen, purse, rules.with_wrong(form, "amount", seen.say("send.too_little")))
    assert seen.session is not None
    whom = payee.alias.kind, payee.alias.value, payee.name
    fee = await _fee(seen, account.number, payee.alias, minor)
    if minor + fee > account.available_minor:
        return _send_page(seen, purse, rules.with_wrong(form, "amount", seen.say("send.too_little")))
    order = Order(seen.session.sid, token(18), account.number, *whom, minor, form.value("note"), purse.label, fee)
    # To a page of its own: whoever comes back to it from the receipt sees it again, and its key still pays once.
    return seen.go(f"/me/money/send/check?order={session.seal(seen.stack, 'order', order)}")


async def _fee(seen: Visit, payer: str, to: Alias, minor: int) -> int:
    """What a payment costs, fee and tax; a payment to a shop costs its payer nothing."""
    if to.kind == "merchant":
        return 0
    ctx, account = seen.ctx("payment", "contract"), to.value if to.kind == "account" else ""
    return (await fees.quote_fee(seen.stack, ctx, payer, minor, payee=account)).total_minor


async def _elsewhere(seen: Visit, purse: Purse, form: m.Form) -> Response[bytes]:
    """Nobody here has this number: perhaps it is a phone whose account stands at another bank, or abroad."""
    from msingi.portal import routes_outside

    profile, typed = seen.stack.profile, form.value("phone")
    phone = rules.phone_of(typed, profile.phone_prefix, profile.phone_digits)
    if phone and not purse.label:  # other banks are paid out of the ordinary account
        with suppress(Refusal, Outage):
            to = await routes_outside.meant(seen, "MSISDN", phone)
            if to.currencies:
                return routes_outside.go_on(seen, to, form.value("amount"))
    return _send_page(seen, purse, rules.with_wrong(form, "phone", seen.say("send.nobody")))


@get("/me/money/send/check")
async def check(request: WebRequest) -> Response[bytes]:
    """Step two: the masked name and the amount, to be checked. Nothing is sent yet."""
    seen = await visit_as_person(request)
    sealed = request.query_params.get("order", "")
    order = _order(seen, sealed)
    currency = seen.stack.profile.currency.code
    amount, fee = Money(order.amount_minor, currency), Money(order.fee_minor, currency)
    view = m.SendCheck(order.payee, order.alias, amount, fee, order.note, sealed, order.label)
    return seen.page("person/send_check.html", view, area="person", here="money")


def _order(seen: Visit, sealed: str) -> Order:
    """The order that a page carried. Raises StaleForm unless it was made for this session."""
    try:
        order = session.unseal(seen.stack, "order", sealed, Order)
    except ValueError:
        raise StaleForm() from None
    if seen.session is None or order.sid != seen.session.sid:
        raise StaleForm()
    return order


@post("/me/money/send/confirm", status_code=303)
async def confirm(request: WebRequest) -> Response[bytes]:
    """Step three: send, once, however often the form arrives (law 6); then the receipt."""
    seen = await visit_as_person(request)
    order = _order(seen, seen.fields.get("order", ""))
    purse = await _payer(seen, order.payer if order.label else "")
    if purse is None:
        raise NotFound()
    try:
        paid = await _paid(seen, order, purse.account.currency)
    except InsufficientFunds:
        return _refused(seen, purse, order, "amount", "send.too_little")
    except OverTierLimit:
        return _refused(seen, purse, order, "amount", "send.over_limit")
    except FeeChanged:
        return _refused(seen, purse, order, "amount", "send.fee_changed")
    except SameAccount:
        return _refused(seen, purse, order, "phone", "send.yourself")
    except NeedsSignatures:
        if purse.child is not None:
            return _refused(seen, purse, order, "amount", "children.over_limit")
        wish = ProposalOrder(
            key=order.key, payer=order.payer, payee=order.alias, amount_minor=order.amount_minor, reference=order.note
        )
        await signing.propose(seen.stack, seen.ctx("payment", "contract"), wish)
        return seen.go("/me/money/joint", "joint.said_proposed")
    if purse.child is not None:
        return seen.go(f"/me/money?account={order.payer}", "children.said_paid")
    return seen.go(f"/me/money/receipts/{paid.transfer_id}")


async def _paid(seen: Visit, order: Order, currency: str) -> Receipt:
    """Pay a person, an account or a shop."""
    ctx = seen.ctx("payment", "contract")
    if order.kind == "merchant":
        purchase = Purchase(
            key=order.key, payer=order.payer, merchant=order.alias, amount_minor=order.amount_minor, currency=currency,
            bill=order.note,
        )  # fmt: skip
        return await bank.pay_merchant(seen.stack, ctx, purchase)
    wanted = TransferOrder(
        key=order.key, payer=order.payer, payee=Alias(order.kind, order.alias), amount_minor=order.amount_minor,
        currency=currency, reference=order.note, fee_minor=order.fee_minor,
    )  # fmt: skip
    return await payments.transfer(seen.stack, ctx, wanted)


def _refused(seen: Visit, purse: Purse, order: Order, field: str, why: str) -> Response[bytes]:
    """Back to step one with what was typed, and what is wrong with it."""
    digits = seen.stack.profile.currency
    typed = {"phone": order.alias, "amount": views.plain_amount(order.amount_minor, digits), "note": order.note}
    seen.fields |= typed
    return _send_page(seen, purse, rules.with_wrong(_form(seen), field, seen.say(why)))


@get("/me/money/receipts/{transfer_id:str}")
async def receipt(request: WebRequest, transfer_id: FromPath[str]) -> Response[bytes]:
    """The receipt of a transfer."""
    seen = await visit_as_person(request)
    paid = await payments.receipt(seen.stack, seen.ctx("subject-access", "legal-obligation"), transfer_id)
    return seen.page("person/receipt.html", views.receipt(paid), area="person", here="money")


doors = [money, send, find, check, confirm, receipt]
