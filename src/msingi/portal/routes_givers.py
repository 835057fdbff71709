"""Pages of an office that gives vouchers: schemes, money in by a second official, issuing, a sheet to print, handing
out, shops, what was taken, closing."""

from datetime import datetime
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel.errors import NotFound, NotPermitted, Refusal
from msingi.kernel.ids import token
from msingi.payments import parties
from msingi.payments.bank.errors import NoSuchMerchant
from msingi.payments.errors import FourEyes, InsufficientFunds, NoSuchAccount
from msingi.payments.vouchers import acts, funding, printing
from msingi.payments.vouchers.errors import NotCovered
from msingi.payments.vouchers.model import Scheme, SchemeOrder, ShopOrder, VoucherOrder
from msingi.portal import model as m
from msingi.portal import rules, views, views_givers, voucher_paper
from msingi.portal.model_bank import Asking
from msingi.portal.routes_money import amount_in, amount_judge
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

HOME, ROLES = views_givers.HOME, ("payment-clerk", "payment-approver", "treasurer", "auditor")
PURPOSE = ("social-protection", "public-task")
MOST = 1_000


@get(HOME)
async def home(request: WebRequest) -> Response[bytes]:
    """The schemes of the institution."""
    seen = await visit_as_staff(request, *ROLES)
    found = await acts.schemes(seen.stack, seen.ctx(*PURPOSE))
    view = views_givers.overview(seen, found, clerk="payment-clerk" in seen.actor.roles)
    return seen.page("person/listed.html", view, area="staff", here="givers")


def _new_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("givers.new"), lead=seen.say("givers.new_lead"), action=f"{HOME}/new", back=HOME,
        submit=seen.say("givers.new_do"), back_label=seen.say("menu.givers"),
    )  # fmt: skip
    status = 422 if form.wrongs else 200
    return seen.page("person/ask.html", view, area="staff", here="givers", form=form, status=status)


@get(f"{HOME}/new")
async def new(request: WebRequest) -> Response[bytes]:
    """What a scheme needs to begin."""
    seen = await visit_as_staff(request, "payment-clerk")
    return _new_page(seen, views_givers.new_form(seen))


@post(f"{HOME}/new", status_code=303)
async def begin(request: WebRequest) -> Response[bytes]:
    """Open a scheme, or say what to correct."""
    seen = await visit_as_staff(request, "payment-clerk")
    form = views_givers.new_form(seen)
    if not seen.in_other_language:
        form = rules.judged(form, seen.say, {"days": lambda text: _whole(seen, text)})
    if form.wrongs or seen.in_other_language:
        return _new_page(seen, form)
    groups = tuple(dict.fromkeys(g.strip() for g in form.value("groups").split(",") if g.strip()))
    order = SchemeOrder(
        form.value("code").strip().upper(), form.value("name"), form.value("payer"), groups, int(form.value("days"))
    )
    try:
        made = await acts.open_scheme(seen.stack, seen.ctx(*PURPOSE), order)
    except NotPermitted:
        raise
    except Refusal as wrong:
        field = {"name": "name", "groups": "groups", "days": "days", "payer": "payer"}.get(
            str(wrong.facts.get("field", "")).partition("[")[0], "payer" if isinstance(wrong, NoSuchAccount) else "code"
        )
        return _new_page(seen, rules.with_wrong(form, field, seen.say("givers.wrong_scheme")))
    return seen.go(f"{HOME}/{made.scheme_id}", "givers.said_opened")


def _whole(seen: Visit, text: str) -> str:
    return "" if text.isdecimal() and len(text) <= 4 and int(text) > 0 else seen.say("group.whole_number")


def _id(text: str) -> UUID:
    if (found := views.uuid_of(text)) is None:
        raise NotFound()
    return found


@get(f"{HOME}/{{scheme:str}}")
async def scheme(request: WebRequest, scheme: FromPath[str]) -> Response[bytes]:
    """One scheme with its money, vouchers, shops, and what was taken."""
    seen = await visit_as_staff(request, *ROLES)
    stack, ctx, wanted = seen.stack, seen.ctx(*PURPOSE), _id(scheme)
    listed = await acts.vouchers(stack, ctx, wanted, after=request.query_params.get("after", "")[:25], limit=50)
    told = views_givers.SchemeSeen(
        scheme=await acts.scheme(stack, ctx, wanted), shops=await acts.approved_shops(stack, ctx, wanted),
        vouchers=listed.vouchers, after=listed.next_after, taken=await printing.redemptions(stack, ctx, wanted),
        moves=await funding.moves(stack, ctx, wanted, 20), waiting=await printing.waiting(stack, ctx, wanted),
    )  # fmt: skip
    view = views_givers.scheme(seen, told, seen.actor.roles)
    return seen.page("person/listed.html", view, area="staff", here="givers")


@get(f"{HOME}/{{scheme:str}}/sheet.pdf")
async def sheet(request: WebRequest, scheme: FromPath[str]) -> Response[bytes]:
    """The vouchers of one issue that wait, to be printed and cut."""
    seen = await visit_as_staff(request, "payment-clerk")
    ctx, wanted = seen.ctx(*PURPOSE), _id(scheme)
    one = await acts.scheme(seen.stack, ctx, wanted)
    issue = _instant(request.query_params.get("issue", ""))
    found = await printing.print_vouchers(seen.stack, ctx, wanted, issue) if issue else []
    if not found:
        return seen.go(f"{HOME}/{wanted}", "givers.said_nothing")
    giver = parties.institution_name(seen.stack, one.institution)
    raw = voucher_paper.document(seen, one, giver, found)
    return seen.download(raw, "application/pdf", f"vouchers-{one.code.lower()}-{found[0].serial}.pdf")


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text[:40])
    except ValueError:
        return None
    return found if found.tzinfo else None


@post(f"{HOME}/{{scheme:str}}/hand", status_code=303)
async def hand(request: WebRequest, scheme: FromPath[str]) -> Response[bytes]:
    """Hand out the vouchers of one issue: from now on they can be spent."""
    seen = await visit_as_staff(request, "payment-clerk")
    wanted, issue = _id(scheme), _instant(seen.fields.get("issue", ""))
    done = await printing.hand_out(seen.stack, seen.ctx(*PURPOSE), wanted, issue) if issue else 0
    return seen.go(f"{HOME}/{wanted}", "givers.said_handed" if done else "givers.said_nothing")


def _task_page(seen: Visit, one: Scheme, task: str, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say(f"givers.{task}"), lead=seen.say(f"givers.{task}_lead"), action=f"{HOME}/{one.scheme_id}/{task}",
        submit=seen.say(f"givers.{task}_do"), back=f"{HOME}/{one.scheme_id}", back_label=one.name,
        hidden=(("key", seen.fields.get("key", "")[:24] or token(12)),), files=task == "issue",
    )  # fmt: skip
    status = 422 if form.wrongs else 200
    return seen.page("person/ask.html", view, area="staff", here="givers", form=form, status=status)


async def _asked(request: WebRequest, scheme: str, task: str) -> tuple[Visit, Scheme]:
    role = views_givers.TASKS.get(task)
    if role is None:
        raise NotFound()
    seen = await visit_as_staff(request, role)
    return seen, await acts.scheme(seen.stack, seen.ctx(*PURPOSE), _id(scheme))


@get(f"{HOME}/{{scheme:str}}/{{task:str}}")
async def ask(request: WebRequest, scheme: FromPath[str], task: FromPath[str]) -> Response[bytes]:
    """The question of one thing to do."""
    seen, one = await _asked(request, scheme, task)
    return _task_page(seen, one, task, views_givers.task_form(seen, one, task))


@post(f"{HOME}/{{scheme:str}}/{{task:str}}", status_code=303)
async def do(request: WebRequest, scheme: FromPath[str], task: FromPath[str]) -> Response[bytes]:
    """Do it, or say what to correct."""
    seen, one = await _asked(request, scheme, task)
    form = views_givers.task_form(seen, one, task)
    if not seen.in_other_language:
        checks = {"amount": amount_judge(seen)}
        if form.fields and "count" in {f.name for f in form.fields} and form.value("count"):
            checks["count"] = lambda text: _whole(seen, text)
        form = rules.judged(form, seen.say, checks)
    if form.wrongs or seen.in_other_language:
        return _task_page(seen, one, task, form)
    first = form.fields[0].name if form.fields else ""
    try:
        said = await _done(seen, one, task, form)
    except NotPermitted:
        raise
    except Refusal as wrong:
        known = {NotCovered: "not_covered", InsufficientFunds: "not_covered", FourEyes: "four_eyes"}
        known |= {NoSuchMerchant: "no_shop", NoSuchAccount: "no_person"}
        word = next((w for kind, w in known.items() if isinstance(wrong, kind)), "wrong")
        if not first:
            raise
        name = "amount" if word == "not_covered" and task == "issue" else first
        return _task_page(seen, one, task, rules.with_wrong(form, name, seen.say(f"givers.{word}")))
    return seen.go(f"{HOME}/{one.scheme_id}", f"givers.said_{said}")


async def _done(seen: Visit, one: Scheme, task: str, form: m.Form) -> str:
    """Carry one thing out; the news to tell."""
    stack, ctx, key = seen.stack, seen.ctx(*PURPOSE), seen.fields.get("key", "")[:24] or token(12)
    if task == "fund":
        await funding.put_in(stack, ctx, one.scheme_id, key, amount_in(seen, form))
        return "funded"
    if task == "issue":
        await acts.issue_vouchers(stack, ctx, one.scheme_id, _wanted(seen, form, key))
        return "issued"
    if task == "shop":
        chosen = form.value("group")
        groups = {"*": one.groups, "-": ()}.get(chosen, (chosen,))
        await acts.approve_shop(stack, ctx, one.scheme_id, ShopOrder(form.value("shop").replace(" ", ""), groups))
        return "shop"
    if task == "close":
        await funding.close_scheme(stack, ctx, one.scheme_id)
        return "closed"
    (ended,) = await acts.cancel_vouchers(stack, ctx, [form.value("first").replace(" ", "")])
    return "cancelled" if ended.done else "nothing"


def _wanted(seen: Visit, form: m.Form, key: str) -> list[VoucherOrder]:
    """The vouchers to issue: one for each identity number of the list, or so many for whoever holds the paper."""
    amount, group = amount_in(seen, form), form.value("group")
    text = seen.files.get("people", b"").decode("utf-8-sig", "replace")
    people = [line.split(",")[0].split(";")[0].strip() for line in text.splitlines()[: MOST + 1]]
    people = [p for p in people if p]
    if people:
        return [VoucherOrder(f"{key}-{n}", amount, group, p) for n, p in enumerate(people, 1)]
    count = min(int(form.value("count") or "1"), MOST)
    return [VoucherOrder(f"{key}-{n}", amount, group) for n in range(1, count + 1)]


doors = [home, new, begin, scheme, sheet, hand, ask, do]
