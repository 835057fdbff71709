"""Doors of products: what accounts earn and cost, one's own, and how a month was computed, line by line."""

from datetime import date

from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Struct

from msingi.kernel import money
from msingi.kernel.money import Money
from msingi.payments.products import acts as products
from msingi.payments.products import catalogue, rules
from msingi.payments.products.model import Charge, OwnProduct, Product, Terms
from msingi.payments.rules import MAX_AMOUNT_MINOR
from msingi.portal.model_bank import Fact
from msingi.portal.visit import Visit, WebRequest, visit_as_person


class MonthLine(Struct, frozen=True):
    """A settled month; `result` names words."""

    month: str
    interest: Money
    fee: Money
    result: str


class OwnLine(Struct, frozen=True, kw_only=True):
    """One's own account with a product: `earned` is what is not paid yet; `current` the month that runs."""

    code: str
    name: str
    account: str
    earned: str
    to: date
    current: str
    months: tuple[MonthLine, ...]


class Offer(Struct, frozen=True, kw_only=True):
    """A product with its terms, those in force and those announced."""

    code: str
    name: str
    text: str
    facts: tuple[Fact, ...]
    later: tuple[tuple[date, tuple[Fact, ...]], ...]
    open: bool


class ProductsPage(Struct, frozen=True):
    """One's own accounts with products, and what there is to choose."""

    own: tuple[OwnLine, ...]
    offers: tuple[Offer, ...]


class DayLine(Struct, frozen=True):
    """One day: balance, what it earned, and the terms' first day."""

    day: date
    balance: Money
    earned: str


class ExplainPage(Struct, frozen=True, kw_only=True):
    """How a month was computed: each day, the sum, and what came out of it."""

    name: str
    month: str
    formula: str
    terms: tuple[tuple[date, tuple[Fact, ...]], ...]
    days: tuple[DayLine, ...]
    total: str
    settled: MonthLine | None
    carried: str


def _percent(seen: Visit, rate_bp: int) -> str:
    whole, rest = divmod(rate_bp, 100)
    return f"{whole}{seen.stack.profile.decimal_point}{rest:02d}\u00a0%" if rest else f"{whole}\u00a0%"


def _terms(seen: Visit, terms: Terms) -> tuple[Fact, ...]:
    """Terms as lines to be read."""
    currency, say = seen.stack.profile.currency.code, seen.say
    facts: list[Fact] = []
    for place, band in enumerate(terms.bands):
        label = say("product.rate_from", amount=_plain(seen, band.from_minor)) if place else say("product.rate")
        facts.append(Fact(label=label, text=_percent(seen, band.rate_bp)))
    if terms.monthly_fee_minor:
        facts.append(Fact(label=say("product.fee"), money=Money(terms.monthly_fee_minor, currency)))
        if terms.minimum_minor:
            facts.append(Fact(label=say("product.minimum"), money=Money(terms.minimum_minor, currency)))
    else:
        facts.append(Fact(label=say("product.fee"), text=say("product.free")))
    facts += charge_facts(seen, terms.transfers)
    for charge, word in ((terms.standing, "fees.of_standing"), (terms.bills, "fees.of_bills")):
        if charge is not None:
            facts += [Fact(label=say(word)), *charge_facts(seen, charge)]
    if terms.own_free:
        facts.append(Fact(label=say("fees.own"), text=say("product.free")))
    return tuple(facts)


def charge_facts(seen: Visit, charge: Charge | None) -> tuple[Fact, ...]:
    """What payments cost, as lines to be read."""
    say = seen.say
    if charge is None:
        return (Fact(label=say("fees.payments"), text=say("product.free")),)
    facts = [Fact(label=say("fees.free"), text=str(charge.free_per_month))] if charge.free_per_month else []
    for place, band in enumerate(charge.bands):
        last = place == len(charge.bands) - 1 and band.up_to_minor >= MAX_AMOUNT_MINOR
        label = say("fees.above") if last else say("fees.up_to", amount=_plain(seen, band.up_to_minor))
        parts = [_plain(seen, band.fee_minor)] if band.fee_minor or not band.rate_bp else []
        parts += [_percent(seen, band.rate_bp)] if band.rate_bp else []
        text = " + ".join(parts)
        if band.most_minor:
            text = say("fees.at_most", text=text, amount=_plain(seen, band.most_minor))
        facts.append(Fact(label=label, text=text))
    tax = catalogue.of(seen.stack).tax
    if tax is not None and tax.rate_bp:
        facts.append(Fact(label=seen.of(tax.name), text=_percent(seen, tax.rate_bp)))
    return tuple(facts)


def _plain(seen: Visit, minor: int) -> str:
    profile = seen.stack.profile
    return money.format(minor, profile.currency, profile.group_separator, profile.decimal_point)


def _major(seen: Visit, minor: str) -> str:
    """A decimal text in minor units as one in major units, exactly."""
    whole, _, rest = minor.partition(".")
    digits = seen.stack.profile.currency.digits
    if digits:
        whole = whole.zfill(digits + 1)
        whole, rest = whole[:-digits], whole[-digits:] + rest
    return f"{whole}{seen.stack.profile.decimal_point}{rest}"


def _months(seen: Visit, own: OwnProduct) -> tuple[MonthLine, ...]:
    currency = seen.stack.profile.currency.code
    return tuple(
        MonthLine(
            one.month, Money(one.interest_minor, currency), Money(one.fee_minor, currency),
            one.result if one.result in ("paid", "due") else "waits",
        )
        for one in own.months
    )  # fmt: skip


def _offer(seen: Visit, one: Product, today: date, owned: set[str]) -> Offer:
    now = rules.terms_on(one, today)
    later = tuple((terms.begins, _terms(seen, terms)) for terms in one.terms if terms.begins > today)
    return Offer(
        code=one.code, name=seen.of(one.name), text=seen.of(one.text), facts=_terms(seen, now), later=later,
        open=one.code not in owned,
    )  # fmt: skip


@get("/me/money/products")
async def listed(request: WebRequest) -> Response[bytes]:
    """What accounts earn and cost, and one's own."""
    seen = await visit_as_person(request)
    ctx = seen.ctx("payment", "contract")
    found, today = await products.own_products(seen.stack, ctx), products.today(seen.stack, ctx)
    known = {one.code: one for one in catalogue.of(seen.stack).products if not one.standard}
    own = tuple(
        OwnLine(
            code=one.product, name=seen.of(known[one.product].name), account=one.account, to=one.accrued_to,
            earned=_major(seen, one.earned), current=rules.month_of(one.accrued_to), months=_months(seen, one),
        )
        for one in found
        if one.product in known
    )  # fmt: skip
    owned = {one.product for one in found}
    begun = [one for one in known.values() if one.terms[0].begins <= today]
    view = ProductsPage(own, tuple(_offer(seen, one, today, owned) for one in begun))
    return seen.page("person/products.html", view, area="person", here="money")


@post("/me/money/products", status_code=303)
async def choose(request: WebRequest) -> Response[bytes]:
    """Open an account with a product."""
    seen = await visit_as_person(request)
    await products.open_product(seen.stack, seen.ctx("payment", "contract"), seen.fields.get("product", "")[:40])
    return seen.go("/me/money/products", "product.said_opened")


@get("/me/money/products/{code:str}/{month:str}")
async def explain(request: WebRequest, code: FromPath[str], month: FromPath[str]) -> Response[bytes]:
    """How a month was computed."""
    seen = await visit_as_person(request)
    found = await products.explain(seen.stack, seen.ctx("payment", "contract"), code, month)
    one, currency = catalogue.product(seen.stack, code), seen.stack.profile.currency.code
    begun = {line.begins for line in found.days}
    used = [terms for terms in one.terms if terms.begins in begun]
    year = str(rules.YEARS[used[0].day_count]) if used else "365"
    settled = None
    if found.settled is not None:
        by = OwnProduct(account="", product="", since=date.min, accrued_to=date.min, earned="", months=[found.settled])
        (settled,) = _months(seen, by)
    view = ExplainPage(
        name=seen.of(one.name), month=month, formula=year,
        terms=tuple((terms.begins, _terms(seen, terms)) for terms in used),
        days=tuple(DayLine(d.day, Money(d.balance_minor, currency), _major(seen, d.earned)) for d in found.days),
        total=_major(seen, found.sum), settled=settled,
        carried=_major(seen, found.settled.carried) if found.settled else "",
    )  # fmt: skip
    return seen.page("person/product_month.html", view, area="person", here="money")


doors = [listed, choose, explain]
