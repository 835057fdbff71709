"""The laws of the exchange as pure functions."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from msingi.consent.errors import ConsentMissing
from msingi.exchange.errors import (
    BadCall,
    BadOrder,
    BasisUnclear,
    NoRight,
    NotStanding,
    OfferUnknown,
    PersonUnknown,
    RightExceedsOffer,
)
from msingi.exchange.model import Call, Check, Offer, Question, Right, RightOrder, Standing
from msingi.kernel.context import BASES, PURPOSES
from msingi.kernel.errors import Refusal

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # one segment of an X-Road identifier, as we issue them
FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z][A-Za-z0-9_-]*)*")  # "birth_date", "name.family"
ASKED = re.compile(FIELD.pattern + r"(?:=[A-Za-z0-9_.-]{1,64})?")  # "lives-in=dodoma"
UNSTATED = "public-task"  # the basis on which a no is recorded when the message names none and no right says it
CODE = re.compile(r"[a-z][a-z0-9-]{1,62}")  # a service code: also the first part of a consent's field names


class Page(Struct, frozen=True):
    """What decides about a client's messages to a service, as it was in one `edition`; `kids` may be used."""

    edition: int
    standing: Standing | None
    kids: frozenset[str]
    offer: Offer | None
    rights: tuple[Right, ...]


class Granted(Struct, frozen=True):
    """A yes: what may leave, on which right, and whether a live consent is still to be found.

    `fields` are granted as they were named ("birth_date", "over-18", "lives-in=dodoma"); the service is asked for
    `sources`. `plain`: they are whole fields, neither parts nor questions.
    """

    right: Right
    fields: tuple[str, ...]
    sources: tuple[str, ...]
    needs_consent: bool
    offer: Offer
    plain: bool = False


class Judgement(Struct):
    """What came of weighing a call: the legal basis to record, and a yes, or the reason of a no."""

    basis: str
    granted: Granted | None = None
    refusal: Refusal | None = None


def member_parts(identifier: str, count: int, name: str) -> tuple[str, ...]:
    """The `count` segments of an identifier such as "GOV/MOH/clinics".

    Raises BadCall naming `name` when their number or their characters are wrong.
    """
    parts = tuple(identifier.split("/"))
    if len(parts) != count or not all(IDENTIFIER.fullmatch(part) for part in parts):
        raise BadCall(f"{name} is {count} segments of letters, digits, '_', '.', '-', joined by '/'", field=name)
    return parts


def institution_named(subsystem: str) -> str:
    """Whose software this is: "MOH" of "GOV/MOH/clinics", "XT:MOH" of another instance's "XT/GOV/MOH/clinics".

    Raises BadCall.
    """
    foreign = subsystem.count("/") == 3
    parts = member_parts(subsystem, 4 if foreign else 3, "client")
    return f"{parts[0]}:{parts[2]}" if foreign else parts[1]


@lru_cache(maxsize=4096)
def _endpoint_pattern(endpoint: str) -> re.Pattern[str]:
    method, _, path = endpoint.partition(" ")
    parts = ("[^ ]*" if part == "**" else "[^/ ]*" if part == "*" else re.escape(part)
             for part in re.split(r"(\*\*|\*)", path))  # fmt: skip
    return re.compile(("[A-Z]+" if method == "*" else re.escape(method)) + " " + "".join(parts))


def endpoint_allowed(endpoints: Iterable[str], method: str, path: str) -> bool:
    """Whether one of `endpoints` ("GET /visits/*") fits; `*` stands for one segment, `**` for any rest."""
    if any(unquote(part) in (".", "..") for part in path.split("/")):
        return False
    return any(_endpoint_pattern(endpoint).fullmatch(f"{method} {path}") for endpoint in endpoints)


def check_offer(entry: Offer) -> None:
    """A service says what it offers, to which purposes, on which legal bases. Raises BadOrder naming the field."""
    member_parts(entry.owner, 3, "owner")
    if not CODE.fullmatch(entry.service):
        raise BadOrder("a service code is 2 to 63 lower-case letters, digits and hyphens", field="service")
    if not entry.fields or not all(FIELD.fullmatch(name) for name in entry.fields):
        raise BadOrder("a service lists its fields", field="fields")
    if not set(entry.purposes) <= PURPOSES or not entry.purposes:
        raise BadOrder("a service lists purposes that are known", field="purposes")
    if not set(entry.bases) <= BASES or not entry.bases:
        raise BadOrder("a service lists legal bases that are known", field="bases")
    for name, question in entry.questions.items():
        _check_question(name, question, entry)
    if entry.document and entry.fields != (entry.document,):
        raise BadOrder("a service that answers with a document has that one field", field="document")


def questions_of(description: dict[str, Any]) -> dict[str, Question]:
    """The yes/no questions that an OpenAPI description tells in `x-questions`. Raises BadOrder."""
    try:
        return msgspec.convert(description.get("x-questions", {}), dict[str, Question])
    except msgspec.ValidationError as wrong:
        raise BadOrder(f"x-questions: {wrong}", field="x-questions") from None


def _check_question(name: str, question: Question, entry: Offer) -> None:
    if not FIELD.fullmatch(name) or "." in name or not FIELD.fullmatch(question.field) or _within(name, entry.fields):
        raise BadOrder(
            "a question has a name of its own, and the name of the field that it looks at", field="questions"
        )
    if entry.document:
        raise BadOrder("a document is not asked questions", field="questions")
    if question.test in (Check.AGE_AT_LEAST, Check.AGE_UNDER) and (
        question.asked or not isinstance(question.value, int)
    ):
        raise BadOrder("an age is a number that the service sets, or it could be found by asking", field="questions")
    if question.asked and question.test is not Check.EQUALS:
        raise BadOrder("a value is asked for only to be compared as equal", field="questions")


def check_right(order: RightOrder, service: Offer) -> None:
    """A right gives nothing that its service does not offer (law 6).

    Raises RightExceedsOffer, or BadOrder for an endpoint or field that is not written as one.
    """
    for endpoint in order.endpoints:
        if not re.fullmatch(r"(?:\*|[A-Z]+) /[^ ]*", endpoint):
            raise BadOrder("an endpoint is a method (or *), a space, and a path", field="endpoints")
    if not order.fields or not order.endpoints or not order.law.strip():
        raise BadOrder("a right names its fields, its endpoints and the law it rests on", field="fields")
    if order.purpose not in service.purposes:
        raise RightExceedsOffer("the service is not offered for this purpose", purpose=order.purpose)
    if order.basis not in service.bases:
        raise RightExceedsOffer("the service is not offered on this legal basis", basis=order.basis)
    beyond = [name for name in order.fields if not _within(name, (*service.fields, *service.questions))]
    if beyond:
        raise RightExceedsOffer("the service has no such field", fields=" ".join(beyond))


def _within(name: str, fields: Iterable[str]) -> bool:
    """Whether `name` is one of `fields` or lies inside one of them ("name.family" inside "name")."""
    return any(name == outer or name.startswith(outer + ".") for outer in fields)


def choose(rights: Iterable[Right], call: Call, now: datetime) -> Right:
    """The right on which `call` rests (law 2).

    Raises NoRight when none is alive for this purpose, method and path; BasisUnclear when several legal bases fit
    and the call names none.
    """
    fitting = [
        right for right in rights
        if right.purpose == call.purpose and call.basis in ("", right.basis)
        and (right.until is None or right.until > now) and endpoint_allowed(right.endpoints, call.method, call.path)
    ]  # fmt: skip
    if not fitting:
        raise NoRight("no right to this service for this purpose, method and path", purpose=call.purpose)
    if len(fitting) > 1:
        raise BasisUnclear("several legal bases fit", bases=" ".join(sorted(right.basis for right in fitting)))
    return fitting[0]


def judge(call: Call, page: Page, person_known: bool, now: datetime, by_number: bool) -> Judgement:
    """Whether `call` may be answered, and with which fields (laws 1, 2), on what `page` says; consent is still to be
    found. `by_number`: the call names its person by identity number.

    A no is NotStanding, OfferUnknown, NoRight, BasisUnclear, BadCall, PersonUnknown or ConsentMissing.
    """
    found = Judgement(call.basis or UNSTATED)
    try:
        if page.standing is not Standing.ACTIVE or call.kid not in page.kids:
            raise NotStanding("the institution, its subsystem or this key is not active")
        if call.tls_kid and call.tls_kid not in page.kids:
            raise NotStanding("the key of this connection's certificate is not active")
        offer = page.offer
        if offer is None or not offer.active or offer.owner != call.owner:
            raise OfferUnknown()
        right = choose(page.rights, call, now)
        found.basis = right.basis
        if by_number and not right.by_number:
            raise NoRight("this right does not allow naming people by identity number")
        if offer.about_person and not person_known:
            # Whether a number exists is nobody's business who may only ask with consent.
            raise ConsentMissing() if right.basis == "consent" or offer.needs_consent else PersonUnknown()
        found.granted = grant(call, right, offer)
    except Refusal as no:
        found.refusal = no
    return found


def grant(call: Call, right: Right, offer: Offer) -> Granted:
    """What leaves, within the right and what the service offers today (laws 2, 6). Raises NoRight, BadCall."""
    default = [name for name in right.fields if not (name in offer.questions and offer.questions[name].asked)]
    asked = {name: name.partition("=") for name in call.fields or default}
    beyond = [head for head, _, _ in asked.values() if not _within(head, right.fields)]
    if beyond:
        raise NoRight("the right does not give these fields", fields=" ".join(beyond))
    fields, sources = [], set()
    for name, (head, given, value) in asked.items():
        question = offer.questions.get(head)
        if bool(given) != (question is not None and question.asked) or (given and not value):
            raise BadCall("a value is given to questions that ask for one, and to nothing else", field="Msingi-Fields")
        if question is not None or _within(head, offer.fields):
            fields.append(name)
            sources.add(head if question is None else question.field)
    if len({head for head, _, _ in asked.values()}) != len(asked):
        raise BadCall("a question is asked once in a message", field="Msingi-Fields")
    if not fields or right.purpose not in offer.purposes or right.basis not in offer.bases:
        raise NoRight("the service no longer offers what the right was granted for", purpose=call.purpose)
    needs_consent = offer.needs_consent or right.basis == "consent"
    plain = not any("." in name or name.partition("=")[0] in offer.questions for name in fields)
    return Granted(right, tuple(fields), tuple(sorted(sources)), needs_consent, offer, plain)


def answered(values: Any, granted: Granted, today: date) -> Any:
    """What leaves of the `values` that a service gave: the granted fields, and yes or no to the questions (law 2).

    A question whose field has no value is left out.
    """
    if granted.plain and isinstance(values, dict):
        return {name: values[name] for name in granted.fields if name in values}
    if isinstance(values, list):
        return [answered(item, granted, today) for item in values]
    questions = granted.offer.questions
    kept = filtered(values, [name for name in granted.fields if name.partition("=")[0] not in questions])
    for name in granted.fields:
        head, _, given = name.partition("=")
        if head in questions and isinstance(kept, dict):
            settled = settle(questions[head], _value_at(values, questions[head].field), given, today)
            if settled is not None:
                kept[head] = settled
    return kept


def _value_at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def settle(question: Question, value: Any, given: str, today: date) -> bool | None:
    """Yes or no to a question about `value`; None when there is nothing to say.

    A date of birth of which only the year or the month is known counts as what is certain.
    """
    if question.test is Check.PRESENT:
        return value not in (None, "", [], {})
    if isinstance(value, list):
        settled = [settle(question, item, given, today) for item in value]
        return any(settled) if any(one is not None for one in settled) else None
    if value is None or isinstance(value, dict):
        return None
    wanted = given if question.asked else question.value
    if question.test in (Check.AGE_AT_LEAST, Check.AGE_UNDER):
        return _of_age(str(value), int(str(wanted)), question.test is Check.AGE_UNDER, today)
    if question.test is Check.ONE_OF:
        return _plain(value) in {_plain(one) for one in (wanted if isinstance(wanted, tuple) else (wanted,))}
    if question.test is Check.EQUALS:
        return _plain(value) == _plain(wanted)
    order = _order(str(value), str(wanted))
    return order >= 0 if question.test is Check.AT_LEAST else order <= 0


def _order(left: str, right: str) -> int:
    """Below, same or above: numbers by their size, dates (RFC 3339) by their text."""
    try:
        return int(Decimal(left).compare(Decimal(right)))
    except (InvalidOperation, ValueError):
        return (left > right) - (left < right)


def _plain(value: Any) -> str:
    return (str(value).lower() if isinstance(value, bool) else str(value)).strip().casefold()


def _of_age(born: str, years: int, under: bool, today: date) -> bool | None:
    found = re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?(?:T.*)?", born)
    if not found:
        return None
    month, day = found[2] or ("01" if under else "12"), found[3] or ("01" if under else "31")
    birthday = f"{int(found[1]) + years:04}-{month}-{day}"  # one day that does not exist is no harm in a comparison
    return today.isoformat() < birthday if under else today.isoformat() >= birthday


def filtered(values: Any, fields: Iterable[str]) -> Any:
    """`values` with only what `fields` name ("birth_date", "name.family"); lists are filtered item by item (law 2).

    A field that names more than there is (a part of a plain value) gives nothing of it.
    """
    if isinstance(values, list):
        return [filtered(item, fields) for item in values]
    if not isinstance(values, dict):
        return None
    wanted: dict[str, list[str]] = {}
    for name in fields:
        head, _, rest = name.partition(".")
        wanted.setdefault(head, []).append(rest)
    return {
        name: values[name] if "" in parts else filtered(values[name], parts)
        for name, parts in wanted.items() if name in values
    }  # fmt: skip


def consent_fields(service: str, fields: Iterable[str]) -> tuple[str, ...]:
    """The fields as consents name them: the service's code, a dot, the field ("person.birth_date")."""
    return tuple(sorted(f"{service}.{name.partition('=')[0]}" for name in fields))
