"""The laws of membership as pure functions."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from msingi.exchange import rules as exchange
from msingi.exchange.errors import BadOrder
from msingi.exchange.membership.errors import (
    AddressNotNamed,
    AlreadyDecided,
    DescriptionWrong,
    ReasonMissing,
    SecondEyes,
)
from msingi.exchange.membership.model import Application, ApplyOrder, AskRight, OfferOrder, RightAsked, State
from msingi.exchange.model import Offer, RightOrder, ServiceCode

MOST_TEXT, MOST_DAYS = 400, 3650
MEMBER_CODE = re.compile(r"[a-z0-9][a-z0-9-]{1,40}")
MEMBER_CLASS = re.compile(r"[A-Z]{2,8}")
RESERVED = frozenset(("api", "pub", "pull", "rights"))  # words of paths: publish/subscribe, and asking for a right


def checked(order: ApplyOrder) -> str:
    """The subsystem identifier that an application asks for. Raises BadOrder naming the field."""
    if not MEMBER_CODE.fullmatch(order.institution):
        raise BadOrder("2 to 41 lower-case letters, digits and hyphens", field="institution")
    if not MEMBER_CLASS.fullmatch(order.member_class):
        raise BadOrder("2 to 8 capital letters, such as GOV, COM or NGO", field="member_class")
    if not exchange.IDENTIFIER.fullmatch(order.subsystem):
        raise BadOrder("letters, digits, '_', '.' and '-'", field="subsystem")
    names = [text for text in order.name.values() if text.strip()]
    if not names or len(names) != len(order.name) or any(len(text) > 200 for text in names):
        raise BadOrder("the institution's name by language, at most 200 characters each", field="name")
    if not 5 <= len(order.contact.strip()) <= MOST_TEXT:
        raise BadOrder("how the authority reaches the institution: an e-mail address or a telephone", field="contact")
    if len(order.law) > MOST_TEXT:
        raise BadOrder(f"at most {MOST_TEXT} characters", field="law")
    return f"{order.member_class}/{order.institution}/{order.subsystem}"


def reason(text: str) -> str:
    """A reason, as it will be shown. Raises ReasonMissing."""
    told = " ".join(text.split())
    if not 3 <= len(told) <= MOST_TEXT:
        raise ReasonMissing(f"3 to {MOST_TEXT} characters")
    return told


def decided(waiting: Application, state: State, because: str, at: datetime) -> Application:
    """The application after its one decision (law 2). Raises AlreadyDecided."""
    if waiting.state is not State.WAITING:
        raise AlreadyDecided(state=waiting.state.value)
    return replace(waiting, state=state, because=because, decided_at=at)


def reinstatable(suspended_by: str, by: str) -> None:
    """Another person than the one who suspended reinstates (law 3). Raises SecondEyes."""
    if suspended_by and suspended_by == by:
        raise SecondEyes("who suspended an institution does not reinstate it")


def address_named(url: str, hosts: Iterable[str]) -> None:
    """A service answers at an address whose host the operator named (law 6). Raises AddressNotNamed."""
    host = urlsplit(url).netloc.lower()
    if url and ("@" in host or host not in {named.strip().lower() for named in hosts if named.strip()}):
        raise AddressNotNamed("the operator has not named this host", field="url")


def check_ask(order: AskRight, offer: Offer) -> None:
    """A request asks for nothing that the service does not offer. Raises BadOrder, RightExceedsOffer."""
    reason(order.reason)
    if not 1 <= order.days <= MOST_DAYS:
        raise BadOrder(f"1 to {MOST_DAYS}", field="days")
    exchange.check_right(right_of(order), offer)


def right_of(order: AskRight, until: datetime | None = None) -> RightOrder:
    """The right that a request asks for."""
    return RightOrder(
        order.client, ServiceCode(order.service), order.purpose, order.basis, order.law, order.fields, order.endpoints,
        order.by_number, until,
    )  # fmt: skip


def answered(
    asked: RightAsked, yes: bool, because: str, by: str, at: datetime, fields: tuple[str, ...] = ()
) -> RightAsked:
    """The request after its decision: granted for the days and at most the fields that were asked (laws 3, 5).

    Raises AlreadyDecided, SecondEyes, BadOrder.
    """
    if asked.state is not State.WAITING:
        raise AlreadyDecided(state=asked.state.value)
    if asked.asked_by == by:
        raise SecondEyes("who asked for a right does not grant it")
    beyond = set(fields) - set(asked.order.fields)
    if beyond:
        raise BadOrder("never more than was asked for: " + " ".join(sorted(beyond)), field="fields")
    order = replace(asked.order, fields=fields) if fields else asked.order
    until = at + timedelta(days=order.days) if yes else None
    state = State.APPROVED if yes else State.DECLINED
    return replace(
        asked, order=order, state=state, because=because, decided_by=by, decided_at=at, until=until
    )  # fmt: skip


def offer_of(order: OfferOrder, description: Any) -> Offer:
    """The service that a parsed OpenAPI document describes. Raises DescriptionWrong naming the place, BadOrder.

    The fields are those of `order`, or else the properties of the first successful JSON answer.
    """
    if not isinstance(description, dict):
        raise DescriptionWrong("the document is an object", field="", rule="object")
    version = str(description.get("openapi", ""))
    if not re.fullmatch(r"3\.[01](\.\d+)?", version):
        raise DescriptionWrong("OpenAPI 3.0 or 3.1 is understood", field="openapi", rule="3.0 or 3.1")
    about = description.get("info")
    if not isinstance(about, dict) or not str(about.get("title", "")).strip() or not about.get("version"):
        raise DescriptionWrong("info has a title and a version", field="info", rule="title, version")
    paths = description.get("paths")
    if not isinstance(paths, dict) or not paths or not all(str(p).startswith("/") for p in paths):
        raise DescriptionWrong("at least one path, each begins with a slash", field="paths", rule="/...")
    if order.service in RESERVED:
        raise BadOrder("this word is reserved", field="service")
    fields = order.fields or tuple(_answered_fields(description, paths))
    if not fields:
        raise DescriptionWrong(
            "name the fields: no answer 2xx with application/json lists properties", field="paths", rule="properties"
        )
    if order.url and not re.fullmatch(r"https?://[^\s?#]+", order.url):
        raise BadOrder("an http or https address without query", field="url")
    if order.level:
        description = description | {"x-service-level": order.level[:MOST_TEXT]}
    made = Offer(
        ServiceCode(order.service), order.owner, {"en": str(about["title"])[:200]} | _titles(about), fields,
        order.purposes, order.bases, order.needs_consent or ("consent" in order.bases and len(order.bases) == 1),
        order.about_person, description, str(description.get("x-document", "")), url=order.url.rstrip("/"),
        questions=exchange.questions_of(description),
    )  # fmt: skip
    exchange.check_offer(made)
    return made


def _titles(about: dict[str, Any]) -> dict[str, str]:
    """Titles in further languages: `info.x-title` by language code."""
    told = about.get("x-title", {})
    if not isinstance(told, dict):
        raise DescriptionWrong("titles by language code", field="info.x-title", rule="object")
    return {str(code): str(text)[:200] for code, text in told.items()}


def _answered_fields(description: dict[str, Any], paths: dict[str, Any]) -> Iterable[str]:
    found: dict[str, None] = {}
    for path, item in paths.items():
        if not isinstance(item, dict):
            raise DescriptionWrong("a path holds its methods", field=f"paths.{path}", rule="object")
        for method, operation in item.items():
            if method not in ("get", "post", "put", "patch", "delete"):
                continue
            for status, answer in (operation.get("responses", {}) if isinstance(operation, dict) else {}).items():
                if str(status).startswith("2") and isinstance(answer, dict):
                    where = f"paths.{path}.{method}.responses.{status}"
                    media = _resolved(description, answer, where).get("content", {})
                    schema = media.get("application/json", {}).get("schema") if isinstance(media, dict) else None
                    if isinstance(schema, dict):
                        found |= dict.fromkeys(_properties(description, schema, where, 0))
    return [name for name in found if exchange.FIELD.fullmatch(name)]


def _properties(description: dict[str, Any], schema: dict[str, Any], where: str, depth: int) -> Iterable[str]:
    schema = _resolved(description, schema, where)
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict) and depth < 4:
        return list(_properties(description, schema["items"], where, depth + 1))
    parts = [p for p in schema.get("allOf", []) if isinstance(p, dict)] if depth < 4 else []
    names = list(schema.get("properties", {}))
    for part in parts:
        names += _properties(description, part, where, depth + 1)
    return names


def _resolved(description: dict[str, Any], value: dict[str, Any], where: str, depth: int = 0) -> dict[str, Any]:
    """What a `$ref` within the document refers to. Raises DescriptionWrong for one that leads nowhere or outside."""
    target = value.get("$ref")
    if target is None:
        return value
    if not isinstance(target, str) or not target.startswith("#/") or depth > 8:
        raise DescriptionWrong("references stay within the document", field=where, rule="$ref: #/...")
    found: Any = description
    for part in target[2:].split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise DescriptionWrong(f"{target[:80]} leads nowhere", field=where, rule="$ref")
    return _resolved(description, found, where, depth + 1)
