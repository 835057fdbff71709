"""The door where people choose which receipts come by text message."""

from litestar import Response, get, post

from msingi.payments.bank import telling
from msingi.portal import model as m
from msingi.portal import rules
from msingi.portal.model_bank import Asking
from msingi.portal.visit import Visit, WebRequest, visit_as_person

WAYS = ("cash", "received", "made", "balance")


def form_of(seen: Visit, wish: telling.Wish) -> m.Form:
    """One question for each kind of receipt, and one for the balance."""
    options = (("yes", seen.say("telling.yes")), ("no", seen.say("telling.no")))
    fields = tuple(
        m.Field(
            name=way, label=seen.say(f"telling.{way}"), kind="choice", options=options,
            hint=seen.say("telling.balance_hint") if way == "balance" else "",
            value="yes" if getattr(wish, way) else "no",
        )
        for way in WAYS
    )  # fmt: skip
    form = m.Form(fields)
    return rules.filled(form, seen.fields) if seen.fields else form


def _page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("telling.title"), lead=seen.say("telling.lead"), action="/me/money/messages",
        submit=seen.say("telling.keep"), back="/me/money", back_label=seen.say("menu.money"),
        note=seen.say("telling.note"),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


@get("/me/money/messages")
async def messages(request: WebRequest) -> Response[bytes]:
    """What is chosen."""
    seen = await visit_as_person(request)
    return _page(seen, form_of(seen, await telling.own_telling(seen.stack, seen.ctx("payment", "contract"))))


@post("/me/money/messages", status_code=303)
async def choose(request: WebRequest) -> Response[bytes]:
    """Keep the choice."""
    seen = await visit_as_person(request)
    form = form_of(seen, telling.Wish())
    form, again = seen.judged(form)
    if again:
        return _page(seen, form)
    wish = telling.Wish(*(form.value(way) == "yes" for way in WAYS))
    await telling.choose_telling(seen.stack, seen.ctx("payment", "contract"), wish)
    return seen.go("/me/money", "telling.said_kept")


doors = [messages, choose]
