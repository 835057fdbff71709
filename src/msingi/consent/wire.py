"""Outside shapes of consent: ISO/IEC TS 27560 records and receipts, canonical JSON, and signatures over it."""

import base64
import hashlib
from datetime import datetime
from typing import Any

import msgspec

from msingi.consent.model import Agreement, AgreementOrder, Consent, State
from msingi.countries import Profile
from msingi.kernel.keys import Signer

SCHEMA = "ISO/IEC TS 27560:2023"
_EVENT_STATE = {State.GRANTED: "given", State.WITHDRAWN: "withdrawn", State.EXPIRED: "expired"}


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def canonical(value: Any) -> bytes:
    """Canonical JSON (RFC 8785) of a value without fractions."""
    return msgspec.json.encode(value, order="sorted")


def digest(value: bytes) -> str:
    """SHA-256 in hex: how revisions name one another."""
    return hashlib.sha256(value).hexdigest()


def b64(raw: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jws(payload: bytes, signer: Signer) -> str:
    """The compact JWS over `payload` by an Ed25519 key (RFC 7515 section 3.1, RFC 8037 section 3.1)."""
    header = canonical({"alg": "EdDSA", "kid": signer.kid, "typ": "JOSE"})
    signed = f"{b64(header)}.{b64(payload)}"
    return f"{signed}.{b64(signer.sign(signed.encode()))}"


def payload(token: str) -> dict[str, Any]:
    """What a compact JWS of ours is over; its signature is not checked here."""
    part = token.split(".")[1]
    return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def state_of(receipt: dict[str, Any]) -> State:
    """The state that a receipt tells: that of its last event."""
    said = receipt["events"][-1]["event_state"]
    return next(state for state, text in _EVENT_STATE.items() if text == said)


def agreement_snapshot(
    order: AgreementOrder, version: int, published_at: datetime, retired: bool, predecessor_hash: str
) -> bytes:
    """What the hash and the signature of one revision of an agreement are over (law 4)."""
    return canonical(
        {
            "agreement": order,
            "version": version,
            "published_at": instant(published_at),
            "retired": retired,
            "predecessor_hash": predecessor_hash,
        }
    )


def _events(consent: Consent) -> list[dict[str, Any]]:
    """Event section: given, then how it ended; `entity_id` is the party that acted."""
    term_days = (consent.expires_at - consent.granted_at).days
    given = {
        "event_time": instant(consent.granted_at),
        "validity_duration": f"P{term_days}D",
        "entity_id": "pii_principal",
        "event_type": "explicit",
        "event_state": "given",
    }
    if consent.ended_at is None:
        return [given]
    ended = given | {
        "event_time": instant(consent.ended_at),
        "validity_duration": "P0D",
        "entity_id": "pii_principal" if consent.state is State.WITHDRAWN else "record_keeper",
        "event_state": _EVENT_STATE[consent.state],
    }
    return [given, ended]


def receipt(
    consent: Consent, agreement: Agreement, principal: str, predecessor_hash: str, profile: Profile, base_url: str
) -> dict[str, Any]:
    """The consent record, which is also the receipt, of one revision (ISO/IEC TS 27560:2023, clauses 6 and 7).

    `principal` is the controller's own pseudonym of the person, so that a receipt names them to nobody else.
    """
    order = agreement.order
    text = order.texts[consent.language]
    notice = f"{base_url}/v1/consent/agreements/{order.agreement}/versions/{agreement.version}"
    purpose = {
        "purpose": text.purpose,
        "purpose_type": consent.purpose,
        "lawful_basis": order.basis,
        "pii_information": [
            {"pii_type": text.fields.get(name, name), "pii_attribute_id": name} for name in consent.fields
        ],
        "pii_controllers": [consent.institution],
        "collection_method": "through the exchange, one signed request at a time",
        "storage_locations": list(order.storage) or [profile.alpha2],
        "retention_period": f"P{order.keep_days}D",
        "jurisdiction": profile.alpha2,
        "recipient_third_parties": list(order.recipients),
        "withdrawal_method": f"{base_url}/v1/consent/consents/{consent.consent_id}/withdrawal",
        "codes_of_conduct": order.law,
        "impact_assessment": order.impact_assessment or "none stated",
    }
    controller = {
        "party_id": consent.institution,
        "party_name": profile.say(order.controller.name, consent.language),
        "party_address": order.controller.address,
        "party_contact": order.controller.contact,
        "party_type": "pii_controller",
    }
    return {
        "schema_version": SCHEMA,
        "record_id": str(consent.consent_id),
        "receipt_id": f"{consent.consent_id}.{consent.revision}",
        "pii_principal_id": principal,
        "pii_processing": {
            "privacy_notice": order.policy_url or notice,
            "language": consent.language,
            "purposes": [purpose],
        },
        "party_identification": [controller],
        "events": _events(consent),
        "revision": {
            "number": consent.revision,
            "predecessor_hash": predecessor_hash,
            "agreement": notice,
            "agreement_hash": consent.agreement_hash,
        },
    }
