"""What rooms show through other rooms, connected here so that they stay blind to each other.

The exchange gets its services, evidence its counters, the portal its messages. Adding a room changes no other room;
it adds a few lines here.
"""

from collections import Counter
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from msingi.channels import acts as channels
from msingi.channels import dialogue
from msingi.consent import acts as consents
from msingi.consent.model import AgreementId, AskOrder, ConsentChanged
from msingi.credentials import factor as printed
from msingi.credentials.presentation import acts as presentation
from msingi.credentials.presentation import factor as wallet
from msingi.credentials.presentation.model import Right as RightToSee
from msingi.evidence import acts as evidence
from msingi.evidence.model import Cell
from msingi.exchange import acts as exchange
from msingi.exchange import registry
from msingi.exchange.moving import acts as moving
from msingi.governance import acts as governance
from msingi.governance.model import CaseOrder
from msingi.governance.model import Kind as CaseKind
from msingi.health import acts as health
from msingi.identity import acts as identity
from msingi.identity import listing
from msingi.identity.lifecycle import relying
from msingi.kernel.context import Actor, Context, job_context
from msingi.kernel.errors import Malformed, NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.payments.audit import roots_in_order
from msingi.payments.disputes import acts as disputes
from msingi.payments.fraud import sanctions
from msingi.portal.routes_staff import MESSAGES_OF
from msingi.signin import factors

SEXES = {"female": "F", "male": "M"}
SHOWN = "shown-credentials"
PERSON_QUESTIONS = {
    "over-18": {"field": "birth_date", "test": "age-at-least", "value": 18},
    "over-60": {"field": "birth_date", "test": "age-at-least", "value": 60},
    "lives-in": {"field": "region", "test": "equals", "asked": True},
}
PERSON_FIELDS = ("name.given", "name.family", "birth_date", "sex", "region")
PERSON_LABELS = {
    "name.given": ("Given names", "Majina ya kupewa", "Prénoms", "الأسماء"),
    "name.family": ("Family name", "Jina la ukoo", "Nom de famille", "اسم العائلة"),
    "birth_date": ("Date of birth", "Tarehe ya kuzaliwa", "Date de naissance", "تاريخ الميلاد"),
    "sex": ("Sex", "Jinsia", "Sexe", "الجنس"),
    "region": ("Region", "Mkoa", "Région", "المنطقة"),
}


class ConsentWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an institution asks a person to allow; no `fields` means all of the agreement's."""

    agreement: AgreementId
    reason: str = ""
    fields: tuple[str, ...] = ()


def connect(stack: Stack) -> None:
    """Register what this stack's rooms offer to institutions, and who counts what for the published figures."""
    moving.roots_of["payments"] = roots_in_order
    if stack.settings.rooms:
        return  # a machine that runs a part of the stack offers its rooms' acts to the rest, and nothing else
    for member in stack.profile.institutions:
        owner = f"{member.member_class}/{member.code}/{member.subsystem}"
        if member.kind == "registry":
            _offer_person(owner)
            _offer_changes(owner)
            _offer_asking(owner)
        elif member.kind == "clinic":
            _offer_summary(owner, member.code)
    offer_shown(stack)
    stack.outbox.subscribe("consent.granted", note_relying)
    factors.of(stack).add(wallet.factor())
    factors.of(stack).cards.append(printed.holder)
    factors.of(stack).read_picture = printed.read_picture
    stack.local[MESSAGES_OF] = channels.messages
    stack.local[disputes.FURTHER] = complain_about_dispute
    sanctions.register_of(stack, listing.alike_to)
    stack.local[dialogue.COMPLAIN] = complain_by_phone
    stack.local[dialogue.CASE_OF] = case_by_phone
    evidence.register_counter("16.9.1", count_registered_births)
    evidence.register_counter("8.10.2", count_account_holders)
    evidence.register_counter("3.b.1", count_vaccinated)


async def complain_by_phone(
    stack: Stack, ctx: Context, person_id: PersonId, record_id: UUID, key: str, language: str
) -> tuple[str, datetime]:
    """Open a complaint about a line of who looked, from a simple phone: its reference, and when an answer is due."""
    order = CaseOrder(CaseKind.COMPLAINT, about=record_id, language=language)
    case = await governance.open_case(stack, ctx, person_id, order, key)
    return case.reference, case.due_at


async def complain_about_dispute(stack: Stack, ctx: Context, person_id: PersonId, text: str, key: str) -> str:
    """Open a complaint about how the bank decided a dispute: the reference of its case."""
    bank = next((m.code for m in stack.profile.institutions if m.kind == "bank"), "")
    order = CaseOrder(CaseKind.COMPLAINT, text=text, institution=bank)
    return (await governance.open_case(stack, ctx, person_id, order, key)).reference


async def case_by_phone(stack: Stack, ctx: Context, person_id: PersonId, typed: str) -> tuple[str, datetime]:
    """How a case stands, by the reference that its person wrote down: open, answered or closed; and until when."""
    case = await governance.case_by_reference(stack, ctx, person_id, typed)
    return case.state.value, case.due_at


def _offer_person(owner: str) -> None:
    async def answer(
        stack: Stack, ctx: Context, person_id: PersonId | None, *, method: str, path: str, query: str, body: bytes,
        fields: tuple[str, ...],
    ) -> dict[str, Any]:  # fmt: skip
        if person_id is None:
            raise NotFound()
        known = (await identity.read_person(stack, ctx, person_id)).demographics
        return {
            "name": {"given": known.name.given, "family": known.name.family},
            "birth_date": known.birth.date,
            "sex": known.sex.value,
            "region": known.region,
        }

    registry.register_offer(
        "person-facts",
        owner,
        answer,
        _described(
            _says(
                "Facts about a person from the identity register",
                "Taarifa za mtu kutoka daftari la utambulisho",
                "Données d’une personne tirées du registre d’identité",
                "بيانات شخص من سجل الهوية",
            ),
            {
                name: {"type": "string", "x-title": dict(zip(("en", "sw", "fr", "ar"), labels, strict=True))}
                for name, labels in PERSON_LABELS.items()
            },
        )
        | {"x-questions": PERSON_QUESTIONS},
        fields=PERSON_FIELDS,
        purposes=("identity-proofing", "social-protection", "health-care"),
        bases=("consent", "legal-obligation", "public-task"),
        title={
            "en": "Facts about a person",
            "sw": "Taarifa za mtu",
            "fr": "Données d’une personne",
            "ar": "بيانات شخص",
        },
    )


def _offer_changes(owner: str) -> None:
    async def answer(
        stack: Stack, ctx: Context, person_id: PersonId | None, *, method: str, path: str, query: str, body: bytes,
        fields: tuple[str, ...],
    ) -> dict[str, Any]:  # fmt: skip
        raise NotFound()  # nothing is asked here: what changed is told to those who follow the person

    registry.register_offer(
        "identity-changes",
        owner,
        answer,
        _described(
            _says(
                "That the identity of somebody whom an institution relies on has changed",
                "Kwamba utambulisho wa mtu anayetegemewa na taasisi umebadilika",
                "Que l’identité d’une personne suivie par une institution a changé",
                "أن هوية شخص تعتمد عليه مؤسسة قد تغيرت",
            ),
            {"change": {}},
        ),
        fields=("change",),
        purposes=("identity-proofing", "payment", "social-protection", "health-care", "fraud-prevention"),
        bases=("contract", "legal-obligation", "public-task", "consent"),
        title={
            "en": "Changes of identities",
            "sw": "Mabadiliko ya utambulisho",
            "fr": "Changements d’identité",
            "ar": "تغيرات الهوية",
        },
    )


def _offer_asking(owner: str) -> None:
    async def answer(
        stack: Stack, ctx: Context, person_id: PersonId | None, *, method: str, path: str, query: str, body: bytes,
        fields: tuple[str, ...],
    ) -> dict[str, Any]:  # fmt: skip
        if person_id is None or method != "POST":
            raise NotFound("Ask with POST, for one person.")
        try:
            wish = msgspec.json.decode(body, type=ConsentWish)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise Malformed(str(wrong), field="body", rule="consent request") from None
        order = AskOrder("", wish.agreement, wish.reason, wish.fields)
        made = await consents.request_consent(stack, ctx, person_id, order)
        pseudonym = stack.pseudonym.of(ctx.actor.institution, person_id)
        return {"request": made.request_id, "lapses_at": made.lapses_at, "subject": pseudonym}

    registry.register_offer(
        "consent-requests",
        owner,
        answer,
        _described(
            _says(
                "Asks a person for a consent to a data agreement of the asking institution's own; the person decides",
                "Humwomba mtu ridhaa kwa makubaliano ya data ya taasisi inayouliza; mtu ndiye anayeamua",
                "Demande à une personne son accord sur les données de l’institution ; la personne décide",
                "يطلب من شخص موافقته على اتفاق بيانات للمؤسسة السائلة؛ والشخص هو من يقرر",
            ),
            {name: {"type": "string"} for name in ("request", "lapses_at", "subject")},
            "post",
        ),
        fields=("request", "lapses_at", "subject"),
        purposes=("consent-management",),
        bases=("legal-obligation", "public-task"),
        title={
            "en": "Requests for consent",
            "sw": "Maombi ya ridhaa",
            "fr": "Demandes de consentement",
            "ar": "طلبات الموافقة",
        },
    )


def _offer_summary(owner: str, provider: str) -> None:
    async def answer(
        stack: Stack, ctx: Context, person_id: PersonId | None, *, method: str, path: str, query: str, body: bytes,
        fields: tuple[str, ...],
    ) -> dict[str, Any]:  # fmt: skip
        if person_id is None:
            raise NotFound()
        document = await health.summary_for_exchange(stack, ctx, person_id, provider)
        return {"summary": msgspec.Raw(health.fhir_json(document))}

    registry.register_offer(
        "patient-summary",
        owner,
        answer,
        _described(
            _says(
                "International Patient Summary of a person, a FHIR R4 document",
                "Muhtasari wa kimataifa wa afya ya mtu, hati ya FHIR R4",
                "Résumé médical international d’une personne, un document FHIR R4",
                "الملخص الصحي الدولي لشخص، وثيقة FHIR R4",
            ),
            {},
        ),
        fields=("summary",),
        purposes=("health-care",),
        bases=("consent",),
        title={
            "en": "Patient summary",
            "sw": "Muhtasari wa afya",
            "fr": "Résumé du dossier médical",
            "ar": "ملخص الملف الصحي",
        },
        needs_consent=True,
        document="summary",
        media_type="application/fhir+json",
    )


def offer_shown(stack: Stack) -> None:
    """What institutions may ask people to show from a wallet: rights to it are granted like every other right."""
    owner = next(f"{m.member_class}/{m.code}/{m.subsystem}" for m in stack.profile.institutions if m.kind == "registry")
    fields = presentation.askable_fields(stack)

    async def answer(
        stack: Stack, ctx: Context, person_id: PersonId | None, *, method: str, path: str, query: str, body: bytes,
        fields: tuple[str, ...],
    ) -> dict[str, Any]:  # fmt: skip
        raise NotFound("The person shows this, not a register: ask at /v1/credentials/presentations.")

    async def right_to_see(stack: Stack, actor: Actor, purpose: str, basis: str) -> RightToSee | None:
        for right in await exchange.rights_of(stack, actor.id, owner):
            if right.service == SHOWN and (right.purpose, right.basis) == (purpose, basis):
                return RightToSee(right.law, right.fields)
        return None

    registry.register_offer(
        SHOWN,
        owner,
        answer,
        _described(
            _says(
                "What a person shows from a wallet",
                "Anachoonyesha mtu kutoka pochi yake",
                "Ce qu’une personne montre de son portefeuille",
                "ما يظهره الشخص من محفظته",
            ),
            {f: {"type": "string"} for f in fields},
        ),
        fields=fields,
        purposes=("identity-proofing", "payment", "social-protection", "health-care", "public-service"),
        bases=("consent", "contract", "legal-obligation", "public-task"),
        title={
            "en": "What a person shows from a wallet",
            "sw": "Anachoonyesha mtu kutoka pochi yake",
            "fr": "Ce qu’une personne montre de son portefeuille",
            "ar": "ما يظهره الشخص من محفظته",
        },
        about_person=False,
    )
    presentation.register_rights(stack, right_to_see)


def _says(en: str, sw: str, fr: str, ar: str) -> dict[str, str]:
    return {"en": en, "sw": sw, "fr": fr, "ar": ar}


def _described(said: dict[str, str], properties: dict[str, Any], method: str = "get") -> dict[str, Any]:
    title = said["en"]
    answer = {"description": title, "content": {"application/json": {"schema": {"properties": properties}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": {"/": {method: {"summary": title, "x-title": said, "responses": {"200": answer}}}},
    }


async def note_relying(stack: Stack, payload: bytes) -> None:
    """Whom a person allowed to read, that institution is told of changes; safe to repeat."""
    granted = msgspec.json.decode(payload, type=ConsentChanged)
    ctx = job_context("consent-granted", "data-exchange")
    await relying.note_relying(stack, ctx, granted.person_id, granted.institution)


async def count_registered_births(stack: Stack, ctx: Context) -> list[Cell]:
    """Children under five whose birth is registered, by region and sex."""
    found = await identity.register_births_by_region(stack, ctx, ctx.at.date())
    return [Cell(region, SEXES.get(sex, "U"), count) for (region, sex), count in found.items()]


async def count_account_holders(stack: Stack, ctx: Context) -> list[Cell]:
    """People of 15 and over with at least one account, each once, by region and sex."""
    holders = await payments.account_holders(stack, ctx)
    today = ctx.at.date()
    born_to = date(today.year - 15, today.month, min(today.day, 28))
    found = await identity.count_people(stack, ctx, holders, born_to)
    return [Cell(region, SEXES.get(sex, "U"), count) for (region, sex), count in found.items()]


async def count_vaccinated(stack: Stack, ctx: Context) -> list[Cell]:
    """Children of 12 to 23 months with three doses of a DTP vaccine, by region and sex."""
    cells: Counter[tuple[str, str]] = Counter()
    for count in await health.immunisation_counts(stack, ctx):
        if count.vaccine == "DTP" and count.dose == 3:
            cells[count.region, SEXES.get(count.sex, "U")] += count.covered
    return [Cell(region, sex, children) for (region, sex), children in cells.items()]
