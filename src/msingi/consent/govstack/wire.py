"""GovStack's shapes: DataAgreement, Policy, ConsentRecord, Revision, Signature, Individual (API 1.1.0-rc1)."""

from typing import Any

from msingi.consent import wire
from msingi.consent.model import Agreement, Consent, Receipt, State
from msingi.countries import Profile

STATES = {State.GRANTED: "signed", State.WITHDRAWN: "unsigned", State.EXPIRED: "unsigned"}


def policy(agreement: Agreement, name: str, profile: Profile, base_url: str) -> dict[str, Any]:
    """The Policy that governs an agreement; `name` is how the caller named the agreement."""
    order = agreement.order
    notice = f"{base_url}/v1/consent/agreements/{order.agreement}/versions/{agreement.version}"
    return {
        "id": name,
        "name": profile.say(order.controller.name),
        "version": str(agreement.version),
        "url": order.policy_url or notice,
        "jurisdiction": profile.alpha2,
        "industrySector": order.purpose,
        "dataRetentionPeriodDays": order.keep_days,
        "storageLocation": ", ".join(order.storage) or profile.alpha2,
    }


def offered(agreement: Agreement, name: str, profile: Profile, base_url: str) -> dict[str, Any]:
    """The DataAgreement, with its attributes, controller and policy."""
    order = agreement.order
    text = order.texts[profile.language]
    return {
        "id": name,
        "version": str(agreement.version),
        "controller": {
            "id": order.institution,
            "name": profile.say(order.controller.name),
            "url": base_url,
        },
        "policy": policy(agreement, name, profile, base_url),
        "purpose": text.purpose,
        "purposeDescription": text.explanation,
        "lawfulBasis": order.basis.replace("-", "_"),
        "dataUse": "data_using_service",
        "dpia": order.impact_assessment or f"{base_url}/v1/governance/assessment",
        "active": not agreement.retired,
        "forgettable": False,
        "dataAttributes": [
            {"id": field, "name": text.fields.get(field, field), "sensitivity": order.purpose == "health-care"}
            for field in order.fields
        ],
        "signature": signature(
            agreement.signature, agreement.kid, agreement.hash, wire.instant(agreement.published_at)
        ),
    }


def signature(jws: str, kid: str, digest: str, at: str) -> dict[str, Any]:
    """A Signature: the JWS carries the payload; the key is published at /v1/consent/keys."""
    return {
        "id": digest[:32],
        "payload": jws.split(".")[1],
        "signature": jws.split(".")[2],
        "verificationMethod": "JWS EdDSA (RFC 7515, RFC 8037)",
        "verificationPayload": jws,
        "verificationPayloadHash": digest,
        "verificationSignedBy": kid,
        "timestamp": at,
    }


def agreement_revision(agreement: Agreement, name: str) -> dict[str, Any]:
    """The Revision of one version of an agreement, chained to the one before."""
    snapshot = wire.agreement_snapshot(
        agreement.order, agreement.version, agreement.published_at, agreement.retired, agreement.predecessor_hash
    )
    return {
        "id": f"{agreement.order.agreement}.{agreement.version}",
        "schemaName": "dataAgreement",
        "objectId": name,
        "serializedSnapshot": snapshot.decode(),
        "serializedHash": agreement.hash,
        "timestamp": wire.instant(agreement.published_at),
        "predecessorHash": agreement.predecessor_hash,
        "predecessorSignature": "",
    }


def consent_record(consent: Consent, receipt: Receipt | None, individual: str) -> dict[str, Any]:
    """The ConsentRecord; `optIn` says whether it allows something now."""
    record = {
        "id": str(consent.consent_id),
        "dataAgreement": consent.agreement,
        "dataAgreementRevision": f"{consent.agreement}.{consent.agreement_version}",
        "dataAgreementRevisionHash": consent.agreement_hash,
        "individual": individual,
        "optIn": consent.state is State.GRANTED,
        "state": STATES[consent.state],
    }
    if receipt is not None:
        at = receipt.receipt["events"][-1]["event_time"]
        record["signature"] = signature(receipt.jws, receipt.kid, receipt.hash, at)
    return record


def record_revision(receipt: Receipt) -> dict[str, Any]:
    """The Revision of one state of a consent."""
    return {
        "id": receipt.receipt["receipt_id"],
        "schemaName": "consentRecord",
        "objectId": str(receipt.consent_id),
        "serializedSnapshot": wire.canonical(receipt.receipt).decode(),
        "serializedHash": receipt.hash,
        "timestamp": receipt.receipt["events"][-1]["event_time"],
        "predecessorHash": receipt.predecessor_hash,
        "predecessorSignature": "",
    }
