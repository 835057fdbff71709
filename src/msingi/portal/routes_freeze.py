"""Doors of the bank's desk: stop an account by a legal order, and let it go again; the holder reads which order."""

from litestar import Response, get, post

from msingi.kernel.errors import Malformed
from msingi.payments import officers
from msingi.payments.errors import NoSuchAccount
from msingi.portal import model as m
from msingi.portal import officer, rules
from msingi.portal.model_bank import Asking
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

WAYS = ("debits", "both", "release")


def _form(seen: Visit) -> m.Form:
    say = seen.say
    fields = (
        officer.account(seen),
        m.Field(
            name="way", label=say("freeze.way"), kind="choice", options=tuple((w, say(f"freeze.{w}")) for w in WAYS)
        ),
        officer.ground(seen, "freeze", "order"),
    )  # fmt: skip
    return rules.filled(m.Form(fields), seen.fields)


def _page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("menu.freeze"), lead=seen.say("freeze.lead"), action="/staff/freeze",
        submit=seen.say("freeze.do"), note=seen.say("freeze.note"),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="staff", here="freeze", form=form)


@get("/staff/freeze")
async def ask(request: WebRequest) -> Response[bytes]:
    """Which account, which order, and what it says."""
    seen = await visit_as_staff(request, officer.ROLE)
    return _page(seen, _form(seen))


@post("/staff/freeze", status_code=303)
async def carry_out(request: WebRequest) -> Response[bytes]:
    """Carry the order out; once it returns, no writer debits (or credits) the account."""
    seen = await visit_as_staff(request, officer.ROLE)
    form = _form(seen)
    form, again = seen.judged(form)
    if again:
        return _page(seen, form)
    ctx, number, way = seen.ctx("payment", "legal-obligation"), form.value("account"), form.value("way")
    try:
        if way == "release":
            await officers.unfreeze(seen.stack, ctx, number, reason=form.value("order"))
        else:
            await officers.freeze(seen.stack, ctx, number, reason=form.value("order"), credits=way == "both")
    except (Malformed, NoSuchAccount):
        return _page(seen, rules.with_wrong(form, "account", seen.say("freeze.nobody")))
    return seen.go("/staff/freeze", "freeze.said_released" if way == "release" else "freeze.said_stopped")


doors = [ask, carry_out]
