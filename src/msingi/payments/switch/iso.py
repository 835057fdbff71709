"""The ISO 20022 flavour of FSPIOP 2.0: pacs messages as JSON, from which the switch reads what it must know.

Where a member stands follows the market practice of Mojaloop's API 2.0: pacs.008 (transfers), pacs.081 (quotes),
pacs.002 (answers). What a participant of the other flavour is told stands in `translating`.
"""

from typing import Any

import msgspec

from msingi.payments.switch import errors, translating, wire
from msingi.payments.switch.model import Message


def members(body: bytes) -> dict[str, Any]:
    """The members of a body. Raises BadSyntax."""
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise errors.BadSyntax("The body is not JSON.", field="body", rule="json") from None
    if not isinstance(found, dict):
        raise errors.BadSyntax("The body is a JSON object.", field="body", rule="object")
    return found


def text(members: dict[str, Any], path: str, *, needed: bool = True) -> str:
    """The text at a path of members. Raises MissingElement, BadSyntax."""
    found: Any = members
    for name in path.split("."):
        if isinstance(found, list):
            found = found[0] if found else None
        found = found.get(name) if isinstance(found, dict) else None
    if found is None and not needed:
        return ""
    if found is None:
        raise errors.MissingElement(field=path, rule="required")
    if not isinstance(found, str) or not 0 < len(found) <= 32_768:
        raise errors.BadSyntax("This member is a text.", field=path, rule="text")
    return found


def wanted(message: Message, resource: str) -> wire.Wanted:
    """What a pacs.008 orders. Raises BadSyntax, MissingElement."""
    if resource != "transfers":
        raise errors.BadSyntax("Bulks have no ISO 20022 flavour.", field="Content-Type", rule="fspiop")
    found = members(message.body)
    one = "CdtTrfTxInf."
    return wire.Wanted(
        id=text(found, one + "PmtId.TxId"),
        payer=text(found, one + "DbtrAgt.FinInstnId.Othr.Id"),
        payee=text(found, one + "CdtrAgt.FinInstnId.Othr.Id"),
        currency=text(found, one + "IntrBkSttlmAmt.Ccy"),
        amounts=(text(found, one + "IntrBkSttlmAmt.ActiveCurrencyAndAmount"),),
        condition=translating.condition_of(text(found, one + "VrfctnOfTerms.IlpV4PrepPacket")),
        expiration=text(found, "GrpHdr.PmtInstrXpryDtTm"),
        flavour="iso20022",
    )


def fulfilment(message: Message) -> tuple[str, str]:
    """The state and the fulfilment of a pacs.002. Raises BadSyntax, MissingElement."""
    found = members(message.body)
    return translating.state_of(found), text(found, "TxInfAndSts.ExctnConf", needed=False)


def quote(message: Message) -> tuple[str, str]:
    """The id of a pacs.081 and the participant of the payee. Raises BadSyntax, MissingElement."""
    found = members(message.body)
    id_ = text(found, "CdtTrfTxInf.PmtId.TxId")
    return id_, text(found, "CdtTrfTxInf.CdtrAgt.FinInstnId.Othr.Id", needed=False)


def id_of(members: Any) -> str:
    """The id of a request in this flavour, for telling its sender what went wrong; empty if it has none."""
    try:
        known = members if isinstance(members, dict) else {}
        return text(known, "CdtTrfTxInf.PmtId.TxId", needed=False) or text(known, "Assgnmt.Id", needed=False)
    except errors.SwitchRefusal:
        return ""
