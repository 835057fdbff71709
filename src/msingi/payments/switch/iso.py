"""The ISO 20022 flavour of FSPIOP 2.0: pacs messages as JSON, from which the switch reads what it must know.

Where a member stands follows the market practice of Mojaloop's API 2.0: pacs.008 (transfers), pacs.081 (quotes),
pacs.002 (answers). Participants that speak different flavours do not talk to each other: nothing is translated.
"""

from typing import Any

import msgspec

from msingi.payments.switch import errors, ilp, jws, wire
from msingi.payments.switch.model import Message

PREPARE, HASH_AT = 12, 25  # an ILPv4 prepare packet: type, amount (8), expiry (17), then the condition (32)
STATES = {"COMM": "COMMITTED", "RESV": "RESERVED", "ABOR": "ABORTED", "RECV": "RECEIVED"}


def _members(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise errors.BadSyntax("The body is not JSON.", field="body", rule="json") from None
    if not isinstance(found, dict):
        raise errors.BadSyntax("The body is a JSON object.", field="body", rule="object")
    return found


def _text(members: dict[str, Any], path: str, *, needed: bool = True) -> str:
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


def condition_of(packet: str) -> str:
    """The condition inside an ILPv4 prepare packet. Raises BadSyntax."""
    try:
        raw = jws.unb64(packet.rstrip("="))
    except ValueError:
        raw = b""
    start = 2 if len(raw) > 1 and raw[1] < 0x80 else 2 + (raw[1] & 0x7F) if len(raw) > 1 else 0
    if len(raw) < start + HASH_AT + ilp.FULFILMENT_BYTES or raw[0] != PREPARE:
        raise errors.BadSyntax(
            "The packet is no ILPv4 prepare packet.", field="VrfctnOfTerms.IlpV4PrepPacket", rule="ilpv4"
        )
    return jws.b64(raw[start + HASH_AT : start + HASH_AT + ilp.FULFILMENT_BYTES])


def wanted(message: Message, resource: str) -> wire.Wanted:
    """What a pacs.008 orders. Raises BadSyntax, MissingElement."""
    if resource != "transfers":
        raise errors.BadSyntax("Bulks have no ISO 20022 flavour.", field="Content-Type", rule="fspiop")
    members = _members(message.body)
    one = "CdtTrfTxInf."
    return wire.Wanted(
        id=_text(members, one + "PmtId.TxId"),
        payer=_text(members, one + "DbtrAgt.FinInstnId.Othr.Id"),
        payee=_text(members, one + "CdtrAgt.FinInstnId.Othr.Id"),
        currency=_text(members, one + "IntrBkSttlmAmt.Ccy"),
        amounts=(_text(members, one + "IntrBkSttlmAmt.ActiveCurrencyAndAmount"),),
        condition=condition_of(_text(members, one + "VrfctnOfTerms.IlpV4PrepPacket")),
        expiration=_text(members, "GrpHdr.PmtInstrXpryDtTm"),
        flavour="iso20022",
    )


def fulfilment(message: Message) -> tuple[str, str]:
    """The state and the fulfilment of a pacs.002. Raises BadSyntax, MissingElement."""
    members = _members(message.body)
    state = _text(members, "TxInfAndSts.TxSts")
    if state not in STATES:
        raise errors.BadSyntax("The status is not one of a transfer.", field="TxSts", rule="|".join(STATES))
    return STATES[state], _text(members, "TxInfAndSts.ExctnConf", needed=False)


def quote(message: Message) -> tuple[str, str]:
    """The id of a pacs.081 and the participant of the payee. Raises BadSyntax, MissingElement."""
    members = _members(message.body)
    id_ = _text(members, "CdtTrfTxInf.PmtId.TxId")
    return id_, _text(members, "CdtTrfTxInf.CdtrAgt.FinInstnId.Othr.Id", needed=False)


def id_of(members: Any) -> str:
    """The id of a request in this flavour, for telling its sender what went wrong; empty if it has none."""
    try:
        return _text(members if isinstance(members, dict) else {}, "CdtTrfTxInf.PmtId.TxId", needed=False)
    except errors.SwitchRefusal:
        return ""


def told(body: Any, at: str, message_id: str) -> dict[str, Any]:
    """An error or an answer of the hub's own, as pacs.002."""
    members = msgspec.to_builtins(body)
    status: dict[str, Any] = {}
    wrong = members.get("errorInformation")
    if wrong:
        status["StsRsnInf"] = {
            "Rsn": {"Prtry": wrong["errorCode"]},
            "AddtlInf": wrong["errorDescription"][:105],
        }
    if members.get("transferState"):
        status["TxSts"] = next(k for k, v in STATES.items() if v == members["transferState"])
        status["PrcgDt"] = {"DtTm": members.get("completedTimestamp") or at}
    if members.get("fulfilment"):
        status["ExctnConf"] = members["fulfilment"]
    return {"GrpHdr": {"MsgId": message_id, "CreDtTm": at}, "TxInfAndSts": status}
