"""Doors of stopped payments: a person's own, with the way to contest them; and the desk of compliance officers."""

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel import clock
from msingi.kernel.errors import Malformed
from msingi.kernel.money import Money
from msingi.payments.fraud import acts as fraud
from msingi.payments.fraud import desk, rulebook, sanctions
from msingi.payments.fraud.errors import ListWrong
from msingi.payments.fraud.model import Case, Dossier, State, Stopped
from msingi.portal import model as m
from msingi.portal import rules
from msingi.portal.model_bank import Asking, DeskLine, DeskPage, Fact
from msingi.portal.model_fraud import CaseLine, CasePage, Moved, QueuePage, Said, StopLine, StopPage, StopsPage
from msingi.portal.views import KINDS
from msingi.portal.visit import Visit, WebRequest, visit_as_person, visit_as_staff

OFFICER = "compliance-officer"
SHOWN = 25
LONGEST = 1_000


def _stop_line(one: Stopped) -> StopLine:
    """A stopped payment as the list shows it; what was let go in vain is over."""
    over = one.state is State.ALLOWED and one.until is not None and one.until < clock.now()
    amount = Money(one.amount_minor, one.currency)
    return StopLine(
        id=one.stop_id, payee=one.payee, amount=amount, at=one.at, state="over" if over else one.state.value
    )


@get("/me/money/stopped")
async def stops(request: WebRequest) -> Response[bytes]:
    """A person's own payments that a rule stopped."""
    seen = await visit_as_person(request)
    before = request.query_params.get("before", "")[:80].replace(" ", "+")
    found = await fraud.stopped_payments(seen.stack, seen.ctx("payment", "contract"), before=before, limit=SHOWN)
    older = f"/me/money/stopped?before={found.next_before}".replace("+", "%2B") if found.next_before else ""
    view = StopsPage(tuple(map(_stop_line, found.payments)), older)
    return seen.page("person/stops.html", view, area="person", here="money")


def _words(name: str, label: str, hint: str = "") -> m.Form:
    return m.Form((m.Field(name=name, label=label, hint=hint, longest=LONGEST),))


async def _stop(seen: Visit, stop_id: str, form: m.Form | None = None) -> Response[bytes]:
    one = await fraud.stopped_payment(seen.stack, seen.ctx("payment", "contract"), stop_id)
    may_write = one.state in (State.STOPPED, State.CHECKING)
    view = StopPage(
        line=_stop_line(one), why=one.why, said=one.said, due_at=one.due_at, until=one.until, may_write=may_write
    )
    form = form or _words("text", seen.say("stopped.text"), seen.say("stopped.text_hint"))
    return seen.page("person/stop.html", view, area="person", here="money", form=form)


@get("/me/money/stopped/{stop:str}")
async def stop(request: WebRequest, stop: FromPath[str]) -> Response[bytes]:
    """Why one was stopped, how it stands, and what can be done."""
    return await _stop(await visit_as_person(request), stop)


@post("/me/money/stopped/{stop:str}", status_code=303)
async def contest(request: WebRequest, stop: FromPath[str]) -> Response[bytes]:
    """Contest it, or add what explains it."""
    seen = await visit_as_person(request)
    form = rules.filled(_words("text", seen.say("stopped.text"), seen.say("stopped.text_hint")), seen.fields)
    if seen.in_other_language:
        return await _stop(seen, stop, form)
    try:
        await fraud.contest(seen.stack, seen.ctx("redress", "legal-obligation"), stop, form.value("text"))
    except Malformed:
        return await _stop(seen, stop, rules.with_wrong(form, "text", seen.say("stopped.text_wrong")))
    return seen.go(f"/me/money/stopped/{stop}", "stopped.said_contested")


def _ctx(seen: Visit):
    return seen.ctx("fraud-prevention", "legal-obligation")


def _case_line(seen: Visit, one: Case) -> CaseLine:
    book = rulebook.of(seen.stack)
    texts = {rule.code: seen.of(rule.text) for rule in book.rules} if book else {}
    amount = Money(one.amount_minor, one.currency) if one.currency else None
    return CaseLine(
        id=str(one.case_id), reference=one.reference, kind=one.kind, state=one.state.value, due_at=one.due_at,
        what=tuple(texts.get(code, code) for code in one.rules), late=one.late, by=one.taken_by, amount=amount,
    )  # fmt: skip


@get("/staff/fraud")
async def queue(request: WebRequest) -> Response[bytes]:
    """The cases that wait, the most urgent first."""
    seen = await visit_as_staff(request, OFFICER)
    after = request.query_params.get("after", "")[:80].replace(" ", "+")
    found = await desk.queue(seen.stack, _ctx(seen), after=after, limit=SHOWN)
    older = f"/staff/fraud?after={found.next_after}".replace("+", "%2B") if found.next_after else ""
    counts = await fraud.public_counts(seen.stack, seen.ctx("statistics", "public-task"))
    shown = (("stopped", counts.stopped), ("contested", counts.contested), ("let_go", counts.let_go))
    shown += (("stayed", counts.stayed), ("open", counts.open_cases), ("late", counts.late_cases))
    facts = tuple(Fact(label=seen.say(f"fraud.count_{name}"), text=str(n)) for name, n in shown)
    view = QueuePage(tuple(_case_line(seen, one) for one in found.cases), older, facts)
    return seen.page("staff/fraud.html", view, area="staff", here="fraud")


def _steps(seen: Visit, found: Dossier) -> tuple[str, ...]:
    """What this officer may do now."""
    case, me = found.case, seen.actor.id
    if case.state == "proposed":
        return () if case.proposed_by == me else ("confirm", "return")
    if case.state == "taken" and case.taken_by == me:
        return "note", "clear", "propose"
    return ("take",) if case.state in ("open", "taken") else ()


async def _case(seen: Visit, case_id: str, form: m.Form | None = None) -> Response[bytes]:
    found = await desk.see_case(seen.stack, _ctx(seen), case_id)
    say = seen.say
    facts = (
        Fact(label=say("fraud.name"), text=found.name or "?"),
        Fact(label=say("fraud.account"), text=found.account or "–"),
        Fact(label=say("fraud.payee"), text=" ".join(t for t in (found.payee, found.payee_name) if t) or "–"),
        Fact(label=say("fraud.version"), text=found.version or "–"),
        Fact(label=say("fraud.due"), at=found.case.due_at, strong=found.case.late),
    )
    currency = found.case.currency or seen.stack.profile.currency.code
    view = CasePage(
        line=_case_line(seen, found.case),
        facts=facts,
        notes=tuple(Said(note.author, note.at, note.text) for note in found.notes),
        moved=tuple(
            Moved(
                one.at, Money(one.amount_minor, currency), one.other, say(f"money.kind_{KINDS.get(one.code, 'other')}")
            )
            for one in found.movements
        ),
        steps=_steps(seen, found),
        report=f"/staff/fraud/{case_id}/report.xml" if found.has_report else "",
        may_ask=bool(found.account),
    )
    form = form or _words("text", say("fraud.text"), say("fraud.text_hint"))
    return seen.page("staff/fraud_case.html", view, area="staff", here="fraud", form=form)


@get("/staff/fraud/{case:str}")
async def case(request: WebRequest, case: FromPath[str]) -> Response[bytes]:
    """One case."""
    return await _case(await visit_as_staff(request, OFFICER), case)


@post("/staff/fraud/{case:str}", status_code=303)
async def step(request: WebRequest, case: FromPath[str]) -> Response[bytes]:
    """Take a step with a case."""
    seen = await visit_as_staff(request, OFFICER)
    form = rules.filled(_words("text", seen.say("fraud.text"), seen.say("fraud.text_hint")), seen.fields)
    if seen.in_other_language:
        return await _case(seen, case, form)
    text, stack, ctx = form.value("text"), seen.stack, _ctx(seen)
    try:
        match seen.fields.get("step", ""):
            case "take":
                await desk.take(stack, ctx, case)
            case "note":
                await desk.write(stack, ctx, case, text)
            case "ask":
                await desk.write(stack, ctx, case, text, to_payer=True)
            case "clear":
                await desk.clear(stack, ctx, case, text)
            case "propose":
                await desk.propose(stack, ctx, case, text)
            case "return":
                await desk.send_back(stack, ctx, case, text)
            case "confirm":
                await desk.confirm(stack, ctx, case)
            case _:
                raise Malformed("There is no such step.", field="step", rule="known-step")
    except Malformed:
        return await _case(seen, case, rules.with_wrong(form, "text", seen.say("fraud.text_wrong")))
    return seen.go(f"/staff/fraud/{case}", "fraud.said_done")


@get("/staff/fraud/{case:str}/report.xml")
async def report(request: WebRequest, case: FromPath[str]) -> Response[bytes]:
    """The report on a confirmed case, to be handed to the unit."""
    seen = await visit_as_staff(request, OFFICER)
    raw = await desk.report(seen.stack, _ctx(seen), case)
    return seen.download(raw, "application/xml", "report.xml")


def _list_form(seen: Visit) -> m.Form:
    say = seen.say
    return m.Form(
        (
            m.Field(name="name", label=say("fraud.list_name"), hint=say("fraud.list_name_hint"), longest=32),
            m.Field(
                name="file", label=say("fraud.list_file"), kind="file", hint=say("fraud.list_file_hint"),
                accept=".xml,.csv,application/xml,text/csv",
            ),
        )
    )  # fmt: skip


async def _lists(seen: Visit, form: m.Form | None = None) -> Response[bytes]:
    say = seen.say
    lines = [
        DeskLine(
            title=one.list,
            facts=(
                Fact(label=say("fraud.list_entries"), text=str(one.entries)),
                Fact(label=say("fraud.list_at"), at=one.imported_at),
                Fact(label=say("fraud.list_compared"), at=one.compared_at, text="–"),
            ),
            state="" if one.compared_at else say("fraud.list_running"),
        )
        for one in await sanctions.lists(seen.stack, _ctx(seen))
    ]
    asking = Asking(
        title=say("fraud.lists"), lead=say("fraud.list_lead"), action="/staff/sanctions", submit=say("fraud.list_put"),
        files=True,
    )  # fmt: skip
    view = DeskPage(asking=asking, list_title=say("fraud.list_title"), lines=tuple(lines), empty=say("fraud.list_none"))
    form = form or _list_form(seen)
    return seen.page("staff/bank_desk.html", view, area="staff", here="fraud", form=form, keeps_form=False)


@get("/staff/sanctions")
async def lists(request: WebRequest) -> Response[bytes]:
    """The lists of sanctions in force, and a form to put one in force."""
    return await _lists(await visit_as_staff(request, OFFICER))


@post("/staff/sanctions", status_code=303)
async def import_list(request: WebRequest) -> Response[bytes]:
    """Put a list in force, or say what is wrong with the file."""
    seen = await visit_as_staff(request, OFFICER)
    form, name = rules.filled(_list_form(seen), seen.fields), seen.fields.get("name", "")
    try:
        await sanctions.import_list(seen.stack, _ctx(seen), name, seen.files.get("file", b""))
    except Malformed:
        return await _lists(seen, rules.with_wrong(form, "name", seen.say("fraud.list_name_hint")))
    except ListWrong as wrong:
        told = " ".join(str(fact) for fact in (wrong.detail, *wrong.facts.values()))
        return await _lists(seen, rules.with_wrong(form, "file", seen.say("fraud.list_wrong", why=told)))
    return seen.go("/staff/sanctions", "fraud.said_done")


doors = [stops, stop, contest, queue, case, step, report, lists, import_list]
