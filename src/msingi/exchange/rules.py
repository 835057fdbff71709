"""The laws of the exchange as pure functions."""

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from msingi.exchange.errors import BadCall, BasisUnclear, NoRight, NotStanding, OfferUnknown, RightExceedsOffer
from msingi.exchange.model import Call, Offer, Right, RightOrder, Standing
from msingi.kernel.context import BASES, PURPOSES

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # one segment of an X-Road identifier, as we issue them
FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z][A-Za-z0-9_-]*)*")  # "birth_date", "name.family"
CODE = re.compile(r"[a-z][a-z0-9-]{1,62}")  # a service code: also the first part of a consent's field names


class Granted(Struct, frozen=True):
    """A yes: what may leave, on which right, and whether a live consent is still to be found."""

    right: Right
    fields: tuple[str, ...]
    needs_consent: bool
    document: str = ""
    media_type: str = "application/json"


def member_parts(identifier: str, count: int, name: str) -> tuple[str, ...]:
    """The `count` segments of an identifier such as "GOV/MOH/clinics".

    Raises BadCall naming `name` when their number or their characters are wrong.
    """
    parts = tuple(identifier.split("/"))
    if len(parts) != count or not all(IDENTIFIER.fullmatch(part) for part in parts):
        raise BadCall(f"{name} is {count} segments of letters, digits, '_', '.', '-', joined by '/'", field=name)
    return parts


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
    """A service says what it offers, to which purposes, on which legal bases. Raises BadCall naming the field."""
    member_parts(entry.owner, 3, "owner")
    if not CODE.fullmatch(entry.service):
        raise BadCall("a service code is 2 to 63 lower-case letters, digits and hyphens", field="service")
    if not entry.fields or not all(FIELD.fullmatch(name) for name in entry.fields):
        raise BadCall("a service lists its fields", field="fields")
    if not set(entry.purposes) <= PURPOSES or not entry.purposes:
        raise BadCall("a service lists purposes that are known", field="purposes")
    if not set(entry.bases) <= BASES or not entry.bases:
        raise BadCall("a service lists legal bases that are known", field="bases")
    if entry.document and entry.fields != (entry.document,):
        raise BadCall("a service that answers with a document has that one field", field="document")


def check_right(order: RightOrder, service: Offer) -> None:
    """A right gives nothing that its service does not offer (law 6).

    Raises RightExceedsOffer, or BadCall for an endpoint or field that is not written as one.
    """
    for endpoint in order.endpoints:
        if not re.fullmatch(r"(?:\*|[A-Z]+) /[^ ]*", endpoint):
            raise BadCall("an endpoint is a method (or *), a space, and a path", field="endpoints")
    if not order.fields or not order.endpoints or not order.law.strip():
        raise BadCall("a right names its fields, its endpoints and the law it rests on", field="fields")
    if order.purpose not in service.purposes:
        raise RightExceedsOffer("the service is not offered for this purpose", purpose=order.purpose)
    if order.basis not in service.bases:
        raise RightExceedsOffer("the service is not offered on this legal basis", basis=order.basis)
    beyond = [name for name in order.fields if not _within(name, service.fields)]
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


def decide(
    call: Call, institution: Standing | None, key_active: bool, service: Offer | None, right: Right | None,
    now: datetime, by_number: bool,
) -> Granted:  # fmt: skip
    """Whether `call` may be answered, and with which fields (laws 1, 2, 3), on what the database says now.

    `by_number`: the call names its person by identity number.
    Raises NotStanding, OfferUnknown, NoRight.
    """
    if institution is not Standing.ACTIVE or not key_active:
        raise NotStanding("the institution, its subsystem or this key is not active")
    if service is None or not service.active or service.owner != call.owner:
        raise OfferUnknown()
    if right is None or right.service != service.service:
        raise NoRight("the right has ended", purpose=call.purpose)
    right = choose([right], call, now)
    if by_number and not right.by_number:
        raise NoRight("this right does not allow naming people by identity number")
    asked = call.fields or right.fields
    beyond = [name for name in asked if not _within(name, right.fields)]
    if beyond:
        raise NoRight("the right does not give these fields", fields=" ".join(beyond))
    # The service may have been narrowed since the right was granted: what leaves lies within both (law 6).
    fields = tuple(name for name in asked if _within(name, service.fields))
    if not fields or right.purpose not in service.purposes or right.basis not in service.bases:
        raise NoRight("the service no longer offers what the right was granted for", purpose=call.purpose)
    needs_consent = service.needs_consent or right.basis == "consent"
    return Granted(right, fields, needs_consent, service.document, service.media_type)


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
    return tuple(sorted(f"{service}.{name}" for name in fields))
