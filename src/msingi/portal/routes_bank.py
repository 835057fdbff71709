"""Doors of statements, and of the bank's desk: which shops there are."""

from datetime import date, datetime, timedelta

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.identity.errors import NumberWrong
from msingi.kernel import clock
from msingi.kernel.errors import Malformed, NotFound, Refusal
from msingi.kernel.ids import token
from msingi.payments.bank import acts as bank
from msingi.payments.bank import statements, wire
from msingi.payments.bank.errors import StatementTooLong
from msingi.payments.bank.model import Booked, MerchantOrder, Period
from msingi.portal import model as m
from msingi.portal import officer, page, rules, statement_paper, views_bank
from msingi.portal.model_bank import Asking, DeskLine, DeskPage, Fact
from msingi.portal.routes_money import account_of
from msingi.portal.routes_person import speaker
from msingi.portal.visit import Visit, WebRequest, visit_as_person, visit_as_staff

SHOPS = 25
FORMS = {"csv": "text/csv", "xml": "application/xml", "pdf": "application/pdf"}


def _period_form(seen: Visit) -> m.Form:
    today = clock.now().astimezone(page.zone_of(seen.stack.profile)).date()
    first = m.Field(name="first", label=seen.say("statement.from"), kind="date", value=today.replace(day=1).isoformat())
    last = m.Field(name="last", label=seen.say("statement.to"), kind="date", value=today.isoformat())
    form = m.Form((first, last))
    return rules.filled(form, seen.fields) if seen.fields else form


def _of(seen: Visit) -> str:
    """Which account the pages are about, as they hand it on: nothing for the ordinary one."""
    number = seen.request.query_params.get("account", "")
    return f"?account={number}" if number.isdecimal() and len(number) == 13 else ""


def _ask_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("statement.title"), lead=seen.say("statement.lead"), action=f"/me/money/statement{_of(seen)}",
        submit=seen.say("statement.show"), back=f"/me/money{_of(seen)}", back_label=seen.say("menu.money"),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


@get("/me/money/statement")
async def ask(request: WebRequest) -> Response[bytes]:
    """For which days."""
    seen = await visit_as_person(request)
    return _ask_page(seen, _period_form(seen))


@post("/me/money/statement", status_code=303)
async def choose(request: WebRequest) -> Response[bytes]:
    """The period, judged; then the statement at an address of its own."""
    seen = await visit_as_person(request)
    form = _period_form(seen)
    if seen.in_other_language:
        return _ask_page(seen, form)
    today = clock.now().astimezone(page.zone_of(seen.stack.profile)).date()

    def day(text: str) -> str:
        return rules.date_wrong(text, today, seen.say) or ("" if all(text.split("-")) else seen.say("form.not_date"))

    form = rules.judged(form, seen.say, {"first": day, "last": day})
    if form.wrongs:
        return _ask_page(seen, form)
    first, last = rules.iso_date(form.value("first")), rules.iso_date(form.value("last"))
    if last < first:
        return _ask_page(seen, rules.with_wrong(form, "last", seen.say("statement.backwards")))
    return seen.go(f"/me/money/statement/{first}/{last}{_of(seen)}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise NotFound() from None


async def _booked(seen: Visit, first: str, last: str) -> Booked | None:
    number = _of(seen).rpartition("=")[2]
    if not number:
        account = await account_of(seen)
        if account is None:
            return None
        number = account.number
    ctx = seen.ctx("subject-access", "legal-obligation")
    period = Period(_day(first), _day(last))
    holder = seen.session.name if seen.session else ""
    return await statements.booked(seen.stack, ctx, number, period, holder=holder)


@get("/me/money/statement/{first:str}/{last:str}")
async def statement(request: WebRequest, first: FromPath[str], last: FromPath[str]) -> Response[bytes]:
    """The statement as a page."""
    seen = await visit_as_person(request)
    try:
        found = await _booked(seen, first, last)
    except StatementTooLong:
        seen.fields = {}
        return _ask_page(seen, rules.with_wrong(_period_form(seen), "first", seen.say("statement.too_long")))
    if found is None:
        return seen.go("/me/money")
    at, of = f"/me/money/statement/{first}/{last}", _of(seen)
    forms = tuple((seen.say(f"statement.as_{f}"), f"{at}/{f}{of}") for f in FORMS)
    view = views_bank.statement(speaker(seen), found, forms)
    return seen.page("person/statement.html", view, area="person", here="money")


@get("/me/money/statement/{first:str}/{last:str}/{form:str}")
async def keep(request: WebRequest, first: FromPath[str], last: FromPath[str], form: FromPath[str]) -> Response[bytes]:
    """The statement to keep: a table, camt.053 for accounting software, or paper."""
    seen = await visit_as_person(request)
    if form not in FORMS:
        raise NotFound()
    found = await _booked(seen, first, last)
    if found is None:
        raise NotFound()
    currency = seen.stack.profile.currency
    if form == "csv":
        raw = wire.to_csv(found, currency)
    elif form == "xml":
        raw = wire.to_camt_053(found, currency, statements.servicer(seen.stack))
    else:
        raw = statement_paper.document(seen, found, statements.servicer(seen.stack))
    return seen.download(raw, FORMS[form], f"statement-{first}-{last}.{form}")


def _shop_form(seen: Visit) -> m.Form:
    say = seen.say
    kinds = tuple((code, seen.of(text)) for code, text in bank.categories(seen.stack).items())
    fields = (
        m.Field(
            name="holder", label=say("shop.holder"), kind="number", hint=say("shop.holder_hint"), longest=24,
            autocomplete="off",
        ),
        m.Field(name="name", label=say("shop.name"), hint=say("shop.name_hint"), longest=60),
        m.Field(name="latin", label=say("shop.latin"), hint=say("shop.latin_hint"), longest=25),
        m.Field(name="city", label=say("shop.city"), hint=say("shop.city_hint"), longest=15),
        m.Field(name="category", label=say("shop.category"), kind="select", options=kinds),
    )  # fmt: skip
    return rules.filled(m.Form(fields), seen.fields)


async def _shops_page(seen: Visit, form: m.Form) -> Response[bytes]:
    sent = seen.request.query_params
    before, code = bank.LATEST, sent.get("code", "")[:12]
    try:
        before = datetime.fromisoformat(sent.get("before", "")) if sent.get("before") else before
    except ValueError:
        raise NotFound() from None
    if before.tzinfo is None:
        raise NotFound()
    ctx = seen.ctx("payment", "contract")
    found = await bank.registered_merchants(seen.stack, ctx, before=before, before_code=code, limit=SHOPS + 1)
    lines = tuple(
        DeskLine(
            title=f"{own.merchant.name} · {own.merchant.code}",
            facts=(
                Fact(label=seen.say("money.account"), text=own.account),
                Fact(label=seen.say("shop.since"), at=own.merchant.registered_at),
            ),
            state=seen.say("shop.open" if own.merchant.is_open else "shop.closed"),
            good=own.merchant.is_open,
            action="/staff/shops/close" if own.merchant.is_open else "",
            label=seen.say("shop.close"),
            hidden=(("shop", own.merchant.code),),
        )
        for own in found[:SHOPS]
    )
    last = found[SHOPS - 1].merchant if len(found) > SHOPS else None
    moment = (last.registered_at - timedelta(0)).isoformat().replace("+", "%2B") if last else ""
    asking = Asking(
        title=seen.say("menu.shops"), lead=seen.say("shop.desk_lead"), action="/staff/shops",
        submit=seen.say("shop.register"), hidden=(("key", seen.fields.get("key") or token(18)),),
    )  # fmt: skip
    view = DeskPage(
        asking=asking, list_title=seen.say("shop.list"), lines=lines, empty=seen.say("shop.list_empty"),
        older=f"/staff/shops?before={moment}&code={last.code}" if last else "",
    )  # fmt: skip
    return seen.page("staff/bank_desk.html", view, area="staff", here="shops", form=form)


@get("/staff/shops")
async def shops(request: WebRequest) -> Response[bytes]:
    """The shops that the bank registered, and a form for one more."""
    seen = await visit_as_staff(request, officer.ROLE)
    return await _shops_page(seen, _shop_form(seen))


@post("/staff/shops", status_code=303)
async def register(request: WebRequest) -> Response[bytes]:
    """Register a shop, or say what to correct."""
    seen = await visit_as_staff(request, officer.ROLE)
    form = _shop_form(seen)
    form, again = seen.judged(form, {n: _ascii(seen) for n in ("latin", "city")})
    if again:
        return await _shops_page(seen, form)
    holder = form.value("holder").replace(" ", "")
    order = MerchantOrder(
        key=seen.fields.get("key") or token(18), name=form.value("name"), latin=form.value("latin"),
        city=form.value("city"), category=form.value("category"),
        account=holder if len(holder) == 13 else "", number="" if len(holder) == 13 else holder,
    )  # fmt: skip
    try:
        await bank.register_merchant(seen.stack, seen.ctx("payment", "contract"), order)
    except (NumberWrong, Malformed, NotFound) as wrong:
        name = str(wrong.facts.get("field", ""))
        field = name if name in ("name", "latin", "city", "category") else "holder"
        return await _shops_page(seen, rules.with_wrong(form, field, seen.say("shop.holder_wrong")))
    except Refusal as wrong:
        if wrong.status != 409:
            raise
        return await _shops_page(seen, rules.with_wrong(form, "holder", seen.say("shop.holder_wrong")))
    return seen.go("/staff/shops", "shop.said_registered")


def _ascii(seen: Visit):
    def judge(text: str) -> str:
        return "" if text.isascii() and text.isprintable() else seen.say("shop.only_latin")

    return judge


@post("/staff/shops/close", status_code=303)
async def close(request: WebRequest) -> Response[bytes]:
    """Close a shop for good."""
    seen = await visit_as_staff(request, officer.ROLE)
    await bank.close_merchant(seen.stack, seen.ctx("payment", "contract"), seen.fields.get("shop", ""))
    return seen.go("/staff/shops", "shop.said_closed")


doors = [ask, choose, statement, keep, shops, register, close]
