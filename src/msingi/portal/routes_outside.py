"""Doors of paying people at other banks and abroad: find them, say how much, see rate and fees, confirm."""

from datetime import datetime
from typing import Any

from litestar import Response, get, post
from msgspec import Struct
from msgspec.structs import replace

from msingi.kernel.errors import NotPermitted, Outage, Refusal, TooMany
from msingi.kernel.ids import token
from msingi.kernel.money import Currency, Money
from msingi.payments.errors import TransferRejected
from msingi.payments.rates.errors import (
    AmountNotConverted,
    NoPosition,
    NoRate,
    NoSuchQuote,
    PositionFull,
    QuoteExpired,
    QuoteUsed,
)
from msingi.payments.rates.model import Side
from msingi.payments.switch import abroad, outside, provider
from msingi.payments.switch.errors import BadCurrency, Expired, SwitchRefusal, UnknownFsp, UnknownParty
from msingi.portal import model as m
from msingi.portal import rules, session
from msingi.portal.errors import StaleForm
from msingi.portal.model_bank import Asking, Checking, Fact, Told
from msingi.portal.routes_money import account_of, amount_judge
from msingi.portal.routes_shop import why_not
from msingi.portal.visit import Visit, WebRequest, visit_as_person

HERE = "/me/money/outside"
KINDS = ("MSISDN", "ACCOUNT_ID", "IBAN", "PERSONAL_ID")
DIGITS = 2  # of a currency that is not settled here; it only guides how an amount is read before the room judges it


class Meant(Struct, frozen=True, array_like=True):
    """Somebody elsewhere whom a person means, sealed into the page for one session."""

    sid: str
    to: outside.Found


class Order(Struct, frozen=True, array_like=True):
    """A payment that waits for confirmation; `key` pays once. `offer` is for the country's own currency, `quote` the
    number of an offer in another one, `converted` an offer by way of an exchange provider."""

    sid: str
    key: str
    payer: str
    to: outside.Found
    amount_minor: int
    offer: outside.Offer | None = None
    quote: str = ""
    currency: str = ""
    digits: int = 0
    receive_minor: int = 0
    converted: provider.Converted | None = None


def _unsealed(seen: Visit, name: str, kind: type[Any]) -> Any:
    """What a page carried. Raises StaleForm unless it was made for this session."""
    sealed = seen.fields.get(name, "") or seen.request.query_params.get(name, "")
    try:
        found = session.unseal(seen.stack, name, sealed, kind)
    except ValueError:
        raise StaleForm() from None
    if seen.session is None or found.sid != seen.session.sid:
        raise StaleForm()
    return found


def _kinds(seen: Visit) -> tuple[tuple[str, str], ...]:
    return tuple((kind, seen.say(f"abroad.kind_{kind}")) for kind in KINDS)


def _find_form(seen: Visit) -> m.Form:
    kind = m.Field(name="kind", label=seen.say("abroad.kind"), kind="choice", options=_kinds(seen), value="MSISDN")
    whom = m.Field(
        name="whom", label=seen.say("abroad.whom"), hint=seen.say("abroad.whom_hint"), kind="phone", longest=60,
        autocomplete="off",
    )  # fmt: skip
    form = m.Form((kind, whom))
    return rules.filled(form, seen.fields) if seen.fields else form


def _find_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("abroad.title"), lead=seen.say("abroad.lead"), action=HERE, submit=seen.say("abroad.find"),
        back="/me/money", back_label=seen.say("menu.money"), note=seen.say("abroad.asked_there"),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


@get(HERE)
async def begin(request: WebRequest) -> Response[bytes]:
    """Whom: at another bank, another operator, or abroad."""
    seen = await visit_as_person(request)
    return _find_page(seen, _find_form(seen))


async def meant(seen: Visit, kind: str, typed: str) -> outside.Found:
    """Somebody elsewhere by what was typed. Raises UnknownParty, UnknownFsp where no bank of ours takes part."""
    plain = typed if kind == "ACCOUNT_ID" else typed.replace(" ", "").replace("-", "")
    if kind == "MSISDN":
        plain = plain.removeprefix("+").removeprefix("00")
        if not plain.isdecimal():
            raise UnknownParty()
        country, profile = seen.stack.profile.phone_prefix.removeprefix("+"), seen.stack.profile
        if plain.startswith("0") and len(plain) == profile.phone_digits + 1:
            plain = country + plain[1:]
    if not plain or any(sign in plain for sign in "/?") or not plain.isprintable():
        raise UnknownParty()
    return await outside.find(seen.stack, seen.ctx("payment", "contract"), kind, plain)


def go_on(seen: Visit, to: outside.Found, amount: str = "") -> Response[bytes]:
    """To the page that asks how much."""
    assert seen.session is not None
    sealed = session.seal(seen.stack, "to", Meant(seen.session.sid, to))
    return seen.go(
        f"{HERE}/amount?to={sealed}" + (f"&amount={amount}" if amount.isascii() and amount.isdigit() else "")
    )


@post(HERE, status_code=303)
async def find(request: WebRequest) -> Response[bytes]:
    """Ask the switch whose customer that is, and what their bank calls them."""
    seen = await visit_as_person(request)
    form = _find_form(seen)
    form, again = seen.judged(form)
    if again:
        return _find_page(seen, form)
    kind = form.value("kind") if form.value("kind") in KINDS else "MSISDN"
    try:
        to = await meant(seen, kind, form.value("whom"))
    except (TooMany, NotPermitted):
        raise
    except Outage:
        return _find_page(seen, rules.with_wrong(form, "whom", seen.say("abroad.silent")))
    except UnknownFsp:
        return _find_page(seen, rules.with_wrong(form, "whom", seen.say("abroad.no_switch")))
    except Refusal:
        return _find_page(seen, rules.with_wrong(form, "whom", seen.say("send.nobody")))
    if not to.currencies:
        return _find_page(seen, rules.with_wrong(form, "whom", seen.say("abroad.no_currency")))
    return go_on(seen, to)


def _amount_form(seen: Visit, to: outside.Found) -> m.Form:
    home = seen.stack.profile.currency.code
    fields = [
        m.Field(
            name="amount", label=seen.say("send.amount_label"), kind="amount",
            value=seen.request.query_params.get("amount", ""),
        )
    ]  # fmt: skip
    if len(to.currencies) > 1:
        options = tuple((code, code) for code in to.currencies)
        fields.append(
            m.Field(
                name="currency", label=seen.say("abroad.currency"), kind="choice", options=options,
                value=to.currencies[0],
            )
        )  # fmt: skip
    if any(code != home for code in to.currencies):
        there = " / ".join(code for code in to.currencies if code != home)
        options = (
            ("send", seen.say("abroad.side_send", currency=home)),
            ("receive", seen.say("abroad.side_receive", currency=there)),
        )
        fields.append(m.Field(name="side", label=seen.say("abroad.side"), kind="choice", options=options, value="send"))
    form = m.Form(tuple(fields))
    return rules.filled(form, seen.fields) if "amount" in seen.fields else form


def _who(seen: Visit, to: outside.Found) -> tuple[Fact, ...]:
    return (
        Fact(label=seen.say("send.to_name"), text=to.name, strong=True),
        Fact(label=seen.say("abroad.bank"), text=to.fsp),
        Fact(label=seen.say("send.to_phone"), text=to.identifier),
    )


def _amount_page(seen: Visit, found: Meant, form: m.Form) -> Response[bytes]:
    sealed = session.seal(seen.stack, "to", found)
    view = Asking(
        title=seen.say("shop.how_much"), action=f"{HERE}/amount", submit=seen.say("abroad.see_cost"), back=HERE,
        back_label=seen.say("abroad.title"), facts=_who(seen, found.to), hidden=(("to", sealed),),
        note=seen.say("abroad.nothing_yet"),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


@get(f"{HERE}/amount")
async def how_much(request: WebRequest) -> Response[bytes]:
    """Name and bank as found, and the question how much."""
    seen = await visit_as_person(request)
    found = _unsealed(seen, "to", Meant)
    return _amount_page(seen, found, _amount_form(seen, found.to))


@post(f"{HERE}/amount", status_code=200)
async def offer(request: WebRequest) -> Response[bytes]:
    """Ask for an offer, and show it: amount, rate, fees, what arrives, and until when it holds."""
    seen = await visit_as_person(request)
    found: Meant = _unsealed(seen, "to", Meant)
    account = await account_of(seen)
    if account is None:
        return seen.go("/me/money")
    form = _amount_form(seen, found.to)
    home, code = seen.stack.profile.currency, seen.fields.get("currency", "") or found.to.currencies[0]
    side = Side.RECEIVE if code != home.code and seen.fields.get("side") == "receive" else Side.SEND
    if code not in found.to.currencies:
        raise StaleForm()
    currency = home if side is Side.SEND else Currency(code, DIGITS, "")
    if not seen.in_other_language:
        judge = amount_judge(seen) if side is Side.SEND else _judge(seen, currency)
        form = rules.judged(form, seen.say, {"amount": judge})
    if form.wrongs or seen.in_other_language:
        return _amount_page(seen, found, form)
    minor = rules.amount_minor(form.value("amount"), currency, seen.stack.profile.group_separator, _point(seen))
    try:
        order = await _offered(seen, account.number, found, code, minor, side)
    except Outage:
        return _amount_page(seen, found, rules.with_wrong(form, "amount", seen.say("abroad.silent")))
    except (AmountNotConverted, NoRate, NoPosition, BadCurrency, SwitchRefusal) as refused:
        return _amount_page(seen, found, rules.with_wrong(form, "amount", _why(seen, refused)))
    if order[0].amount_minor > account.available_minor:
        return _amount_page(seen, found, rules.with_wrong(form, "amount", seen.say("send.too_little")))
    return _check_page(seen, *order)


def _point(seen: Visit) -> str:
    return seen.stack.profile.decimal_point


def _judge(seen: Visit, currency: Currency):
    profile = seen.stack.profile
    return lambda text: rules.amount_wrong(text, currency, profile.group_separator, profile.decimal_point, seen.say)


def _why(seen: Visit, refused: Refusal) -> str:
    """Why there is no offer, in words of the page."""
    if isinstance(refused, AmountNotConverted) and "most_minor" in refused.facts:
        least, most = (
            seen.written(int(str(refused.facts[name])), seen.stack.profile.currency)
            for name in ("least_minor", "most_minor")
        )
        return seen.say("abroad.limits", least=least, most=most)
    known: tuple[tuple[type[Refusal], str], ...] = (
        *((NoRate, "no_rate"), (NoPosition, "no_rate"), (PositionFull, "no_cover"), (BadCurrency, "no_currency")),
        *(
            (Expired, "expired"),
            (QuoteExpired, "expired"),
            (QuoteUsed, "expired"),
            (NoSuchQuote, "expired"),
            (UnknownParty, "refused"),
        ),
    )
    return seen.say("abroad." + next((key for kind, key in known if isinstance(refused, kind)), "refused"))


async def _offered(
    seen: Visit, payer: str, found: Meant, code: str, minor: int, side: Side
) -> tuple[Order, tuple[Fact, ...], datetime]:
    """The order that can be confirmed, its facts in the order in which people ask for them, and until when."""
    ctx, home = seen.ctx("payment", "contract"), seen.stack.profile.currency
    order = Order(found.sid, token(18), payer, found.to, minor)
    if code == home.code:
        made = await outside.ask_offer(seen.stack, ctx, found.to, minor)
        facts = (
            Fact(label=seen.say("abroad.leaves"), money=Money(made.send_minor, home.code), strong=True),
            Fact(label=seen.say("abroad.their_fee"), money=Money(made.fee_minor, home.code)),
            Fact(label=seen.say("abroad.arrives"), money=Money(made.receive_minor, home.code), strong=True),
        )
        until = datetime.fromisoformat(made.valid_until)
        return replace(order, amount_minor=made.send_minor, offer=made, receive_minor=made.receive_minor), facts, until
    try:
        got = await abroad.ask_abroad(seen.stack, ctx, found.to, code, minor, side)
    except (NoRate, NoPosition, BadCurrency):  # the house does not deal in it: somebody else at the switch may
        return _converted(seen, order, await provider.ask(seen.stack, ctx, found.to, code, minor, side))
    quote, there = got.quote, Currency(code, got.digits, "", code)
    rate = f"1 {home.code} = {quote.rate} {code}"
    facts = (
        Fact(label=seen.say("abroad.leaves"), money=Money(quote.total_minor, home.code), strong=True),
        Fact(label=seen.say("abroad.our_fee"), money=Money(quote.fee_minor, home.code)),
        Fact(label=seen.say("abroad.rate"), text=rate),
        Fact(label=seen.say("abroad.middle"), text=f"1 {home.code} = {quote.middle} {code}"),
        Fact(label=seen.say("abroad.margin"), text=seen.written(quote.margin_minor, there)),
        Fact(label=seen.say("abroad.their_fee"), text=seen.written(got.their_fee_minor, there)),
        Fact(label=seen.say("abroad.arrives"), text=seen.written(got.receive_minor, there), strong=True),
    )
    order = replace(
        order, amount_minor=quote.total_minor, quote=quote.id, currency=code, digits=got.digits,
        receive_minor=got.receive_minor,
    )  # fmt: skip
    return order, facts, got.valid_until


def _converted(seen: Visit, order: Order, got: provider.Converted) -> tuple[Order, tuple[Fact, ...], datetime]:
    """An offer by way of an exchange provider: whose rate it is, what it takes, and what arrives."""
    home, there = seen.stack.profile.currency, Currency(got.currency, got.digits, "", got.currency)
    facts = (
        Fact(label=seen.say("abroad.leaves"), money=Money(got.send_minor, home.code), strong=True),
        Fact(label=seen.say("abroad.provider"), text=got.provider),
        Fact(label=seen.say("abroad.provider_fee"), money=Money(got.charge_minor, home.code)),
        Fact(label=seen.say("abroad.rate"), text=f"1 {home.code} = {got.rate} {got.currency}"),
        Fact(label=seen.say("abroad.their_fee"), text=seen.written(got.their_fee_minor, there)),
        Fact(label=seen.say("abroad.arrives"), text=seen.written(got.receive_minor, there), strong=True),
    )
    order = replace(
        order, amount_minor=got.send_minor, converted=got, currency=got.currency, digits=got.digits,
        receive_minor=got.receive_minor,
    )  # fmt: skip
    return order, facts, got.valid_until


def _check_page(seen: Visit, order: Order, facts: tuple[Fact, ...], until: datetime) -> Response[bytes]:
    view = Checking(
        title=seen.say("send.check_title"), lead=seen.say("send.check_lead"), action=f"{HERE}/confirm",
        facts=(*_who(seen, order.to), *facts, Fact(label=seen.say("abroad.until"), at=until)),
        hidden=(("order", session.seal(seen.stack, "order", order)),), confirm=seen.say("send.confirm"),
        stop="/me/money", stop_label=seen.say("send.stop"), back=HERE, back_label=seen.say("abroad.title"),
        note=seen.say("abroad.promise"),
    )  # fmt: skip
    return seen.page("person/check.html", view, area="person", here="money")


@post(f"{HERE}/confirm", status_code=303)
async def confirm(request: WebRequest) -> Response[bytes]:
    """Pay what was shown, once, however often the form arrives; then what became of it."""
    seen = await visit_as_person(request)
    order: Order = _unsealed(seen, "order", Order)
    ctx = seen.ctx("payment", "contract")
    try:
        if order.offer is not None:
            await outside.pay_outside(seen.stack, ctx, order.payer, order.offer, order.key)
        elif order.converted is not None:
            await provider.pay(seen.stack, ctx, order.payer, order.converted, order.key)
        else:
            await abroad.pay_abroad(seen.stack, ctx, order.payer, order.quote, order.key)
    except Outage:
        return _told(seen, order, "on_its_way")
    except TransferRejected as refused:
        return _again(seen, order, why_not(seen, refused))
    except (QuoteExpired, QuoteUsed, NoSuchQuote, PositionFull, SwitchRefusal) as refused:
        return _again(seen, order, _why(seen, refused))
    return _told(seen, order, "sent")


def _again(seen: Visit, order: Order, why: str) -> Response[bytes]:
    """Back to the question how much, with the reason; nothing was paid."""
    seen.fields = {}
    found = Meant(order.sid, order.to)
    return _amount_page(seen, found, rules.with_wrong(_amount_form(seen, order.to), "amount", why))


def _told(seen: Visit, order: Order, what: str) -> Response[bytes]:
    home = seen.stack.profile.currency
    there = Currency(order.currency, order.digits, "", order.currency) if order.currency else home
    arrives = Fact(label=seen.say("abroad.arrives"), text=seen.written(order.receive_minor, there), strong=True)
    view = Told(
        title=seen.say(f"abroad.{what}"), lead=seen.say(f"abroad.{what}_lead"),
        amount=Money(order.amount_minor, home.code), facts=(*_who(seen, order.to), arrives), next="/me/money",
        next_label=seen.say("receipt.back"),
    )  # fmt: skip
    return seen.page("person/told.html", view, area="person", here="money")


doors = [begin, find, how_much, offer, confirm]
