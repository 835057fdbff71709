"""Doors of a paying institution: keep programmes, take people in, open and retry cycles of payments."""

from collections.abc import Callable
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel.errors import Malformed, NotFound
from msingi.payments import acts as payments
from msingi.payments.programmes import acts as programmes
from msingi.payments.programmes.errors import ProgrammeCodeTaken
from msingi.payments.programmes.model import Eligibility, Programme, ProgrammeOrder
from msingi.portal import model as m
from msingi.portal import rules, views_programmes
from msingi.portal.model_programmes import CycleLine, ProgrammesPage, TakenIn
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

ROLES = ("payment-clerk", "payment-approver", "treasurer")
KEEPER = "payment-clerk"
SHOWN, CYCLES, EXPLAINED = 50, 24, 3
LIST_BYTES = 64 * 1024


def _ctx(seen: Visit):
    return seen.ctx("social-protection", "public-task")


def _regions(seen: Visit) -> dict[str, str]:
    found = ((r.code, seen.of(r.name)) for r in seen.stack.profile.regions)
    return dict(sorted(found, key=lambda region: region[1]))


async def _open_form(seen: Visit) -> m.Form:
    """The questions for a new programme; the accounts are the institution's own."""
    say = seen.say
    own = await payments.accounts(seen.stack, seen.ctx("payment", "public-task"))
    accounts = tuple((a.number, " ".join(x for x in (a.number, a.label) if x)) for a in own if a.kind == "government")
    sexes = tuple((value, say(f"enrol.sex_{key}")) for value, key in views_programmes.SEXES.items())
    ages = (
        m.Field(name=name, label=say(f"programme.{name}"), kind="number", optional=True, longest=3)
        for name in ("min_age", "max_age")
    )
    fields = (
        m.Field(name="code", label=say("programme.code"), hint=say("programme.code_hint"), longest=12),
        m.Field(name="name", label=say("programme.name"), hint=say("programme.name_hint"), longest=60),
        m.Field(name="amount", label=say("programme.amount"), kind="amount", longest=20),
        m.Field(name="payer", label=say("programme.payer"), kind="select", options=accounts),
        *ages,
        m.Field(name="sex", label=say("programme.sex"), kind="select", options=sexes, optional=True),
        m.Field(
            name="region", label=say("programme.region"), kind="select", options=tuple(_regions(seen).items()),
            optional=True,
        ),
    )  # fmt: skip
    return rules.filled(m.Form(fields), seen.fields)


async def _list_page(seen: Visit, form: m.Form | None = None) -> Response[bytes]:
    after = seen.request.query_params.get("after", "")[:12]
    found = await programmes.programmes(seen.stack, _ctx(seen), after=after, limit=SHOWN + 1)
    may_keep = KEEPER in seen.actor.roles
    view = ProgrammesPage(
        lines=tuple(views_programmes.line(one) for one in found[:SHOWN]),
        may_keep=may_keep,
        older=f"/staff/programmes?after={found[SHOWN - 1].code}" if len(found) > SHOWN else "",
    )
    form = form or (await _open_form(seen) if may_keep else m.Form(()))
    return seen.page("staff/programmes.html", view, area="staff", here="programmes", form=form)


@get("/staff/programmes")
async def listed(request: WebRequest) -> Response[bytes]:
    """The institution's programmes, and a form for one more."""
    return await _list_page(await visit_as_staff(request, *ROLES))


def _age(seen: Visit) -> Callable[[str], str]:
    def judge(text: str) -> str:
        good = text.isascii() and text.isdigit() and int(text) <= 150
        return "" if good else seen.say("programme.not_age")

    return judge


@post("/staff/programmes", status_code=303)
async def opened(request: WebRequest) -> Response[bytes]:
    """Open a programme, or say what to correct."""
    seen = await visit_as_staff(request, KEEPER)
    form, say, profile = await _open_form(seen), seen.say, seen.stack.profile
    written = (profile.currency, profile.group_separator, profile.decimal_point)
    if not seen.in_other_language:
        amount = {"amount": lambda text: rules.amount_wrong(text, *written, say)}
        form = rules.judged(form, say, amount | {n: _age(seen) for n in ("min_age", "max_age")})
    if form.wrongs or seen.in_other_language:
        return await _list_page(seen, form)
    ages = [int(form.value(n)) if form.value(n) else None for n in ("min_age", "max_age")]
    only = [(form.value(n),) if form.value(n) else () for n in ("sex", "region")]
    order = ProgrammeOrder(
        form.value("code"), form.value("name"), form.value("payer"),
        rules.amount_minor(form.value("amount"), *written), Eligibility(ages[0], ages[1], only[0], only[1]),
    )  # fmt: skip
    try:
        made = await programmes.open_programme(seen.stack, _ctx(seen), order)
    except ProgrammeCodeTaken:
        return await _list_page(seen, rules.with_wrong(form, "code", say("programme.taken_code")))
    except Malformed as wrong:
        told = {"amount_minor": ("amount", "too_much"), "eligibility.max_age": ("max_age", "ages_backwards")}
        field, key = told.get(str(wrong.facts.get("field")), ("code", "bad_code"))
        return await _list_page(seen, rules.with_wrong(form, field, say(f"programme.{key}")))
    return seen.go(f"/staff/programmes/{made.programme_id}", "programme.said_opened")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound() from None


def _add_form(seen: Visit) -> m.Form:
    say = seen.say
    return m.Form(
        (
            m.Field(name="label", label=say("programme.label"), hint=say("programme.label_hint"), longest=16),
            m.Field(name="number", label=say("programme.number"), kind="number", longest=40, optional=True),
            m.Field(
                name="list", label=say("programme.list"), kind="file", hint=say("programme.list_hint"),
                accept=".txt,.csv,text/plain,text/csv", optional=True,
            ),
        )
    )  # fmt: skip


async def _cycles(seen: Visit, found: Programme) -> list[CycleLine]:
    """The newest cycles; for the first few of them, why people were left out."""
    told, seen_labels = [], set()
    for n, one in enumerate(await programmes.cycles(seen.stack, _ctx(seen), found.programme_id, CYCLES)):
        out = []
        if one.left_out and n < EXPLAINED:
            out = (await programmes.left_out(seen.stack, _ctx(seen), one.file_id, limit=programmes.MAX_PAGE)).people
        told.append(views_programmes.cycle(one, one.label not in seen_labels, out, seen.say))
        seen_labels.add(one.label)
    return told


async def _page(seen: Visit, wanted: str, form: m.Form | None = None, told: TakenIn | None = None) -> Response[bytes]:
    found = await programmes.programme(seen.stack, _ctx(seen), _id(wanted))
    sentences = views_programmes.rules_told(found.eligibility, seen.say, _regions(seen))
    may_keep = KEEPER in seen.actor.roles
    view = views_programmes.programme(found, await _cycles(seen, found), sentences, may_keep, told)
    form = form or _add_form(seen)
    return seen.page("staff/programme.html", view, area="staff", here="programmes", form=form, keeps_form=False)


@get("/staff/programmes/{programme:str}")
async def one(request: WebRequest, programme: FromPath[str]) -> Response[bytes]:
    """One programme: its rules, its people, its cycles."""
    return await _page(await visit_as_staff(request, *ROLES), programme)


@post("/staff/programmes/{programme:str}/people", status_code=200)
async def take_in(request: WebRequest, programme: FromPath[str]) -> Response[bytes]:
    """Take in one number, or a list of them; the page then says what became of each."""
    seen = await visit_as_staff(request, KEEPER)
    form, raw = _add_form(seen), seen.files.get("list", b"")

    def wrong(field: str, key: str) -> m.Form:
        return rules.with_wrong(rules.filled(form, seen.fields), field, seen.say(f"programme.{key}"))

    try:
        if len(raw) > LIST_BYTES:
            return await _page(seen, programme, wrong("list", "too_many"))
        lines = [line.strip(" \t;,\"'\ufeff") for line in raw.decode().splitlines()]
    except UnicodeDecodeError:
        return await _page(seen, programme, wrong("list", "not_text"))
    numbers = [line[:64] for line in [seen.fields.get("number", ""), *lines] if line]
    if not numbers:
        return await _page(seen, programme, wrong("number", "nothing"))
    if len(numbers) > programmes.MAX_LIST:
        return await _page(seen, programme, wrong("list", "too_many"))
    found = await programmes.enrol_beneficiaries(seen.stack, _ctx(seen), _id(programme), numbers)
    return await _page(seen, programme, told=views_programmes.taken(found, seen.say))


@post("/staff/programmes/{programme:str}/cycles", status_code=303)
async def open_cycle(request: WebRequest, programme: FromPath[str]) -> Response[bytes]:
    """Open a cycle, or try one again for those whom it has not paid."""
    seen = await visit_as_staff(request, KEEPER)
    label, retry = seen.fields.get("label", ""), bool(seen.fields.get("retry"))
    try:
        await programmes.open_cycle(seen.stack, _ctx(seen), _id(programme), label, retry=retry)
    except Malformed:
        form = rules.filled(_add_form(seen), seen.fields)
        return await _page(seen, programme, rules.with_wrong(form, "label", seen.say("programme.label_wrong")))
    return seen.go(f"/staff/programmes/{programme}", "programme.said_cycle")


@post("/staff/programmes/{programme:str}/closing", status_code=303)
async def close(request: WebRequest, programme: FromPath[str]) -> Response[bytes]:
    """Close a programme."""
    seen = await visit_as_staff(request, KEEPER)
    await programmes.close_programme(seen.stack, _ctx(seen), _id(programme))
    return seen.go(f"/staff/programmes/{programme}", "programme.said_closed")


doors = [listed, opened, one, take_in, open_cycle, close]
