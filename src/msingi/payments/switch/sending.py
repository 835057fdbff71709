"""Letters: a participant's message passed on byte for byte or translated, and messages of the hub's own."""

from datetime import datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

import msgspec

from msingi.kernel import clock
from msingi.kernel.ids import uuid7
from msingi.payments.switch import errors, iso, rules, translating, wire
from msingi.payments.switch.model import Letter, Message, Speaks
from msingi.payments.switch.roll import HUB, Roll
from msingi.payments.switch.wire import ErrorBody

SOON = timedelta(minutes=5)  # a request that nobody took by then is asked again by its sender
SURELY = timedelta(days=2)  # how money moved is told for as long as this
PASSED_ON = {
    "content-type": "Content-Type",
    "accept": "Accept",
    "date": "Date",
    "fspiop-source": "FSPIOP-Source",
    "fspiop-signature": "FSPIOP-Signature",
    "fspiop-uri": "FSPIOP-URI",
    "fspiop-http-method": "FSPIOP-HTTP-Method",
    "fspiop-encryption": "FSPIOP-Encryption",
    "tracestate": "tracestate",
    "traceparent": "traceparent",
    "baggage": "baggage",
}


def forward(message: Message, to: str, until: datetime) -> Letter:
    """A message as it came, for another participant: the signature of its sender stays valid."""
    headers = {name: message.headers[low] for low, name in PASSED_ON.items() if low in message.headers}
    if message.destination or message.method == "GET" or "fspiop-signature" not in message.headers:
        headers["FSPIOP-Destination"] = to  # a signed message that names none keeps its signature only without it
    return Letter(uuid7(), to, message.method, message.path, headers, message.body, until)


def passed(roll: Roll, message: Message, to: str, until: datetime, id_: str = "") -> Letter:
    """A message for another participant: as it came, or translated into the flavour that it speaks.

    What is translated is signed by the hub, for its sender cannot have signed it; `id_` is the id that the request had.
    Raises BadSyntax for what has no other flavour, MissingElement.
    """
    came = Speaks.ISO20022 if "iso20022" in message.headers.get("content-type", "") else Speaks.FSPIOP
    known = roll.fsps.get(to)
    where = urlsplit(message.path)
    pieces = where.path.split("/")
    resource, failed, body = pieces[1], pieces[-1] == "error", message.body
    if known is None or known.speaks in (Speaks.ANY, came) or resource in (*rules.CONVERSION, rules.RECALLS):
        return forward(message, to, until)
    if resource not in translating.RESOURCES:
        raise errors.BadSyntax("This resource has one flavour only.", field="Content-Type", rule="fspiop")
    iso20022, now = known.speaks is Speaks.ISO20022, clock.now()
    if resource != "parties" and len(pieces) > 2:
        pieces[2] = translating.ulid_of(id_ or pieces[2]) if iso20022 else id_ or pieces[2]
    path = "/".join(pieces)
    if body and message.method != "GET":
        members, both = iso.members(body), (message.source, to)
        if iso20022:
            named = members.get("quoteId") or members.get("transferId") or id_ or pieces[2]
            more = str(named), rules.told(now), uuid7().hex
            members = translating.to_iso(resource, message.method, failed, members, both, *more)
        else:
            members = translating.from_iso(resource, message.method, failed, members)
        body = msgspec.json.encode(members, order="sorted")
    media = _media(resource, "2.0" if iso20022 else "1.1")
    headers = {"Content-Type": media, "Date": format_datetime(now, usegmt=True), "FSPIOP-Source": message.source}
    headers["FSPIOP-Destination"] = to
    if message.method in ("GET", "POST"):
        headers["Accept"] = media
    signed = roll.signed(message.method, path, message.source, to, headers["Date"], body, by=HUB)
    path += f"?{where.query}" if where.query else ""
    return Letter(uuid7(), to, message.method, path, headers | signed, body, until)


def _media(resource: str, version: str) -> str:
    flavour = "iso20022." if version.startswith("2") and resource not in rules.CONVERSION else ""
    return f"application/vnd.interoperability.{flavour}{resource}+json;version={version}"


def own(
    roll: Roll, to: str, method: str, path: str, body: msgspec.Struct | dict, version: str = "1.1", source: str = HUB,
    until: datetime | None = None,
) -> Letter:  # fmt: skip
    """A message of the hub's own, in the flavour that the participant speaks (or of our own bank), signed by it;
    `version` is that of the resource."""
    now, resource = clock.now(), path.split("/")[1]
    date, known = format_datetime(now, usegmt=True), roll.fsps.get(to)
    if source == HUB and known is not None and known.speaks is not Speaks.ANY:
        version = "2.0" if known.speaks is Speaks.ISO20022 else "1.1"
    told: msgspec.Struct | dict = body
    if version.startswith("2") and resource in translating.RESOURCES:
        pieces = path.split("/")
        failed = pieces[-1] == "error"
        more = pieces[2], rules.told(now), uuid7().hex
        told = translating.to_iso(resource, method, failed, msgspec.to_builtins(body), (source, to), *more)
        if resource != "parties":
            pieces[2] = translating.ulid_of(pieces[2])
        path = "/".join(pieces)
    elif resource in (*rules.CONVERSION, rules.RECALLS):
        version = "2.0"
    elif version.startswith("2"):
        version = "1.1"
    # Sorted, because Mojaloop's own validator serialises a body anew, sorted, before it checks the signature.
    raw = msgspec.json.encode(told, order="sorted")
    headers = {
        "Content-Type": _media(resource, version),
        "Date": date,
        "FSPIOP-Source": source,
        "FSPIOP-Destination": to,
    }
    signed = roll.signed(method, urlsplit(path).path, source, to, date, raw)
    return Letter(uuid7(), to, method, path, headers | signed, raw, until or now + SOON)


def error(roll: Roll, to: str, path: str, body: ErrorBody, version: str = "1.1", surely: bool = False) -> Letter:
    """PUT .../error of the hub to a participant; `path` is that of what failed."""
    until = clock.now() + (SURELY if surely else SOON)
    return own(roll, to, "PUT", urlsplit(path).path.rstrip("/") + "/error", body, version, until=until)


def failed(code: str, words: str) -> ErrorBody:
    """The body of an error."""
    return ErrorBody(wire.ErrorDetail(code, words))
