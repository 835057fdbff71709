"""ISO/IEC 18013-5 mdoc: facts in namespaces, digests in a signed Mobile Security Object.

What others got wrong, and this does not: `issuerAuth` carries no tag, the certificate stands in the unprotected
header, times are tag 0 without fractions, a digest is taken over the tagged bytes, digest numbers are shuffled.
"""

import os
import random
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import cbor2

from msingi.credentials.cose import ALG_ES256, HEADER_ALG, HEADER_X5CHAIN, Signer
from msingi.credentials.forms import jose
from msingi.credentials.forms.model import Draft, Fact

TAG_TDATE, TAG_FULL_DATE, TAG_ENCODED = 0, 1004, 24
RANDOM_BYTES = 32
_PROTECTED = cbor2.dumps({HEADER_ALG: ALG_ES256})
_ROUND = 4  # the number of digests in a namespace is a multiple of this
_shuffle = random.SystemRandom().shuffle


def issue(draft: Draft, signer: Signer, certificate: bytes) -> bytes:
    """`draft` as IssuerSigned, in CBOR (ISO/IEC 18013-5, 8.3.2.1.2.2). `certificate` is the signer's, in DER.

    Facts without an mdoc element are left out. Raises ValueError for a holder's key that is not on P-256.
    """
    spaces: dict[str, list[Fact]] = {}
    for fact in draft.facts:
        if fact.element[0]:
            spaces.setdefault(fact.element[0], []).append(fact)
    names: dict[str, list[cbor2.CBORTag]] = {}
    digests: dict[str, dict[int, bytes]] = {}
    for space, facts in spaces.items():
        names[space], digests[space] = _items(facts, draft.decoys if len(spaces) == 1 else 0)
    starts, ends = tdate(draft.starts), tdate(draft.ends)
    mso: dict[str, Any] = {
        "version": "1.0",
        "digestAlgorithm": "SHA-256",
        "valueDigests": digests,
        "deviceKeyInfo": {"deviceKey": cose_key(draft.holder or {})},
        "docType": draft.doctype,
        "validityInfo": {"signed": starts, "validFrom": starts, "validUntil": ends},
        "status": {"status_list": {"idx": draft.status.index, "uri": draft.status.uri}},
    }
    payload = cbor2.dumps(cbor2.CBORTag(TAG_ENCODED, cbor2.dumps(mso)))
    signature = signer.sign(cbor2.dumps(["Signature1", _PROTECTED, b"", payload]))
    auth = [_PROTECTED, {HEADER_X5CHAIN: certificate}, payload, signature]
    return cbor2.dumps({"nameSpaces": names, "issuerAuth": auth})


def _items(facts: list[Fact], at_least: int) -> tuple[list[cbor2.CBORTag], dict[int, bytes]]:
    """The tagged items of a namespace, and the digests over them, with decoys."""
    count = -(-max(len(facts), at_least) // _ROUND) * _ROUND
    numbers = list(range(count))
    _shuffle(numbers)
    drawn = os.urandom(RANDOM_BYTES * count)
    items, digests = [], {}
    for place, number in enumerate(numbers):
        salt = drawn[place * RANDOM_BYTES : (place + 1) * RANDOM_BYTES]
        if place >= len(facts):
            digests[number] = sha256(salt).digest()
            continue
        fact = facts[place]
        item = cbor2.dumps(
            {
                "digestID": number,
                "random": salt,
                "elementIdentifier": fact.element[1],
                "elementValue": written(fact),
            }
        )
        tagged = cbor2.CBORTag(TAG_ENCODED, item)
        items.append(tagged)
        digests[number] = sha256(cbor2.dumps(tagged)).digest()
    return items, dict(sorted(digests.items()))


def written(fact: Fact) -> Any:
    """A fact's value in CBOR: dates are full-date (tag 1004), pictures bytes."""
    if fact.kind == "date":
        return full_date(fact.value)
    if fact.day_members and isinstance(fact.value, list):
        return [_with_days(member, fact.day_members) for member in fact.value]
    if fact.day_members and isinstance(fact.value, dict):
        return _with_days(fact.value, fact.day_members)
    return fact.value


def _with_days(member: Any, names: tuple[str, ...]) -> Any:
    if not isinstance(member, dict):
        return member
    return {key: full_date(value) if key in names else value for key, value in member.items()}


def full_date(day: str) -> Any:
    """YYYY-MM-DD as full-date (RFC 8943); a date that is known to the year or month only stays text."""
    return cbor2.CBORTag(TAG_FULL_DATE, day) if len(day) == 10 else day


def tdate(at: int) -> cbor2.CBORTag:
    """Seconds since 1970 as tdate, without fractions (ISO/IEC 18013-5, 9.1.2.4)."""
    return cbor2.CBORTag(TAG_TDATE, datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def cose_key(jwk: dict[str, Any]) -> dict[int, Any]:
    """A P-256 public JWK as COSE_Key (RFC 9053, section 7.1.1). Raises ValueError for another kind of key."""
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256"):
        raise ValueError("an mdoc is bound to a key on P-256")
    return {1: 2, -1: 1, -2: jose.unb64(jwk["x"]), -3: jose.unb64(jwk["y"])}
