"""W3C Verifiable Credentials Data Model 2.0, secured as a JWT (VC-JOSE-COSE): the document itself is the payload."""

import gzip
from datetime import UTC, datetime
from typing import Any

import msgspec

from msingi.credentials.cose import Signer
from msingi.credentials.forms import jose, sdjwt
from msingi.credentials.forms.model import Draft

TYP = "vc+jwt"
MEDIA = "application/vc+jwt"
CONTEXT = ("https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/undefined-terms/v2")


def issue(draft: Draft, signer: Signer, header: str) -> str:
    """`draft` as a VC in compact form. `header` is what `jose.header(signer, TYP, x5c, cty="vc")` gave.

    It hides nothing: it is for what is meant to be read whole, such as a certificate that one files. The status
    stands as JWT claim `status`, in the same list as every other form's, and as `credentialStatus` of W3C's kind.
    """
    subject: dict[str, Any] = {}
    for fact in draft.facts:
        place = subject
        for name in fact.path[:-1]:
            place = place.setdefault(name, {})
        place[fact.path[-1]] = sdjwt.written(fact)
    document: dict[str, Any] = {
        "@context": CONTEXT,
        "type": ["VerifiableCredential", *draft.types],
        "issuer": {"id": draft.issuer, "name": draft.issuer_name},
        "validFrom": instant(draft.starts),
        "validUntil": instant(draft.ends),
        "credentialSubject": subject,
        "credentialStatus": [bitstring_entry(draft, purpose) for purpose in ("revocation", "suspension")],
        "iss": draft.issuer,
        "nbf": draft.starts,
        "exp": draft.ends,
        "status": {"status_list": {"idx": draft.status.index, "uri": draft.status.uri}},
    }
    if draft.holder:
        document["cnf"] = {"jwk": jose.bare_key(draft.holder)}
    return jose.compact(header, msgspec.json.encode(document), signer)


def status_list(
    url: str, issuer: str, purpose: str, bits: bytes, issued_at: int, life_s: int, signer: Signer, header: str
) -> str:
    """A signed BitstringStatusListCredential (Bitstring Status List 1.0, sections 2.2 and 3.2).

    `bits` has one bit for each entry, the first entry leftmost.
    """
    starts, ends = instant(issued_at), instant(issued_at + life_s)
    document = {
        "@context": CONTEXT[:1],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": starts,
        "validUntil": ends,
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": "u" + jose.b64(gzip.compress(bits, 9, mtime=0)),
            "ttl": 3_600_000,
        },
    }
    return jose.compact(header, msgspec.json.encode(document), signer)


def bitstring_entry(draft: Draft, purpose: str) -> dict[str, str]:
    """The credential's entry in the list of one purpose (W3C Bitstring Status List 1.0, section 2.1)."""
    return {
        "type": "BitstringStatusListEntry",
        "statusPurpose": purpose,
        "statusListIndex": str(draft.status.index),
        "statusListCredential": f"{draft.status.uri}/{purpose}",
    }


def instant(at: int) -> str:
    """Seconds since 1970 as an XML Schema dateTimeStamp."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
