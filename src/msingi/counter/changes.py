"""What an officer can do about a record: which verbs, with which questions, and the act that each of them is."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from msgspec.structs import replace

from msingi.counter import forms, recovery
from msingi.identity import acts as identity
from msingi.identity.civil import acts as civil
from msingi.identity.civil.model import DeathOrder
from msingi.identity.lifecycle import acts as life
from msingi.identity.lifecycle import guardians
from msingi.identity.lifecycle.model import Amendment, GuardianKind, GuardianOrder, UpdateOrder
from msingi.identity.model import Birth, Cause, Demographics, Document, EnrolmentOrder, Name, Person, Sex, Status
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.portal import rules
from msingi.portal.model import Field, Form
from msingi.portal.visit import Visit

OFFICER, REGISTRAR, JUDGE = "enrolment-officer", "registrar", "adjudicator"
PROPOSED: Final = frozenset({"update", "merge", "unmerge", "revival"})
_LIVING: Final = frozenset({Status.ACTIVE, Status.SUSPENDED, Status.DEACTIVATED})
_STANDS: Final = frozenset({Status.ACTIVE, Status.SUSPENDED})
# verb -> (from which statuses, for which roles)
VERBS: Final[dict[str, tuple[frozenset[Status], frozenset[str]]]] = {
    "update": (_LIVING, frozenset({OFFICER, REGISTRAR})),
    "guardian": (_LIVING, frozenset({REGISTRAR})),
    "recover": (frozenset({Status.ACTIVE}), frozenset({OFFICER, REGISTRAR})),
    "suspend": (frozenset({Status.ACTIVE}), frozenset({JUDGE})),
    "reactivate": (frozenset({Status.SUSPENDED, Status.DEACTIVATED}), frozenset({JUDGE})),
    "deactivate": (_STANDS, frozenset({JUDGE})),
    "merge": (_STANDS, frozenset({JUDGE})),
    "unmerge": (frozenset({Status.MERGED}), frozenset({JUDGE})),
    "death": (_LIVING, frozenset({REGISTRAR})),
    "revival": (frozenset({Status.DECEASED}), frozenset({REGISTRAR})),
}


def possible(status: Status, roles: frozenset[str]) -> tuple[str, ...]:
    """The verbs that this status and these roles allow; the acts ask again."""
    return tuple(verb for verb, (statuses, who) in VERBS.items() if status in statuses and roles & who)


def form(seen: Visit, verb: str, known: Demographics) -> Form:
    """The questions of a change, filled with what is known, or what was typed."""
    say, because = seen.say, forms.reason(seen.say)
    fields: dict[str, tuple[Field, ...]] = {
        "update": _update_fields(seen, known),
        "recover": recovery.questions(seen),
        "merge": (forms.field(say, "kept", "number", longest=30, optional=False), because),
        "death": (
            forms.field(say, "died_on", "date", optional=False),
            forms.field(say, "place", longest=120),
            forms.field(say, "informant", longest=120),
        ),
        "guardian": (
            forms.field(say, "guardian", "number", longest=30, optional=False),
            forms.field(
                say, "guardian_kind", "select", optional=False,
                options=tuple((kind.value, say(f"counter.guardian_{kind}")) for kind in GuardianKind),
            ),
            forms.field(say, "until", "date", hint=say("counter.ask_until_hint")),
            because,
        ),
    }  # fmt: skip
    return (
        rules.filled(Form(fields.get(verb, (because,))), seen.fields)
        if "_sent" in seen.fields
        else Form(fields.get(verb, (because,)))
    )


def _update_fields(seen: Visit, known: Demographics) -> tuple[Field, ...]:
    say = seen.say
    born = [*known.birth.date.split("-"), "", "", ""]
    sexes = tuple((value, say(f"enrol.sex_{key}")) for value, key in (("female", "f"), ("male", "m"), ("other", "x")))

    def ask(name: str, kind: str = "text", **more: Any) -> Field:
        return Field(name=name, label=say(f"enrol.{name}"), kind=kind, optional=True, autocomplete="off", **more)

    return (
        ask("given_name", value=known.name.given, longest=100),
        ask("family_name", value=known.name.family, longest=100),
        ask("born", "date", value="-".join(born[:3])),
        ask("sex", "choice", value=known.sex.value, options=sexes),
        forms.field(say, "document_kind", longest=60, optional=False, hint=say("counter.ask_evidence_hint")),
        forms.field(say, "document_number", longest=60),
        forms.reason(say),
    )


async def carry_out(seen: Visit, ctx: Context, verb: str, person: Person) -> str:
    """Do it, or propose it; gives the sentence that says so. Raises what the act raises."""
    stack, value, person_id = seen.stack, seen.fields.get, person.person_id
    because = value("because", "")
    if verb in ("suspend", "reactivate", "deactivate"):
        act = {"suspend": identity.suspend, "reactivate": identity.reactivate, "deactivate": identity.deactivate}[verb]
        await act(stack, ctx, person_id, because, Cause.OFFICER)
    elif verb == "recover":
        return await recovery.recover(seen, ctx, person_id)
    elif verb == "update":
        await life.propose_update(
            stack, ctx, person_id, _update(seen, person.demographics), value("key", "") or person_id.hex
        )
    elif verb == "merge":
        kept = await identity.person_by_number(stack, ctx, value("kept", ""), any_status=True)
        await life.propose_merge(stack, ctx, person_id, kept, because)
    elif verb == "unmerge":
        await life.propose_unmerge(stack, ctx, person_id, because)
    elif verb == "revival":
        await life.propose_revival(stack, ctx, person_id, because)
    elif verb == "death":
        died = Birth(day(seen, "died_on")).day
        if died is None:
            raise Malformed(seen.say("form.not_date"), field="died_on", rule="calendar-date")
        order = DeathOrder(person.number, died, value("place", ""), "", value("informant", ""))
        await civil.register_death(stack, ctx, order, value("key", "") or person_id.hex)
    else:
        order = GuardianOrder(value("guardian", ""), GuardianKind(value("guardian_kind", "kin")), because,
                              Birth(day(seen, "until")).day)  # fmt: skip
        await guardians.grant_guardian(stack, ctx, person_id, order)
    return seen.say("counter.proposed" if verb in PROPOSED else "counter.done")


def day(seen: Visit, name: str) -> str:
    """A date as typed, in ISO 8601. Raises Malformed for what is no day; empty if nothing was typed."""
    parts = [seen.fields.get(f"{name}_{part}", "").strip() for part in ("year", "month", "day")]
    typed = "-".join(parts) if any(parts) else ""
    wrong = rules.date_wrong(typed, date.max, seen.say) if typed else ""
    text = rules.iso_date(typed)
    if wrong or (text and len(text) != 10):
        raise Malformed(seen.say("form.not_date"), field=name, rule="calendar-date")
    return text


def _update(seen: Visit, known: Demographics) -> UpdateOrder:
    value = seen.fields.get
    parts = [value(f"born_{part}", "").strip() for part in ("year", "month", "day")]
    sex = value("sex", "")
    born = rules.iso_date("-".join(parts) if any(parts) else "")
    change = Amendment(
        name=Name(value("given_name", ""), value("family_name", "")),
        birth=Birth(born) if born != known.birth.date else None,
        sex=Sex(sex) if sex in set(Sex) else None,
    )
    evidence = (Document(value("document_kind", ""), value("document_number", "")),)
    return UpdateOrder(change, value("because", ""), evidence)


def completed(told: EnrolmentOrder, sent: Mapping[str, str]) -> EnrolmentOrder:
    """What was told ahead with what the officer added: ties, a document, what the person lacks."""
    kind = sent.get("document_kind", "")
    papers = (Document(kind, sent.get("document_number", "")),) if kind else ()
    lacking = (sent["lacking"],) if sent.get("lacking") else ()
    return replace(
        told,
        guardian=sent.get("guardian", "") or told.guardian,
        introducer=sent.get("introducer", "") or told.introducer,
        documents=(*told.documents, *papers),
        exceptions=tuple(dict.fromkeys((*told.exceptions, *lacking))),
    )


def without_ties(order: EnrolmentOrder) -> EnrolmentOrder:
    """The order without the guardian and introducer that nobody knows; they are added when they are found."""
    return replace(order, guardian="", introducer="")
