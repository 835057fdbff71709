"""A consent in other countries' and other standards' forms, made from its ISO/IEC TS 27560 receipt and agreement.

Kantara Consent Receipt 1.1 (fields of section 4) and the consent artefact of India's Account Aggregator framework
(ReBIT, ConsentDetail), which carries the same facts under other names. Nothing in them says more than the receipt.
"""

from datetime import datetime
from typing import Any

from msingi.consent import wire
from msingi.consent.model import Agreement, Receipt, State
from msingi.countries import Profile
from msingi.kernel.keys import Signer

_STATUS = {State.GRANTED: "ACTIVE", State.WITHDRAWN: "REVOKED", State.EXPIRED: "EXPIRED"}
AA_VERSION = "2.0.0"
# Purpose codes of the Account Aggregator code list are for finance alone; 199 is free for others, with the text saying.
OTHER_PURPOSE = "199"


def _seconds(rfc3339: str) -> int:
    return int(datetime.fromisoformat(rfc3339).timestamp())


def kantara(receipt: Receipt, agreement: Agreement, profile: Profile) -> dict[str, Any]:
    """The Kantara Consent Receipt (KI-CR-v1.1.0) of one state of a consent."""
    body, order = receipt.receipt, agreement.order
    purpose = body["pii_processing"]["purposes"][0]
    language = body["pii_processing"]["language"]
    controller = body["party_identification"][0]
    last = body["events"][-1]
    return {
        "version": "KI-CR-v1.1.0",
        "jurisdiction": profile.alpha2,
        "consentTimestamp": _seconds(last["event_time"]),
        "collectionMethod": purpose["collection_method"],
        "consentReceiptID": body["receipt_id"],
        "publicKey": receipt.kid,
        "language": language,
        "piiPrincipalId": body["pii_principal_id"],
        "piiControllers": [
            {
                "piiController": controller["party_name"],
                "contact": controller["party_contact"],
                "address": {"streetAddress": controller["party_address"], "addressCountry": profile.alpha2},
                "email": controller["party_contact"],
                "phone": "",
                "onBehalf": False,
            }
        ],
        "policyUrl": body["pii_processing"]["privacy_notice"],
        "services": [
            {
                "service": order.texts[language].title,
                "purposes": [
                    {
                        "purpose": purpose["purpose"],
                        "purposeCategory": [purpose["purpose_type"]],
                        "consentType": "EXPLICIT",
                        "piiCategory": [each["pii_attribute_id"] for each in purpose["pii_information"]],
                        "primaryPurpose": True,
                        "termination": purpose["withdrawal_method"],
                        "thirdPartyDisclosure": bool(purpose["recipient_third_parties"]),
                    }
                    | (
                        {"thirdPartyName": ", ".join(purpose["recipient_third_parties"])}
                        if purpose["recipient_third_parties"]
                        else {}
                    )
                ],
            }
        ],
        "sensitive": order.purpose == "health-care",
        "spiCat": ["health"] if order.purpose == "health-care" else [],
    }


def artefact(receipt: Receipt, agreement: Agreement, profile: Profile, base_url: str, signer: Signer) -> dict[str, Any]:
    """The Account Aggregator consent artefact; `signedConsent` is the JWS over its ConsentDetail (EdDSA, by `kid`).

    Data other than financial has no fiTypes; what may be read stands in DataFilter, one line a field.
    """
    body, order = receipt.receipt, agreement.order
    given = body["events"][0]
    purpose = body["pii_processing"]["purposes"][0]
    begin = datetime.fromisoformat(given["event_time"])
    days = int(given["validity_duration"].strip("PD"))
    expiry = datetime.fromtimestamp(begin.timestamp() + days * 86_400, begin.tzinfo)
    fields = [each["pii_attribute_id"] for each in purpose["pii_information"]]
    detail = {
        "consentStart": given["event_time"],
        "consentExpiry": wire.instant(expiry),
        "consentMode": "VIEW",
        "fetchType": "PERIODIC",
        "consentTypes": ["PROFILE"],
        "fiTypes": [],
        "DataConsumer": {"id": order.institution, "type": "FIU"},
        "DataProvider": {"id": sorted({name.partition(".")[0] for name in fields})[0], "type": "FIP"},
        "Customer": {"id": body["pii_principal_id"]},
        "Accounts": [],
        "Purpose": {
            "code": OTHER_PURPOSE,
            "refUri": body["pii_processing"]["privacy_notice"],
            "text": purpose["purpose"],
            "Category": {"type": purpose["purpose_type"]},
        },
        "FIDataRange": {"from": given["event_time"], "to": wire.instant(expiry)},
        "DataLife": {"unit": "DAY", "value": order.keep_days},
        "Frequency": {"unit": "DAY", "value": 1},
        "DataFilter": [{"type": "FIELD", "operator": "=", "value": name} for name in fields],
    }
    return {
        "ver": AA_VERSION,
        "txnid": body["receipt_id"],
        "consentId": body["record_id"],
        "createTimestamp": given["event_time"],
        "status": _STATUS[receipt.state],
        "ConsentDetail": detail,
        "signedConsent": wire.jws(wire.canonical(detail), signer),
        "ConsentUse": {"logUri": f"{base_url}/v1/consent/accesses"},
    }
