"""The laws of consent as pure functions."""

import re
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from msingi.consent.errors import (
    AgreementRetired,
    AgreementWrong,
    BeyondAgreement,
    ConsentEnded,
    NotByConsent,
    RequestAnswered,
)
from msingi.consent.model import (
    Agreement,
    AgreementOrder,
    AskOrder,
    Consent,
    ConsentId,
    GrantOrder,
    Request,
    RequestId,
    RequestState,
    State,
)
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId

SLUG = re.compile(r"[a-z][a-z0-9-]{1,62}")
FIELD = re.compile(r"[a-z][a-z0-9-]*(?:\.[A-Za-z][A-Za-z0-9_-]*)+")  # "person.birth_date", "person.name.family"
REQUEST_DAYS = 30
MAX_TERM_DAYS = 3650
MOST = 200  # items on a page


def page_size(limit: int) -> int:
    """`limit`, between 1 and MOST. Raises Malformed."""
    if not 1 <= limit <= MOST:
        raise Malformed(f"limit lies between 1 and {MOST}", field="limit", rule="range")
    return limit


def cursor(after: str) -> UUID | None:
    """Where the page before ended; None to begin. Raises Malformed."""
    try:
        return UUID(after) if after else None
    except ValueError:
        raise Malformed("after is what the page before gave", field="after", rule="uuid") from None


def check_agreement(order: AgreementOrder, purposes: dict[str, list[str]], languages: list[str]) -> None:
    """An agreement is complete, in every language of the country, on a basis that its law allows for the purpose.

    `purposes` gives the legal bases that the country allows per purpose. Raises AgreementWrong naming the field.
    """

    def must(holds: bool, field: str, rule: str) -> None:
        if not holds:
            raise AgreementWrong(rule, field=field)

    must(bool(SLUG.fullmatch(order.agreement)), "agreement", "2 to 63 lower-case letters, digits and hyphens")
    must(bool(order.institution), "institution", "names the controller")
    controller = order.controller
    reachable = bool(controller.name and controller.address.strip() and controller.contact.strip())
    must(reachable, "controller", "has a name, an address and a contact")
    must(order.purpose in purposes, "purpose", "is one of the country's purposes")
    must(order.basis in purposes[order.purpose], "basis", "is a legal basis that the law allows for this purpose")
    must(bool(order.law.strip()), "law", "cites what the legal basis rests on")
    must(bool(order.fields), "fields", "names at least one field")
    must(all(FIELD.fullmatch(name) for name in order.fields), "fields", "are written service.field")
    must(len(set(order.fields)) == len(order.fields), "fields", "are named once each")
    must(1 <= order.term_days <= MAX_TERM_DAYS, "term_days", f"lies between 1 and {MAX_TERM_DAYS}")
    must(order.keep_days >= 0, "keep_days", "is not negative")
    for language in languages:
        text = order.texts.get(language)
        must(text is not None, f"texts.{language}", "has a text in every language of the country")
        if text is not None:
            whole = bool(text.title.strip() and text.purpose.strip() and text.explanation.strip())
            must(whole, f"texts.{language}", "has a title, a purpose and an explanation")


def _check_offer(agreement: Agreement) -> None:
    if agreement.retired:
        raise AgreementRetired()
    if agreement.order.basis != "consent":
        raise NotByConsent()


def _chosen(fields: tuple[str, ...], agreement: Agreement) -> tuple[str, ...]:
    """The fields chosen among those of the agreement, in its order; all of them when none is named."""
    if set(fields) - set(agreement.order.fields):
        raise BeyondAgreement("a field is not in the agreement", field="fields")
    return tuple(name for name in agreement.order.fields if not fields or name in fields)


def grant(
    order: GrantOrder, agreement: Agreement, person_id: PersonId, consent_id: ConsentId, now: datetime,
    channel: str, language: str,
) -> Consent:  # fmt: skip
    """The consent that answers `agreement` with yes (laws 2, 3).

    Raises AgreementRetired, NotByConsent, BeyondAgreement.
    """
    _check_offer(agreement)
    term_days = order.term_days or agreement.order.term_days
    if not 1 <= term_days <= agreement.order.term_days:
        raise BeyondAgreement("the term is not within the agreement's", field="term_days")
    return Consent(
        consent_id=consent_id,
        person_id=person_id,
        agreement=agreement.order.agreement,
        agreement_version=agreement.version,
        agreement_hash=agreement.hash,
        institution=agreement.order.institution,
        purpose=agreement.order.purpose,
        fields=_chosen(order.fields, agreement),
        state=State.GRANTED,
        granted_at=now,
        expires_at=now + timedelta(days=term_days),
        language=order.language if order.language in agreement.order.texts else language,
        channel=channel,
    )


def state_at(consent: Consent, now: datetime) -> State:
    """The state of a consent at an instant, also before its expiry was written down (law 3)."""
    if consent.state is State.GRANTED and consent.expires_at <= now:
        return State.EXPIRED
    return consent.state


def end(consent: Consent, state: State, now: datetime) -> Consent:
    """The next revision of a consent, withdrawn or expired (law 3). Raises ConsentEnded if it has ended before."""
    if consent.state is not State.GRANTED or (state is State.WITHDRAWN and consent.expires_at <= now):
        raise ConsentEnded()
    ended_at = consent.expires_at if state is State.EXPIRED else now  # it ended at its time, not when we noticed
    return replace(consent, state=state, ended_at=ended_at, revision=consent.revision + 1)


def covers(consent: Consent, institution: str, purpose: str, fields: tuple[str, ...], now: datetime) -> bool:
    """Whether a consent allows all this now (laws 2, 3); the database says the same in `consent.live_of`."""
    return (
        state_at(consent, now) is State.GRANTED
        and consent.institution == institution
        and consent.purpose == purpose
        and bool(fields)
        and all(any(f == own or f.startswith(own + ".") for own in consent.fields) for f in fields)
    )


def ask(order: AskOrder, agreement: Agreement, request_id: RequestId, now: datetime) -> Request:
    """A request for a consent to `agreement`. Raises AgreementRetired, NotByConsent, BeyondAgreement."""
    _check_offer(agreement)
    return Request(
        request_id=request_id,
        agreement=agreement.order.agreement,
        agreement_version=agreement.version,
        institution=agreement.order.institution,
        purpose=agreement.order.purpose,
        fields=_chosen(order.fields, agreement),
        reason=order.reason[:280],
        state=RequestState.PENDING,
        asked_at=now,
        lapses_at=now + timedelta(days=REQUEST_DAYS),
    )


def check_open(request: Request, now: datetime) -> None:
    """A request is answered once, within its time. Raises RequestAnswered."""
    if request.state is not RequestState.PENDING or request.lapses_at <= now:
        raise RequestAnswered()
