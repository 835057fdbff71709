"""The ID card at the desk: whether somebody has one, making it, and the paper that the printer takes.

Law 4 holds here too: who it is about travels sealed in the form, never in an address.
"""

from typing import Final

from litestar import Response, post

from msingi.counter import forms
from msingi.counter.model import Press, Section, Sheet
from msingi.counter.pages_staff import CARD_ROLES, Chosen, chosen, ctx_of, shown
from msingi.credentials import acts as credentials
from msingi.credentials.model import CardSummary, Form
from msingi.identity import acts as identity
from msingi.kernel.context import Context
from msingi.kernel.errors import NotPermitted, Refusal
from msingi.kernel.ids import token
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

HERE: Final = "/staff/person/cards"
STATES: Final = {"active": "valid", "suspended": "suspended", "revoked": "revoked", "expired": "expired"}


def _ctx(seen: Visit) -> Context:
    return seen.ctx("credential-issuance", "public-task")


async def _newest(seen: Visit, open_: Chosen) -> CardSummary | None:
    found = await credentials.cards_of(seen.stack, _ctx(seen), open_.person)
    return next((one for one in found if one.form is Form.ID_CARD), None)


async def _page(seen: Visit, open_: Chosen, good: str = "", note: str = "") -> Response[bytes]:
    say, sent = seen.say, {"who": seen.fields.get("who", "")}
    person = await identity.read_person(seen.stack, ctx_of(seen), open_.person)
    card = await _newest(seen, open_)
    facts: tuple[tuple[str, str], ...] = ()
    make = Press(f"{HERE}/make", say("counter.make_card"), {**sent, "key": token(18)}, "")
    presses = (make,)
    if card is not None:
        facts = (
            (say("card.state"), say(f"card.state_{STATES[card.state]}")),
            (say("card.issued"), forms.day(seen, card.issued_on)),
            (say("card.until"), forms.day(seen, card.expires_on)),
        )
        if card.state == "active":
            again = Press(make.action, say("counter.make_card_again"), make.fields)
            presses = (Press(f"{HERE}/print", say("counter.print_card"), sent, ""), again)
    text = say("counter.card_again_text") if facts else say("counter.no_card")
    view = Sheet(
        title=say("counter.cards"),
        lead=person.demographics.name.full,
        good=good,
        note=note,
        back=("/staff/person", say("counter.person")),
        sections=(Section("", text=text, facts=facts, presses=presses),),
    )
    return shown(seen, view)


@post(HERE, status_code=200)
async def cards(request: WebRequest) -> Response[bytes]:
    """Whether the person has a card, and what can be done."""
    seen = await visit_as_staff(request, *CARD_ROLES)
    return await _page(seen, chosen(seen))


@post(f"{HERE}/make", status_code=200)
async def make_card(request: WebRequest) -> Response[bytes]:
    """Make the card, once; the one before it ends."""
    seen = await visit_as_staff(request, *CARD_ROLES)
    open_ = chosen(seen)
    if seen.in_other_language:
        return await _page(seen, open_)
    try:
        await credentials.issue_card(seen.stack, _ctx(seen), open_.person, seen.fields.get("key", "")[:40])
    except NotPermitted:
        raise
    except Refusal as refused:
        return await _page(seen, open_, note=forms.told(seen, refused))
    return await _page(seen, open_, good=seen.say("counter.card_made"))


@post(f"{HERE}/print", status_code=200)
async def print_card(request: WebRequest) -> Response[bytes]:
    """Both sides of the card, true to size. Nothing to print leads back to the page."""
    seen = await visit_as_staff(request, *CARD_ROLES)
    open_ = chosen(seen)
    card = await _newest(seen, open_)
    if seen.in_other_language or card is None or card.state != "active":
        return await _page(seen, open_)
    raw = await credentials.card_pdf(seen.stack, _ctx(seen), card.credential_id)
    return seen.download(raw, "application/pdf", "card.pdf")


doors = [cards, make_card, print_card]
