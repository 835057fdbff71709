"""Pages of vouchers: a person sees those that she was given, each with its square code; a shop takes them. And of
payments that wait for somebody to collect them."""

from decimal import Decimal

from litestar import Response, get, post
from msgspec import Struct

from msingi.kernel.errors import Refusal, TooMany
from msingi.kernel.ids import token
from msingi.kernel.money import Money
from msingi.payments.bank.errors import NoSuchMerchant
from msingi.payments.errors import TransferRejected
from msingi.payments.programmes import uncollected
from msingi.payments.vouchers import acts as vouchers
from msingi.payments.vouchers import spending
from msingi.payments.vouchers.errors import NoSuchVoucher, ShopNotApproved, VoucherEnded, VoucherTooSmall
from msingi.payments.vouchers.model import OwnVoucher, Spending, State
from msingi.portal import model as m
from msingi.portal import page, rules, session
from msingi.portal.errors import StaleForm
from msingi.portal.model_bank import Asking, Checking, DeskLine, Fact
from msingi.portal.routes_money import amount_field, amount_in, amount_judge
from msingi.portal.routes_shop import drawn, why_not
from msingi.portal.visit import Visit, WebRequest, visit_as_person


class VoucherCard(Struct, frozen=True, kw_only=True):
    """A voucher to be shown: its number in groups, the code as a picture while it can be spent, and what it says."""

    title: str
    giver: str
    number: str
    picture: str
    state: str
    good: bool
    facts: tuple[Fact, ...]


class VouchersPage(Struct, frozen=True):
    """The vouchers that a person was given."""

    cards: tuple[VoucherCard, ...]


class Taking(Struct, frozen=True, array_like=True):
    """A voucher that waits for confirmation at a shop, sealed into the page; `key` takes it once."""

    sid: str
    key: str
    number: str
    amount_minor: int
    left_minor: int
    currency: str
    digits: int
    scheme: str
    group: str


def _worth(seen: Visit, label: str, minor: int, currency: str, digits: int) -> Fact:
    """An amount, also of a currency that is not the country's."""
    if currency == seen.stack.profile.currency.code:
        return Fact(label=seen.say(label), money=Money(minor, currency), strong=True)
    return Fact(label=seen.say(label), text=f"{Decimal(minor).scaleb(-digits):f} {currency}", strong=True)


def _card(seen: Visit, own: OwnVoucher) -> VoucherCard:
    one, live = own.voucher, own.voucher.state is State.ACTIVE
    until = one.expires_at.astimezone(page.zone_of(seen.stack.profile)).date()
    return VoucherCard(
        title=own.scheme, giver=own.giver, number=" ".join(own.number[n : n + 4] for n in range(0, len(own.number), 4)),
        picture=drawn(own.number) if live and own.number else "", state=seen.say(f"voucher.state_{one.state.value}"),
        good=live or one.state is State.USED,
        facts=(
            _worth(seen, "voucher.left", one.left_minor, one.currency, own.digits),
            Fact(label=seen.say("voucher.group"), text=one.group),
            Fact(label=seen.say("voucher.until"), day=until),
        ),
    )  # fmt: skip


@get("/me/money/vouchers")
async def own(request: WebRequest) -> Response[bytes]:
    """The vouchers that a person was given, with the codes to show at the shop."""
    seen = await visit_as_person(request)
    found = await vouchers.own_vouchers(seen.stack, seen.ctx("payment", "contract"))
    view = VouchersPage(tuple(_card(seen, one) for one in found))
    return seen.page("person/vouchers.html", view, area="person", here="money")


def _form(seen: Visit) -> m.Form:
    number = m.Field(
        name="number", label=seen.say("voucher.number"), kind="number", hint=seen.say("voucher.number_hint"),
        longest=40, autocomplete="off",
    )  # fmt: skip
    amount = amount_field(seen)
    whole = m.Field(name="amount", label=amount.label, kind="amount", hint=seen.say("voucher.all"), optional=True)
    return rules.filled(m.Form((number, whole)), seen.fields)


def _asking(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("voucher.take"), lead=seen.say("voucher.take_lead"), action="/me/money/vouchers/take",
        submit=seen.say("form.continue"), back="/me/money", back_label=seen.say("menu.money"),
    )  # fmt: skip
    status = 422 if form.wrongs else 200
    return seen.page("person/ask.html", view, area="person", here="money", form=form, status=status)


@get("/me/money/vouchers/take")
async def ask(request: WebRequest) -> Response[bytes]:
    """The form for a voucher that a customer shows at one's shop."""
    seen = await visit_as_person(request)
    return _asking(seen, _form(seen))


def _why(seen: Visit, refused: Refusal) -> str:
    """Why a voucher cannot be taken, in words of the page."""
    if isinstance(refused, VoucherEnded):
        return seen.say(f"voucher.not_{refused.facts.get('state', 'used')}")
    for kind, key in ((NoSuchVoucher, "none"), (ShopNotApproved, "shop"), (NoSuchMerchant, "shop")):
        if isinstance(refused, kind):
            return seen.say(f"voucher.not_{key}")
    return why_not(seen, refused)


@post("/me/money/vouchers/take", status_code=303)
async def look(request: WebRequest) -> Response[bytes]:
    """Judge the number; then show what the voucher holds."""
    seen = await visit_as_person(request)
    form = _form(seen)
    form, again = seen.judged(form, {"amount": amount_judge(seen)} if form.value("amount") else {})
    if again:
        return _asking(seen, form)
    amount = amount_in(seen, form) if form.value("amount") else 0
    number = form.value("number")
    try:
        found = await spending.see_voucher(seen.stack, seen.ctx("payment", "contract"), number)
    except TooMany:
        raise
    except Refusal as refused:
        return _asking(seen, rules.with_wrong(form, "number", _why(seen, refused)))
    if amount > found.left_minor:
        return _asking(seen, rules.with_wrong(form, "amount", seen.say("voucher.not_enough")))
    assert seen.session is not None
    taking = Taking(
        *(seen.session.sid, token(18), number, amount or found.left_minor, found.left_minor),
        *(found.currency, found.digits, found.scheme, found.group),
    )
    return seen.go(f"/me/money/vouchers/check?taking={session.seal(seen.stack, 'voucher', taking)}")


def _taking(seen: Visit, sealed: str) -> Taking:
    """What a page carried. Raises StaleForm unless it was made for this session."""
    try:
        taking = session.unseal(seen.stack, "voucher", sealed, Taking)
    except ValueError:
        raise StaleForm() from None
    if seen.session is None or taking.sid != seen.session.sid:
        raise StaleForm()
    return taking


@get("/me/money/vouchers/check")
async def check(request: WebRequest) -> Response[bytes]:
    """Scheme, kind of goods and amount, before anything is handed over."""
    seen = await visit_as_person(request)
    sealed = request.query_params.get("taking", "")
    taking = _taking(seen, sealed)
    money = taking.currency, taking.digits
    view = Checking(
        title=seen.say("voucher.check"), lead=seen.say("voucher.check_lead"), action="/me/money/vouchers/confirm",
        facts=(
            Fact(label=seen.say("voucher.scheme"), text=taking.scheme),
            Fact(label=seen.say("voucher.group"), text=taking.group, strong=True),
            _worth(seen, "voucher.taken", taking.amount_minor, *money),
            _worth(seen, "voucher.rest", taking.left_minor - taking.amount_minor, *money),
        ),
        hidden=(("taking", sealed),), confirm=seen.say("voucher.confirm"), stop="/me/money",
        stop_label=seen.say("voucher.stop"), back="/me/money/vouchers/take", back_label=seen.say("voucher.take"),
    )  # fmt: skip
    return seen.page("person/check.html", view, area="person", here="money")


@post("/me/money/vouchers/confirm", status_code=303)
async def confirm(request: WebRequest) -> Response[bytes]:
    """Take the voucher: the shop has the money, and the receipt says so."""
    seen = await visit_as_person(request)
    taking = _taking(seen, seen.fields.get("taking", ""))
    order = Spending(taking.key, taking.number, amount_minor=taking.amount_minor)
    try:
        done = await spending.take_voucher(seen.stack, seen.ctx("payment", "contract"), order)
    except (TransferRejected, VoucherEnded, VoucherTooSmall, NoSuchVoucher, ShopNotApproved, NoSuchMerchant) as refused:
        seen.fields = {"number": taking.number}
        return _asking(seen, rules.with_wrong(_form(seen), "number", _why(seen, refused)))
    return seen.go(f"/me/money/receipts/{done.transfer_id}")


class WaitingPage(Struct, frozen=True):
    """The payments that go back soon."""

    cards: tuple[DeskLine, ...]


@get("/me/money/uncollected")
async def waiting(request: WebRequest) -> Response[bytes]:
    """The payments that go back soon, and a button to keep them."""
    seen = await visit_as_person(request)
    found = await uncollected.own_uncollected(seen.stack, seen.ctx("payment", "contract"))
    zone = page.zone_of(seen.stack.profile)
    cards = tuple(
        DeskLine(
            title=one.programme,
            facts=(
                Fact(label=seen.say("send.amount"), money=Money(one.amount_minor, one.currency), strong=True),
                Fact(label=seen.say("uncollected.back_on"), day=one.returns_at.astimezone(zone).date()),
            ),
        )
        for one in found
    )
    return seen.page("person/uncollected.html", WaitingPage(cards), area="person", here="money")


@post("/me/money/uncollected", status_code=303)
async def keep(request: WebRequest) -> Response[bytes]:
    """Keep the payments that would go back."""
    seen = await visit_as_person(request)
    await uncollected.keep_payments(seen.stack, seen.ctx("payment", "contract"))
    return seen.go("/me/money/uncollected", "uncollected.said_kept")


doors = [waiting, keep, own, ask, look, check, confirm]
