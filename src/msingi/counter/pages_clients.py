"""Pages where operators register the software of institutions: one proposes, another puts it in force."""

from typing import Any, Final

import msgspec
from litestar import Response, get, post

from msingi.counter import forms
from msingi.counter.model import Line, Press, Section, Sheet
from msingi.counter.pages import PAGE
from msingi.kernel.context import Context
from msingi.kernel.errors import NotPermitted, Refusal
from msingi.portal import rules
from msingi.portal.errors import StaleForm
from msingi.portal.model import Form
from msingi.portal.routes_person import speaker
from msingi.portal.visit import Visit, WebRequest, visit_as_staff
from msingi.signin import acts as signin
from msingi.signin.errors import BadRegistration
from msingi.signin.model import SCOPE_CLAIMS, Client, Profile

OPERATOR: Final = "operator"
HERE: Final = "/staff/clients"
SOME: Final = 30
# What software may ask for, question by question; each is a scope.
SCOPES: Final = ("profile", "phone", "number", "offline_access", "authenticate")


def _ctx(seen: Visit) -> Context:
    return seen.ctx("operations", "public-task")


def _shown(seen: Visit, view: Sheet, form: Form | None = None) -> Response[bytes]:
    return seen.page(PAGE, view, area="staff", here="clients", form=form)


def _where(seen: Visit, one: Client) -> str:
    return f"{speaker(seen).institution(one.institution)} · {seen.say(f'counter.profile_{one.profile}')}"


@get(HERE)
async def overview(request: WebRequest) -> Response[bytes]:
    """Software that is registered, and registrations that wait for a second operator."""
    seen = await visit_as_staff(request, OPERATOR)
    say, ctx = seen.say, _ctx(seen)
    waiting = tuple(
        Line(
            one.registration.name,
            _where(seen, one.registration),
            say("counter.state_proposed"),
            press=Press(f"{HERE}/look", say("counter.open"), {"client": one.registration.client_id}),
        )
        for one in await signin.client_proposals(seen.stack, ctx)
    )
    after = request.query_params.get("after", "")[:200]
    found = await signin.list_clients(seen.stack, ctx, after, SOME + 1)
    lines = tuple(
        Line(
            one.name,
            f"{_where(seen, one)} · {one.client_id}",
            # The stack's own pages are software, too: without them nobody signs in any more.
            press=None
            if one.first_party
            else Press(f"{HERE}/retire", say("counter.retire"), {"client": one.client_id}),
        )
        for one in found[:SOME]
    )
    newer, older = rules.pages([], HERE, after, found[SOME - 1].client_id if len(found) > SOME else "")
    sections = (
        *((Section(say("counter.clients_waiting"), lines=waiting),) if waiting else ()),
        Section(say("counter.clients_registered"), lines=lines),
        Section("", links=((f"{HERE}/new", say("counter.new_client")),)),
    )
    view = Sheet(
        title=say("menu.clients"), lead=say("counter.clients_lead"), sections=sections, newer=newer, older=older
    )
    return _shown(seen, view)


def _facts(seen: Visit, one: Client) -> tuple[tuple[str, str], ...]:
    """Everything of a registration that a second operator must see (law 4)."""
    say = seen.say
    keys = [f"{k.get('kty', '')} {k.get('crv', '')} {k.get('kid', '')}".strip() for k in one.jwks]
    return (
        (say("counter.ask_client_id"), one.client_id),
        (say("counter.ask_workplace"), speaker(seen).institution(one.institution)),
        (say("counter.ask_profile"), say(f"counter.profile_{one.profile}")),
        (say("counter.ask_redirects"), " ".join(one.redirect_uris)),
        (say("counter.ask_keys"), ", ".join(keys)),
        (say("counter.may_ask"), ", ".join(say(f"counter.ask_scope_{s}") for s in SCOPES if s in one.scopes)),
        (say("counter.all_of_it"), " ".join(_rest(one))),
    )


def _rest(one: Client) -> list[str]:
    """What a registration says beyond the form: it came from a file, or through eSignet's door (law 4)."""
    more = sorted(one.scopes - {*SCOPES, "openid"}) + sorted(one.grants) + list(one.logout_uris)
    told = [one.backchannel_logout_uri, one.auth, one.id_token_signed_response_alg, *sorted(one.claims), *more]
    flags = {"first_party": one.first_party, "dpop_nonce": one.dpop_nonce, "userinfo_signed": one.userinfo_signed}
    return [t for t in (*told, *(name for name, on in flags.items() if on), *one.key_marks) if t]


@post(f"{HERE}/look", status_code=200)
async def look(request: WebRequest) -> Response[bytes]:
    """One registration that waits, whole; for another operator than its author the decision about it."""
    seen = await visit_as_staff(request, OPERATOR)
    named, say = seen.fields.get("client", ""), seen.say
    found = [p for p in await signin.client_proposals(seen.stack, _ctx(seen)) if p.registration.client_id == named]
    if not found:
        raise StaleForm()
    mine, carried = found[0].proposed_by == seen.actor.id, {"client": named, "mark": found[0].mark}
    presses = () if mine else (
        Press(f"{HERE}/decide", say("counter.put_in_force"), carried | {"approve": "1"}, "good"),
        Press(f"{HERE}/decide", say("counter.refuse"), carried),
    )  # fmt: skip
    view = Sheet(
        title=found[0].registration.name,
        lead=say("counter.proposed_by", who=found[0].proposed_by),
        note=say("counter.four_eyes") if mine else "",
        back=(HERE, say("menu.clients")),
        sections=(Section("", facts=_facts(seen, found[0].registration), presses=presses),),
    )
    return _shown(seen, view)


@post(f"{HERE}/decide", status_code=200)
async def decide(request: WebRequest) -> Response[bytes]:
    """Register it, or refuse it."""
    seen = await visit_as_staff(request, OPERATOR)
    approve = seen.fields.get("approve") == "1"
    try:
        named, mark = seen.fields.get("client", "")[:200], seen.fields.get("mark", "-")
        await signin.decide_client(seen.stack, _ctx(seen), named, approve, mark)
    except NotPermitted:
        raise
    except Refusal as refusal:
        view = Sheet(
            title=seen.say("menu.clients"), note=forms.told(seen, refusal), back=(HERE, seen.say("menu.clients"))
        )
        return _shown(seen, view)
    return seen.go(HERE, "counter.said_registered" if approve else "counter.said_client_refused")


@post(f"{HERE}/retire", status_code=200)
async def retire(request: WebRequest) -> Response[bytes]:
    """Ask whether this software shall be used no longer, and then let it end."""
    seen = await visit_as_staff(request, OPERATOR)
    named, say = seen.fields.get("client", "")[:200], seen.say
    if (await signin.client(seen.stack, named)).first_party:
        raise StaleForm()
    if "sure" in seen.fields and not seen.in_other_language:
        await signin.retire_client(seen.stack, _ctx(seen), named)
        return seen.go(HERE, "counter.said_retired")
    view = Sheet(
        title=say("counter.retire_title"),
        lead=named,
        note=say("counter.retire_text"),
        back=(HERE, say("menu.clients")),
        action=f"{HERE}/retire",
        submit=say("counter.retire"),
        hidden={"client": named, "sure": "1"},
    )
    return _shown(seen, view, Form(()))


def _blank(seen: Visit) -> Form:
    say, told = seen.say, speaker(seen)
    members = tuple((m.code, told.institution(m.code)) for m in seen.stack.profile.institutions)
    profiles = tuple((str(p), say(f"counter.profile_{p}")) for p in Profile)
    yes_no = (("yes", say("wallet.yes")), ("no", say("wallet.no")))
    return Form(
        (
            forms.field(say, "client_name", longest=100, optional=False),
            forms.field(say, "client_id", longest=100, hint=say("counter.ask_client_id_hint"), optional=False),
            forms.field(say, "workplace", "select", options=members, optional=False),
            forms.field(say, "profile", "select", options=profiles, optional=False),
            forms.field(say, "redirects", longest=2_000, hint=say("counter.ask_redirects_hint"), optional=False),
            forms.field(say, "keys", longest=8_000, hint=say("counter.ask_keys_hint")),
            *(
                forms.field(say, f"scope_{scope}", "choice", options=yes_no, hint=say("counter.may_ask"))
                for scope in SCOPES
            ),
        )
    )


def _asking(seen: Visit, form: Form, note: str = "") -> Response[bytes]:
    view = Sheet(
        title=seen.say("counter.new_client"),
        lead=seen.say("counter.four_eyes"),
        note=note,
        back=(HERE, seen.say("menu.clients")),
        action=f"{HERE}/new",
        submit=seen.say("counter.propose"),
    )
    return _shown(seen, view, form)


@get(f"{HERE}/new")
async def blank(request: WebRequest) -> Response[bytes]:
    """The questions about software to be registered."""
    seen = await visit_as_staff(request, OPERATOR)
    return _asking(seen, _blank(seen))


def _keys(text: str) -> tuple[dict[str, Any], ...]:
    """Public keys as a JWK Set, a list or one JWK. Raises ValueError."""
    if not text:
        return ()
    found = msgspec.json.decode(text)
    found = found.get("keys", [found]) if isinstance(found, dict) else found
    if not isinstance(found, list) or not all(isinstance(k, dict) and k.get("kty") for k in found):
        raise ValueError("no keys")
    return tuple(found)


@post(f"{HERE}/new", status_code=200)
async def propose(request: WebRequest) -> Response[bytes]:
    """Propose it, or say what to correct."""
    seen = await visit_as_staff(request, OPERATOR)
    form = rules.filled(_blank(seen), seen.fields)
    if seen.in_other_language:
        return _asking(seen, form)

    def keys(text: str) -> str:
        try:
            return "" if _keys(text) else seen.say("counter.ask_keys_hint")
        except (ValueError, RecursionError):
            return seen.say("counter.ask_keys_hint")

    form = rules.judged(form, seen.say, {"keys": keys})
    if form.wrongs:
        return _asking(seen, form)
    scopes = frozenset({"openid", *(s for s in SCOPES if form.value(f"scope_{s}") == "yes")})
    new = Client(
        client_id=form.value("client_id"),
        name=form.value("client_name"),
        institution=form.value("workplace"),
        profile=Profile(form.value("profile")),
        jwks=_keys(form.value("keys")),
        redirect_uris=tuple(form.value("redirects").split()),
        scopes=scopes,
        claims=frozenset(claim for scope in scopes for claim in SCOPE_CLAIMS.get(scope, ())),
    )
    try:
        await signin.propose_client(seen.stack, _ctx(seen), new)
    except BadRegistration as wrong:
        return _asking(seen, form, f"{forms.told(seen, wrong)} {wrong.facts.get('rule', '')}")
    except NotPermitted:
        raise
    except Refusal as refusal:
        return _asking(seen, form, forms.told(seen, refusal))
    return seen.go(HERE, "counter.said_client_proposed")


doors = [overview, look, decide, retire, blank, propose]
