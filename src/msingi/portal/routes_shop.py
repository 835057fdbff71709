"""Doors of shops: pay one by its square code or number, show the code of one's own."""

import base64

from litestar import Response, get, post
from msgspec import Struct

from msingi.credentials.errors import NoCodeFound, PictureTooLarge, Unreadable
from msingi.credentials.picture import read_qr, write_qr
from msingi.kernel.errors import NotFound, Refusal
from msingi.kernel.ids import token
from msingi.kernel.money import Money
from msingi.payments.bank import acts as bank
from msingi.payments.bank import agents
from msingi.payments.bank.errors import ForeignCode, NoSuchMerchant, NotACode
from msingi.payments.bank.model import Merchant, Purchase, Scanned
from msingi.payments.errors import InsufficientFunds, OverTierLimit, SameAccount, TransferRejected
from msingi.portal import model as m
from msingi.portal import rules, session, views
from msingi.portal.errors import StaleForm
from msingi.portal.model_bank import Asking, Checking, Fact, ShopLine, ShopPage
from msingi.portal.routes_money import account_of, amount_field, amount_in, amount_judge
from msingi.portal.visit import Visit, WebRequest, visit_as_person


class Sale(Struct, frozen=True, array_like=True):
    """A payment to a shop that waits for an amount or a confirmation, sealed into the page; `key` pays once."""

    sid: str
    key: str
    payer: str
    shop: str
    name: str
    amount_minor: int
    bill: str


def _sealed(seen: Visit, sale: Sale) -> str:
    return session.seal(seen.stack, "sale", sale)


def _sale(seen: Visit, sealed: str) -> Sale:
    """The sale that a page carried. Raises StaleForm unless it was made for this session."""
    try:
        sale = session.unseal(seen.stack, "sale", sealed, Sale)
    except ValueError:
        raise StaleForm() from None
    if seen.session is None or sale.sid != seen.session.sid:
        raise StaleForm()
    return sale


def _ask_form(seen: Visit) -> m.Form:
    picture = m.Field(
        name="picture", label=seen.say("shop.picture"), kind="file", hint=seen.say("shop.picture_hint"),
        accept="image/*", camera=True, optional=True,
    )  # fmt: skip
    number = m.Field(
        name="number", label=seen.say("shop.number"), kind="number", hint=seen.say("shop.number_hint"), optional=True,
        longest=12, autocomplete="off",
    )  # fmt: skip
    return rules.filled(m.Form((picture, number)), seen.fields)


def _ask_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("shop.pay"), lead=seen.say("shop.pay_lead"), action="/me/money/pay",
        submit=seen.say("form.continue"), back="/me/money", back_label=seen.say("menu.money"), files=True,
        note=seen.say("send.next_step"),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


@get("/me/money/pay")
async def pay(request: WebRequest) -> Response[bytes]:
    """Step one: a picture of the shop's code, or its number."""
    seen = await visit_as_person(request)
    return _ask_page(seen, _ask_form(seen))


async def _scanned(seen: Visit) -> Scanned:
    ctx, picture = seen.ctx("payment", "contract"), seen.files.get("picture", b"")
    if picture:
        return await bank.scan(seen.stack, ctx, read_qr(picture))
    shop = await bank.see_merchant(seen.stack, ctx, seen.fields.get("number", ""))
    return Scanned(shop, seen.stack.profile.currency.code, 0, 0, "")


@post("/me/money/pay", status_code=303)
async def find(request: WebRequest) -> Response[bytes]:
    """From step one: read the code, look the shop up, and ask for what the code does not say."""
    seen = await visit_as_person(request)
    form = _ask_form(seen)
    if seen.in_other_language:
        return _ask_page(seen, form)
    if not seen.files.get("picture") and not seen.fields.get("number"):
        return _ask_page(seen, rules.with_wrong(form, "picture", seen.say("shop.nothing_given")))
    try:
        found = await _scanned(seen)
    except (NoCodeFound, PictureTooLarge, Unreadable):
        return _ask_page(seen, rules.with_wrong(form, "picture", seen.say("shop.no_code")))
    except ForeignCode:
        return _ask_page(seen, rules.with_wrong(form, "picture", seen.say("shop.foreign_code")))
    except NotACode:
        return _ask_page(seen, rules.with_wrong(form, "picture", seen.say("shop.bad_code")))
    except NoSuchMerchant:
        field = "picture" if seen.files.get("picture") else "number"
        return _ask_page(seen, rules.with_wrong(form, field, seen.say("shop.nobody")))
    account = await account_of(seen)
    if account is None:
        return seen.go("/me/money")
    assert seen.session is not None
    total, bill = found.amount_minor + found.extra_minor, found.bill
    sale = Sale(seen.session.sid, token(18), account.number, found.merchant.code, found.merchant.name, total, bill)
    return seen.go(f"/me/money/pay/{'check' if total else 'amount'}?sale={_sealed(seen, sale)}")


def _amount_page(seen: Visit, sale: Sale, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("shop.how_much"), action="/me/money/pay/amount", submit=seen.say("form.continue"),
        back="/me/money/pay", back_label=seen.say("shop.pay"), facts=_facts(seen, sale),
        hidden=(("sale", _sealed(seen, sale)),), note=seen.say("send.next_step"),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


def _facts(seen: Visit, sale: Sale) -> tuple[Fact, ...]:
    found = [
        Fact(label=seen.say("shop.shop"), text=sale.name, strong=True),
        Fact(label=seen.say("shop.number"), text=sale.shop),
    ]
    if sale.amount_minor:
        money = Money(sale.amount_minor, seen.stack.profile.currency.code)
        found.append(Fact(label=seen.say("send.amount"), money=money, strong=True))
        found.append(Fact(label=seen.say("send.fee"), text=seen.say("send.no_fee")))
    if sale.bill:
        found.append(Fact(label=seen.say("shop.bill"), text=sale.bill))
    return tuple(found)


@get("/me/money/pay/amount")
async def ask_amount(request: WebRequest) -> Response[bytes]:
    """Step two, for a code without an amount: how much."""
    seen = await visit_as_person(request)
    sale = _sale(seen, request.query_params.get("sale", ""))
    return _amount_page(seen, sale, m.Form((amount_field(seen),)))


@post("/me/money/pay/amount", status_code=303)
async def take_amount(request: WebRequest) -> Response[bytes]:
    """From step two to step three."""
    seen = await visit_as_person(request)
    sale = _sale(seen, seen.fields.get("sale", ""))
    form = rules.filled(m.Form((amount_field(seen),)), seen.fields)
    if seen.in_other_language:
        return _amount_page(seen, sale, form)
    form = rules.judged(form, seen.say, {"amount": amount_judge(seen)})
    if form.wrongs:
        return _amount_page(seen, sale, form)
    minor = amount_in(seen, form)
    ready = Sale(sale.sid, sale.key, sale.payer, sale.shop, sale.name, minor, sale.bill)
    return seen.go(f"/me/money/pay/check?sale={_sealed(seen, ready)}")


@get("/me/money/pay/check")
async def check(request: WebRequest) -> Response[bytes]:
    """Step three: the shop's name from the register, and the amount. Nothing is paid yet."""
    seen = await visit_as_person(request)
    sealed = request.query_params.get("sale", "")
    sale = _sale(seen, sealed)
    view = Checking(
        title=seen.say("shop.check"), lead=seen.say("shop.check_lead"), facts=_facts(seen, sale),
        action="/me/money/pay/confirm", hidden=(("sale", sealed),), confirm=seen.say("shop.confirm"), stop="/me/money",
        stop_label=seen.say("send.stop"), back="/me/money/pay", back_label=seen.say("shop.pay"),
        note=seen.say("shop.register_name"),
    )  # fmt: skip
    return seen.page("person/check.html", view, area="person", here="money")


@post("/me/money/pay/confirm", status_code=303)
async def confirm(request: WebRequest) -> Response[bytes]:
    """Step four: pay, once, however often the form arrives; then the receipt."""
    seen = await visit_as_person(request)
    sale = _sale(seen, seen.fields.get("sale", ""))
    order = Purchase(
        key=sale.key, payer=sale.payer, merchant=sale.shop, amount_minor=sale.amount_minor,
        currency=seen.stack.profile.currency.code, bill=sale.bill,
    )  # fmt: skip
    try:
        paid = await bank.pay_merchant(seen.stack, seen.ctx("payment", "contract"), order)
    except TransferRejected as refused:
        fresh = Sale(sale.sid, token(18), sale.payer, sale.shop, sale.name, sale.amount_minor, sale.bill)
        form = m.Form((m.Field(name="amount", label=amount_field(seen).label, kind="amount"),))
        seen.fields["amount"] = views.plain_amount(sale.amount_minor, seen.stack.profile.currency)
        form = rules.with_wrong(rules.filled(form, seen.fields), "amount", why_not(seen, refused))
        return _amount_page(seen, fresh, form)
    return seen.go(f"/me/money/receipts/{paid.transfer_id}")


def why_not(seen: Visit, refused: Refusal) -> str:
    """Why the ledger did not pay, in words of the page."""
    for kind, key in ((InsufficientFunds, "too_little"), (OverTierLimit, "over_limit"), (SameAccount, "yourself")):
        if isinstance(refused, kind):
            return seen.say(f"send.{key}")
    return seen.say("shop.refused", why=refused.title)


def drawn(text: str) -> str:
    """A square code as a picture inside the page."""
    return "data:image/png;base64," + base64.b64encode(write_qr(text)).decode()


def _category(seen: Visit, shop: Merchant) -> str:
    known = bank.categories(seen.stack).get(shop.category)
    return seen.of(known) if known else shop.category


def _line(seen: Visit, shop: Merchant, amount_minor: int = 0, bill: str = "") -> ShopLine:
    return ShopLine(
        name=shop.name, number=shop.code, category=_category(seen, shop), city=shop.city,
        picture=drawn(bank.text_of(seen.stack, shop, amount_minor, bill)),
        is_agent=agents.is_agent(seen.stack, shop),
        amount=Money(amount_minor, seen.stack.profile.currency.code) if amount_minor else None, bill=bill,
    )  # fmt: skip


def _sale_form(seen: Visit, shops: list[Merchant]) -> m.Form:
    which = m.Field(
        name="shop", label=seen.say("shop.shop"), kind="select", options=tuple((s.code, s.name) for s in shops)
    )
    bill = m.Field(
        name="bill", label=seen.say("shop.bill"), hint=seen.say("shop.bill_hint"), optional=True, longest=25,
        autocomplete="off",
    )  # fmt: skip
    fields = (amount_field(seen), bill) if len(shops) == 1 else (which, amount_field(seen), bill)
    return rules.filled(m.Form(fields), seen.fields)


async def _own_open(seen: Visit) -> list[Merchant]:
    found = await bank.own_merchants(seen.stack, seen.ctx("payment", "contract"))
    return [own.merchant for own in found if own.merchant.is_open]


@get("/me/money/shop")
async def shop(request: WebRequest) -> Response[bytes]:
    """One's own shops, each with the code for the wall."""
    seen = await visit_as_person(request)
    shops = await _own_open(seen)
    view = ShopPage(tuple(_line(seen, one) for one in shops))
    return seen.page("person/shop.html", view, area="person", here="money", form=_sale_form(seen, shops))


@post("/me/money/shop", status_code=200)
async def sale_code(request: WebRequest) -> Response[bytes]:
    """A code for one sale, with its amount and the shop's own bill number."""
    seen = await visit_as_person(request)
    shops = await _own_open(seen)
    form = _sale_form(seen, shops)
    if not shops:
        return seen.go("/me/money/shop")
    wanted = seen.fields.get("shop", shops[0].code)

    def bill_wrong(text: str) -> str:
        return "" if text.isascii() and text.isprintable() else seen.say("shop.only_latin")

    form, again = seen.judged(form, {"amount": amount_judge(seen), "bill": bill_wrong})
    if again:
        view = ShopPage(tuple(_line(seen, one) for one in shops))
        return seen.page("person/shop.html", view, area="person", here="money", form=form)
    minor = amount_in(seen, form)
    mine = next((one for one in shops if one.code == wanted), None)
    if mine is None:
        raise NotFound()
    view = ShopPage((_line(seen, mine, minor, form.value("bill")),))
    return seen.page("person/shop.html", view, area="person", here="money", form=form)


doors = [pay, find, ask_amount, take_amount, check, confirm, shop, sale_code]
