"""Letters: a participant's message passed on byte for byte, and messages of the hub's own, signed with its key."""

from datetime import datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

import msgspec

from msingi.kernel import clock
from msingi.kernel.ids import uuid7
from msingi.payments.switch import iso, rules, wire
from msingi.payments.switch.model import Letter, Message
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


def own(
    roll: Roll, to: str, method: str, path: str, body: msgspec.Struct | dict, version: str = "1.1", source: str = HUB,
    until: datetime | None = None,
) -> Letter:  # fmt: skip
    """A message of the hub's own (or of our own bank), signed by it; `version` is that of the resource."""
    now = clock.now()
    resource = path.split("/")[1]
    date = format_datetime(now, usegmt=True)
    flavour = "iso20022." if version.startswith("2") else ""
    # Sorted, because Mojaloop's own validator serialises a body anew, sorted, before it checks the signature.
    raw = msgspec.json.encode(iso.told(body, rules.told(now), uuid7().hex) if flavour else body, order="sorted")
    headers = {
        "Content-Type": f"application/vnd.interoperability.{flavour}{resource}+json;version={version}",
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
