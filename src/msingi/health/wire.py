"""Outside shapes: FHIR JSON in and out, bodies as they are kept, OperationOutcome, bundles, CapabilityStatement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import zstandard

from msingi.health import extraction, structure
from msingi.health.errors import HealthRefusal, NotFhir
from msingi.health.model import REGISTRIES, Issue, Json, Outcome, Page, Stored
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.web import Ending

FHIR_JSON = "application/fhir+json"
BODY_FORMAT = 1
_LARGEST_BODY = 64 * 1024 * 1024
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def decode(raw: bytes) -> Any:
    """FHIR JSON with exact decimals (law 7). Raises NotFhir if it is not JSON."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError, ArithmeticError):
        raise NotFhir([Issue(code="structure", rule="must be JSON in UTF-8")]) from None


def encode(body: Any) -> bytes:
    """FHIR JSON; decimals with the digits that they came with (law 7)."""
    return _encoder.encode(body)


@cache
def _codec() -> tuple[zstandard.ZstdCompressor, zstandard.ZstdDecompressor]:
    raw = files("msingi.health").joinpath(f"definitions/bodies-{BODY_FORMAT}.zdict").read_bytes()
    trained = zstandard.ZstdCompressionDict(raw)
    return (
        zstandard.ZstdCompressor(level=3, dict_data=trained, write_content_size=True, write_dict_id=False),
        zstandard.ZstdDecompressor(dict_data=trained),
    )


def pack(body: Json) -> bytes:
    """A body as it is kept: one byte that names the format and dictionary, then zstd."""
    return bytes([BODY_FORMAT]) + _codec()[0].compress(encode(body))


def unpack(raw: bytes) -> Json:
    """What `pack` made. Raises ValueError for a format that this version does not know."""
    if raw[:1] != bytes([BODY_FORMAT]):
        raise ValueError("the body has a format that this version does not know")
    return _decoder.decode(_codec()[1].decompress(raw[1:], max_output_size=_LARGEST_BODY))


def instant(moment: datetime) -> str:
    """A FHIR instant in UTC to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_BY_STATUS = {
    400: "value",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    410: "deleted",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "processing",
    429: "throttled",
    503: "transient",
}


def outcome(ending: Ending, request_id: str) -> tuple[Json, str]:
    """The dialect of the FHIR doors: a refusal or outage as OperationOutcome (FHIR R4 3.1.0.4), never personal data."""
    if isinstance(ending, Outage):
        issues = [_issue("transient", "The record cannot be reached now.", "Repeat the request later.")]
    elif isinstance(ending, NotFhir):
        issues = [_issue(i.code, ending.title, i.rule, i.expression) for i in ending.issues]
    else:
        issues = [_refusal(ending)]
    body: Json = {"resourceType": "OperationOutcome"}
    if request_id:
        body["id"] = "".join(c for c in request_id if c.isascii() and (c.isalnum() or c in "-."))[:64] or "none"
    body["issue"] = issues
    return body, FHIR_JSON


def _refusal(ending: Refusal) -> Json:
    code = ending.issue if isinstance(ending, HealthRefusal) else _BY_STATUS.get(ending.status, "processing")
    expression = str(ending.facts.get("field", ""))
    facts = " ".join(f"{name}={value}" for name, value in ending.facts.items() if name != "field")
    said = " ".join(part for part in (ending.detail, ending.remedy, f"({facts})" if facts else "") if part)
    return _issue(code, ending.title, said, expression)


def _issue(code: str, title: str, said: str, expression: str = "") -> Json:
    issue: Json = {"severity": "error", "code": code, "details": {"text": title}, "diagnostics": said}
    if expression:
        issue["expression"] = [expression]
    return issue


def resource_entry(stored: Stored, base: str, mode: str) -> Json:
    """One entry of a searchset: the resource under its own address."""
    return {"fullUrl": f"{base}/{stored.rtype}/{stored.id}", "resource": stored.body, "search": {"mode": mode}}


def searchset(page: Page, base: str, self_link: str, next_link: str) -> Json:
    """A page of results (FHIR R4 3.1.1.3); `total` is left out, because it is never counted."""
    links = [{"relation": "self", "url": self_link}]
    if next_link:
        links.append({"relation": "next", "url": next_link})
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "link": links}
    entries = [resource_entry(one, base, "match") for one in page.matches]
    entries += [resource_entry(one, base, "include") for one in page.included]
    return bundle | ({"entry": entries} if entries else {})


def history(versions: Sequence[Stored], base: str, self_link: str) -> Json:
    """All versions of one resource, newest first (FHIR R4 3.1.0.11)."""
    entries = []
    for one in versions:
        first = one.version == 1
        request = {"method": "POST" if first else "PUT", "url": one.rtype if first else f"{one.rtype}/{one.id}"}
        response = {"status": "201" if first else "200", "etag": one.etag, "lastModified": instant(one.updated)}
        entry = {"fullUrl": f"{base}/{one.rtype}/{one.id}", "resource": one.body}
        entries.append(entry | {"request": request, "response": response})
    links = [{"relation": "self", "url": self_link}]
    return {"resourceType": "Bundle", "type": "history", "total": len(entries), "link": links, "entry": entries}


def transaction_response(outcomes: Sequence[Outcome]) -> Json:
    """The answer to a transaction: one entry per request, in its order, without bodies (FHIR R4 3.1.0.10.2)."""
    entries = [
        {
            "response": {
                "status": f"{one.status} {'Created' if one.status == 201 else 'OK'}",
                "location": one.stored.location,
                "etag": one.stored.etag,
                "lastModified": instant(one.stored.updated),
            }
        }
        for one in outcomes
    ]
    bundle: Json = {"resourceType": "Bundle", "type": "transaction-response"}
    return bundle | ({"entry": entries} if entries else {})


def capability_statement(base: str, at: datetime, software: str) -> Json:
    """What these doors offer, generated from the registered types and compiled parameters (FHIR R4 3.1.0.12)."""
    common = [
        {"name": "_id", "type": "token"},
        {"name": "_lastUpdated", "type": "date"},
    ]
    resources = []
    for rtype in sorted(extraction.stored_types()):
        parameters = [{"name": p.name, "type": p.kind} for p in sorted(extraction.parameters(rtype).values())]
        entry: Json = {
            "type": rtype,
            "profile": f"http://hl7.org/fhir/StructureDefinition/{rtype}",
            "interaction": [
                {"code": c} for c in ("read", "vread", "update", "history-instance", "create", "search-type")
            ],
            "versioning": "versioned-update",
            "readHistory": True,
            "updateCreate": False,
            "conditionalCreate": True,
            "conditionalRead": "not-supported",
            "conditionalUpdate": False,
            "conditionalDelete": "not-supported",
            "referencePolicy": ["literal", "local"],
            "searchParam": common + parameters,
        }
        if rtype not in REGISTRIES:
            entry["documentation"] = "Kept in the record of the person that it concerns, under that person's key."
        if rtype == "Patient":
            entry["operation"] = [
                {"name": "everything", "definition": "http://hl7.org/fhir/OperationDefinition/Patient-everything"},
                {"name": "summary", "definition": "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"},
            ]
        resources.append(entry)
    security = {
        "cors": False,
        "description": "Sign in; the country's policy and the person's consent decide each act, and each is logged.",
    }
    server = {
        "mode": "server",
        "documentation": "Unknown search parameters are refused with 400, whatever Prefer: handling says.",
        "security": security,
        "resource": resources,
        "interaction": [{"code": "transaction"}, {"code": "batch"}],
    }
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(at),
        "kind": "instance",
        "software": {"name": "Msingi", "version": software},
        "implementation": {"description": "Health record", "url": base},
        "fhirVersion": structure.definitions()["fhir"],
        "format": ["json", FHIR_JSON],
        "rest": [server],
    }
