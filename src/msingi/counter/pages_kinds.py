"""Pages where an institution describes a type of credential, and somebody else puts it in force: no code, no file.

The description grows claim by claim; between the pages it travels sealed, bound to the session that began it (law 3).
"""

import re
from typing import Any, Final

import msgspec
from litestar import Response, get, post

from msingi.counter import forms, kind_words
from msingi.counter.model import Line, Press, Section, Sheet
from msingi.counter.pages import PAGE
from msingi.credentials.issuance import acts, kinds
from msingi.credentials.issuance.errors import KindWrong
from msingi.credentials.issuance.model import ClaimRule, Kind, KindProposal
from msingi.kernel.context import Context
from msingi.kernel.errors import NotPermitted, Refusal
from msingi.portal import rules, session
from msingi.portal.errors import StaleForm
from msingi.portal.model import Field, Form
from msingi.portal.routes_person import speaker
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

OFFICER: Final = "credential-officer"
APPROVER: Final = "credential-approver"
HERE: Final = "/staff/kinds"
FORMATS: Final = (
    "dc+sd-jwt",
    "dc+sd-jwt mso_mdoc",
    "dc+sd-jwt jwt_vc_json",
    "dc+sd-jwt mso_mdoc jwt_vc_json",
)


class Draft(msgspec.Struct, frozen=True, array_like=True):
    """A description that is being written, sealed for the session that writes it."""

    sid: str
    description: dict[str, Any]


def _ctx(seen: Visit) -> Context:
    return seen.ctx("credential-issuance", "legal-obligation")


def _shown(seen: Visit, view: Sheet, form: Form | None = None) -> Response[bytes]:
    return seen.page(PAGE, view, area="staff", here="kinds", form=form)


def _line(seen: Visit, kind: Kind, badge: str = "", press: Press | None = None) -> Line:
    where = speaker(seen).institution(kind.institution)
    return Line(seen.of(kind.name), f"{where} · {kind.kind} · {kind_words.formats(kind.formats)}", badge, press=press)


def _described(seen: Visit, kind: Kind) -> tuple[Section, ...]:
    """Everything that a description says, the same for who writes it and who decides about it (law 4)."""
    claims = tuple(
        Line(seen.of(c.name) or c.key, kind_words.source(seen, c), seen.say("counter.needed") if c.required else "")
        for c in kind.claims
    )
    facts = kind_words.facts(seen, kind)
    return Section(seen.say("counter.kind"), facts=facts), Section(seen.say("counter.claims"), lines=claims)


@get(HERE)
async def overview(request: WebRequest) -> Response[bytes]:
    """What waits for a decision, and what is in force."""
    seen = await visit_as_staff(request, OFFICER, APPROVER)
    say, roles = seen.say, seen.actor.roles
    waiting, refused = [], []
    for one in await acts.kind_proposals(seen.stack, _ctx(seen)):
        look = Press(f"{HERE}/look", say("counter.open"), {"kind": one.description.kind})
        if one.state == "proposed":
            waiting.append(_line(seen, one.description, say("counter.state_proposed"), look))
        elif one.state == "refused":
            refused.append(_line(seen, one.description, say("counter.state_refused"), look))
    known = (await kinds.known(seen.stack)).by_name.values()
    own = [k for k in known if APPROVER in roles or k.institution == seen.actor.institution]
    new = ((f"{HERE}/new", say("counter.new_kind")),) if OFFICER in roles else ()
    parts = (
        Section(say("counter.kinds_waiting"), lines=tuple(waiting)) if waiting else None,
        Section(say("counter.kinds_in_force"), lines=tuple(_line(seen, k) for k in sorted(own, key=lambda k: k.kind))),
        Section(say("counter.kinds_refused"), lines=tuple(refused)) if refused else None,
        Section("", links=new) if new else None,
    )
    sections = tuple(p for p in parts if p is not None)
    return _shown(seen, Sheet(title=say("menu.kinds"), lead=say("counter.kinds_lead"), sections=sections))


async def _proposal(seen: Visit) -> KindProposal:
    named = seen.fields.get("kind", "")
    for one in await acts.kind_proposals(seen.stack, _ctx(seen)):
        if one.description.kind == named:
            return one
    raise StaleForm()


@post(f"{HERE}/look", status_code=200)
async def look(request: WebRequest) -> Response[bytes]:
    """One proposal, whole, and for somebody else than its author the decision about it."""
    seen = await visit_as_staff(request, OFFICER, APPROVER)
    found, say = await _proposal(seen), seen.say
    mine = found.proposed_by == seen.actor.id
    carried = {"kind": found.description.kind}
    presses = ()
    if found.state == "proposed" and APPROVER in seen.actor.roles and not mine:
        presses = (
            Press(f"{HERE}/decide", say("counter.put_in_force"), carried | {"approve": "1"}, "good"),
            Press(f"{HERE}/decide", say("counter.refuse"), carried),
        )
    note = say("counter.four_eyes") if found.state == "proposed" and not presses else ""
    decision = (Section("", presses=presses),) if presses else ()
    view = Sheet(
        title=seen.of(found.description.name),
        lead=say("counter.proposed_by", who=found.proposed_by),
        note=note,
        back=(HERE, say("menu.kinds")),
        sections=(*_described(seen, found.description), *decision),
    )
    return _shown(seen, view)


@post(f"{HERE}/decide", status_code=200)
async def decide(request: WebRequest) -> Response[bytes]:
    """Put a proposal in force, or refuse it."""
    seen = await visit_as_staff(request, APPROVER)
    approve = seen.fields.get("approve") == "1"
    try:
        await acts.decide_kind(seen.stack, _ctx(seen), seen.fields.get("kind", "")[:60], approve)
    except NotPermitted:
        raise
    except Refusal as refusal:
        view = Sheet(title=seen.say("menu.kinds"), note=forms.told(seen, refusal), back=(HERE, seen.say("menu.kinds")))
        return _shown(seen, view)
    return seen.go(HERE, "counter.said_in_force" if approve else "counter.said_kind_refused")


# --- writing a description -------------------------------------------------------------------------------------------


def _names(seen: Visit, what: str) -> tuple[Field, ...]:
    """A question for the name in each language of the country."""
    return tuple(
        Field(
            name=f"{what}_{code}", label=seen.say(f"counter.ask_{what}", language=kind_words.tongue(code)),
            longest=80, autocomplete="off",
        )
        for code in seen.profile.languages
    )  # fmt: skip


def _basics(seen: Visit) -> Form:
    say = seen.say
    yes_no = (("yes", say("wallet.yes")), ("no", say("wallet.no")))
    shapes = tuple((text, kind_words.formats(text.split())) for text in FORMATS)
    return Form(
        (
            *_names(seen, "kind_name"),
            forms.field(say, "kind_id", longest=40, hint=say("counter.ask_kind_id_hint"), optional=False),
            forms.field(say, "formats", "select", options=shapes, optional=False),
            forms.field(say, "years", "number", longest=3, hint=say("counter.ask_years_hint")),
            forms.field(say, "copy_days", "number", longest=3, hint=say("counter.ask_copy_days_hint")),
            forms.field(say, "several", "choice", options=yes_no),
            forms.field(say, "approval", "choice", options=yes_no),
            forms.field(say, "haip", "choice", options=yes_no, hint=say("counter.ask_haip_hint")),
        )
    )


def _asking(seen: Visit, form: Form, note: str = "") -> Response[bytes]:
    view = Sheet(
        title=seen.say("counter.new_kind"),
        lead=seen.say("counter.new_kind_lead"),
        note=note,
        back=(HERE, seen.say("menu.kinds")),
        action=f"{HERE}/new",
        submit=seen.say("counter.go_on"),
    )
    return _shown(seen, view, form)


@get(f"{HERE}/new")
async def blank(request: WebRequest) -> Response[bytes]:
    """The first questions: what it is called, in which forms it exists, how long it lasts."""
    seen = await visit_as_staff(request, OFFICER)
    return _asking(seen, _basics(seen))


@post(f"{HERE}/new", status_code=200)
async def begin(request: WebRequest) -> Response[bytes]:
    """The first answers, or what is wrong with them."""
    seen = await visit_as_staff(request, OFFICER)
    form = rules.filled(_basics(seen), seen.fields)
    if seen.in_other_language:
        return _asking(seen, form)

    def number(text: str) -> str:
        return "" if text.isdecimal() and text.isascii() else seen.say("counter.not_number")

    def name(text: str) -> str:
        return "" if re.fullmatch(r"[a-z][a-z0-9-]{1,39}", text) else seen.say("counter.ask_kind_id_hint")

    form = rules.judged(form, seen.say, {"kind_id": name, "years": number, "copy_days": number})
    if form.wrongs:
        return _asking(seen, form)
    alpha2 = seen.profile.alpha2.lower()
    kind, formats = form.value("kind_id"), form.value("formats").split()
    described: dict[str, Any] = {
        "kind": kind,
        "institution": seen.actor.institution,
        "name": _said(seen, form, "kind_name"),
        "formats": formats,
        "years": int(form.value("years") or 0),
        "copy_days": int(form.value("copy_days") or 30),
        "several": form.value("several") == "yes",
        "approval": form.value("approval") == "yes",
        "haip": form.value("haip") == "yes",
        "claims": [],
    }
    if "mso_mdoc" in formats:
        described["doctype"] = f"{alpha2}.{seen.actor.institution}.{kind}.1"
    if "jwt_vc_json" in formats:
        described["types"] = ["".join(part.title() for part in kind.split("-")) + "Credential"]
    return _claims(seen, described, _blank_claim(seen))


def _said(seen: Visit, form: Form, what: str) -> dict[str, str]:
    return {code: form.value(f"{what}_{code}") for code in seen.profile.languages if form.value(f"{what}_{code}")}


def _blank_claim(seen: Visit) -> Form:
    say = seen.say
    yes_no = (("yes", say("wallet.yes")), ("no", say("wallet.no")))
    return Form(
        (
            *_names(seen, "claim_name"),
            forms.field(say, "claim_source", "select", options=kind_words.sources(seen), optional=False),
            forms.field(say, "claim_key", longest=40, hint=say("counter.ask_claim_key_hint")),
            forms.field(say, "claim_choices", longest=400, hint=say("counter.ask_claim_choices_hint")),
            forms.field(say, "claim_needed", "choice", options=yes_no),
        )
    )


def _claims(seen: Visit, described: dict[str, Any], form: Form, note: str = "", good: str = "") -> Response[bytes]:
    """The claims so far, one more to add, and the way to propose it."""
    say = seen.say
    assert seen.session is not None
    draft = session.seal(seen.stack, "KindDraft", Draft(seen.session.sid, described))
    lines = []
    for place, claim in enumerate(described["claims"]):
        rule = msgspec.convert(claim, ClaimRule)
        drop = Press(f"{HERE}/claims", say("counter.take_out"), {"draft": draft, "drop": str(place)})
        needed = say("counter.needed") if rule.required else ""
        lines.append(Line(seen.of(rule.name) or rule.key, kind_words.source(seen, rule), needed, press=drop))
    ready = (Press(f"{HERE}/propose", say("counter.propose"), {"draft": draft}, "good"),) if lines else ()
    view = Sheet(
        title=seen.of(described["name"]),
        lead=say("counter.claims_lead"),
        note=note,
        good=good,
        back=(HERE, say("menu.kinds")),
        sections=(Section(say("counter.claims"), lines=tuple(lines), presses=ready),) if lines else (),
        action=f"{HERE}/claims",
        submit=say("counter.add_claim"),
        hidden={"draft": draft, "_sent": "1"},
    )
    return _shown(seen, view, form)


def _draft(seen: Visit) -> dict[str, Any]:
    try:
        found = session.unseal(seen.stack, "KindDraft", seen.fields.get("draft", ""), Draft)
    except ValueError:
        raise StaleForm() from None
    if seen.session is None or found.sid != seen.session.sid:
        raise StaleForm()
    return found.description


@post(f"{HERE}/claims", status_code=200)
async def claims(request: WebRequest) -> Response[bytes]:
    """One claim more, or one less."""
    seen = await visit_as_staff(request, OFFICER)
    described = _draft(seen)
    drop = seen.fields.get("drop", "")
    if drop.isdecimal():
        kept = [c for place, c in enumerate(described["claims"]) if place != int(drop)]
        return _claims(seen, described | {"claims": kept}, _blank_claim(seen))
    form = rules.filled(_blank_claim(seen), seen.fields)
    if seen.in_other_language:
        return _claims(seen, described, form)
    form = rules.judged(form, seen.say, {})
    if form.wrongs:
        return _claims(seen, described, form)
    key = form.value("claim_key") or kind_words.key_of(_said(seen, form, "claim_name"))
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,39}", key):
        return _claims(seen, described, rules.with_wrong(form, "claim_key", seen.say("counter.ask_claim_key_hint")))
    if any(c["path"] == [key] for c in described["claims"]):
        return _claims(seen, described, rules.with_wrong(form, "claim_key", seen.say("counter.claim_twice")))
    added = kind_words.claim(seen, form, key, _said(seen, form, "claim_name"), described.get("doctype", ""))
    more = described | {"claims": [*described["claims"], added]}
    return _claims(seen, more, _blank_claim(seen), good=seen.say("counter.claim_added"))


@post(f"{HERE}/propose", status_code=200)
async def propose(request: WebRequest) -> Response[bytes]:
    """Propose what was described; somebody else decides."""
    seen = await visit_as_staff(request, OFFICER)
    described = _draft(seen)
    if seen.in_other_language:
        return _claims(seen, described, _blank_claim(seen))
    try:
        await acts.propose_kind(seen.stack, _ctx(seen), described)
    except KindWrong as wrong:
        note = f"{forms.told(seen, wrong)} {wrong.facts.get('field', '')}: {wrong.facts.get('rule', '')}"
        return _claims(seen, described, _blank_claim(seen), note)
    except NotPermitted:
        raise
    except Refusal as refusal:
        return _claims(seen, described, _blank_claim(seen), forms.told(seen, refusal))
    return seen.go(HERE, "counter.said_kind_proposed")


doors = [overview, look, decide, blank, begin, claims, propose]
