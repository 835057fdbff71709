"""What the pages of governance show: cases, rights and messages in the visitor's words."""

from datetime import datetime

from msgspec import Struct

from msingi.exchange.federation import acts as federation
from msingi.governance import rules
from msingi.governance.apart.model import Errand
from msingi.governance.model import Author, Case, Dossier, Kind, State
from msingi.kernel import clock
from msingi.portal.views import Speaker
from msingi.portal.visit import Visit


class RightShown(Struct, frozen=True):
    """A right as the page lists it."""

    kind: str
    text: str
    section: str
    days: int


class CaseShown(Struct, frozen=True):
    """A case as people read it: names instead of codes; `left` is how many days an answer may still take."""

    id: str
    reference: str
    kind: str
    what: str
    who: str
    stage: str
    state: str
    outcome: str
    opened: datetime
    due: datetime
    left: int
    late: bool
    ground: str
    section: str


class Said(Struct, frozen=True):
    """One message as read: `who` is empty for the person."""

    at: datetime
    author: str
    who: str
    text: str


class MachineShown(Struct, frozen=True):
    """How far an erasure has got on a machine of its own: `done` is empty while it waits, `link` its certificate."""

    rooms: str
    asked: datetime
    done: datetime | None
    known: bool
    destroyed: int
    kept: int
    link: str


class CasePage(Struct, frozen=True):
    """One case with all that belongs to it."""

    case: CaseShown
    text: str
    wanted: str
    messages: list[Said]
    exhibits: list[tuple[str, str]]
    line: str
    line_at: datetime | None
    appeal_until: datetime | None
    copy_ready: bool
    base: str
    machines: list[MachineShown] = []


def institution(seen: Visit, code: str) -> str:
    """The name of an institution; its code if neither the country's profile nor the exchange knows it."""
    return Speaker(seen.stack.profile, seen.words, federation.names(seen.stack)).institution(code)


def institutions(seen: Visit) -> list[tuple[str, str]]:
    """The country's institutions by code and name, and those that joined its exchange since."""
    here = {member.code: seen.of(member.name) for member in seen.stack.profile.institutions}
    joined = {c: n for c, n in federation.names(seen.stack).items() if ":" not in c and c not in here}
    return [*here.items(), *sorted(((c, seen.of(dict(n))) for c, n in joined.items()), key=lambda pair: pair[1])]


def purpose(seen: Visit, code: str) -> str:
    """A purpose in plain words."""
    return next((seen.of(p.text) for p in seen.stack.profile.purposes if p.purpose == code), code)


def algorithm_name(seen: Visit, name: str) -> str:
    """A registered decision in words, if there are words for it."""
    key = f"governance.algorithm_{name}"
    return seen.say(key) if seen.words.has(key) else name


def act_name(seen: Visit, act: str) -> str:
    """An act in words, as the list of who looked says it."""
    for key in (f"acts.{act}", f"act.{act}"):
        if seen.words.has(key):
            return seen.say(key)
    return act


def about_what(seen: Visit, kind: Kind, subject: str) -> str:
    """What a case is about, in words."""
    if kind is Kind.RECTIFICATION and subject in rules.PARTS:
        return seen.say(f"governance.part_{subject}")
    if kind is Kind.OBJECTION:
        return purpose(seen, subject)
    return algorithm_name(seen, subject) if kind is Kind.EXPLANATION else ""


def shown(seen: Visit, case: Case) -> CaseShown:
    """A case in the visitor's words."""
    law = seen.stack.profile.law
    ground = next((g for g in law.grounds if g.code == case.ground), None)
    left = max(0, (case.due_at - clock.now()).days)
    stage = case.stage.value
    authority = seen.of(seen.stack.profile.legal.regulator)
    return CaseShown(
        id=str(case.case_id),
        reference=case.reference,
        kind=case.kind.value,
        what=about_what(seen, case.kind, case.subject),
        who=authority if stage == "authority" else institution(seen, case.institution),
        stage=stage,
        state=case.state.value,
        outcome=case.outcome.value,
        opened=case.opened_at,
        due=case.due_at,
        left=left,
        late=case.late,
        ground=seen.of(ground.text) if ground else "",
        section=ground.section if ground else "",
    )


def said(seen: Visit, dossier: Dossier) -> list[Said]:
    """The messages of a case; what the stack said by a code is put into words."""
    found = []
    for message in dossier.messages:
        text, key = message.text, f"governance.stack_{message.text}"
        if message.author is Author.STACK and seen.words.has(key):
            text = seen.say(key)
        who = " · ".join(p for p in (message.name, institution(seen, message.institution)) if p)
        found.append(Said(message.at, message.author.value, who, text))
    return found


def machine_shown(seen: Visit, errand: Errand) -> MachineShown:
    """What a machine was asked to do and has done, in the visitor's words."""
    receipt = errand.receipt
    named = [seen.say(f"governance.room_{room}") for room in errand.rooms]
    return MachineShown(
        rooms=" · ".join(named),
        asked=errand.made_at,
        done=errand.done_at,
        known=receipt is None or receipt.known,
        destroyed=sum(receipt.destroyed.values()) if receipt else 0,
        kept=sum(receipt.kept.values()) if receipt else 0,
        link=f"{receipt.address}/v1/governance/destructions/{receipt.certificate_id}"
        if receipt and receipt.certificate_id
        else "",
    )


def case_page(seen: Visit, dossier: Dossier, base: str) -> CasePage:
    """What the page of one case shows, for the person and for the office alike."""
    case, line = dossier.case, dossier.line
    return CasePage(
        case=shown(seen, case),
        text=dossier.text,
        wanted=dossier.wanted,
        messages=said(seen, dossier),
        exhibits=[(str(e.exhibit_id), e.name) for e in dossier.exhibits],
        line=act_name(seen, line.act) if line else "",
        line_at=datetime.fromisoformat(line.at) if line else None,
        appeal_until=rules.appeal_until(case, seen.stack.profile.law),
        copy_ready=case.kind in (Kind.ACCESS, Kind.PORTABILITY) and case.state is not State.OPEN,
        base=base,
        machines=[machine_shown(seen, errand) for errand in dossier.machines],
    )


def right_shown(seen: Visit, kind: str) -> RightShown:
    """A right in the visitor's words."""
    right = seen.stack.profile.law.right(kind)
    return RightShown(kind, seen.of(right.text), right.section, right.days)
