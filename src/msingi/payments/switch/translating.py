"""Between the two flavours of FSPIOP: JSON as of API 1.1, and ISO 20022 messages as JSON as of API 2.0. Pure.

| resource | asked | answered | error |
|---|---|---|---|
| parties | (no body) | acmt.024 | acmt.024 with a reason |
| quotes | pacs.081 | pacs.082 | pacs.002 |
| transfers | pacs.008 | pacs.002 (also PATCH) | pacs.002 |

Where a member stands follows Mojaloop's mapping of API 2.0. Ids: ISO 20022 has ULIDs, API 1.1 UUIDs; both are 128 bits,
so that a UUID goes there as the ULID of the same bits. The packet of API 2.0 is an ILPv4 prepare packet that holds the
condition; one of 1.1 travels inside such a packet, whole, and comes out of it unchanged.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msingi.payments.switch import errors, ilp, jws
from msingi.payments.switch.ilp import length_of, taken

PREPARE, CONDITION_AT = 12, 25  # amount (8), expiry (17), then the condition (32)
CARRIED = b"g.fspiop.carried"  # the destination of a packet that holds one of API 1.1
STATES = {"COMM": "COMMITTED", "RESV": "RESERVED", "ABOR": "ABORTED", "RECV": "RECEIVED"}
CODES = {told: code for code, told in STATES.items()}
NO_PERSON = ("BUSINESS", "ALIAS", "DEVICE")
RESOURCES = ("parties", "quotes", "transfers")
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
Members = dict[str, Any]


def ulid_of(text: str) -> str:
    """The ULID of a UUID's bits; anything else stays as it is."""
    if len(text) != 36:
        return text
    number = UUID(text).int
    return "".join(_BASE32[number >> shift & 31] for shift in range(125, -1, -5))


def uuid_of(text: str) -> str:
    """The UUID of a ULID's bits; anything else stays as it is."""
    if len(text) != 26:
        return text
    number = 0
    for sign in text:
        number = number << 5 | _BASE32.index(sign)
    return str(UUID(int=number & (1 << 128) - 1))


def at(members: Any, path: str, needed: bool = True) -> Any:
    """What stands at a path of members, the first of a list. Raises MissingElement where it is needed and missing."""
    found = members
    for name in path.split("."):
        if isinstance(found, list):
            found = found[0] if found else None
        found = found.get(name) if isinstance(found, dict) else None
    if found is None and needed:
        raise errors.MissingElement(field=path, rule="required")
    return found


def put(members: Members, path: str, value: Any) -> None:
    """Set what stands at a path; nothing is set for nothing."""
    if value in (None, "", {}):
        return
    *way, last = path.split(".")
    for name in way:
        members = members.setdefault(name, {})
    members[last] = value


# Packets.


def carry(packet: str, condition: str, until: datetime) -> str:
    """An ILPv4 prepare packet that holds a condition and, whole, a packet of API 1.1; such a one stays as it is."""
    try:
        if _opened(packet)[0] == condition:
            return packet
    except errors.BadSyntax:
        pass
    inner = jws.unb64(packet.rstrip("="))
    expiry = until.strftime("%Y%m%d%H%M%S%f")[:17].encode()
    body = bytes(8) + expiry + jws.unb64(condition)
    body += length_of(len(CARRIED)) + CARRIED + length_of(len(inner)) + inner
    return jws.b64(bytes([PREPARE]) + length_of(len(body)) + body)


def uncarry(packet: str) -> str:
    """The packet of API 1.1 that another one holds; any other packet stays as it is."""
    _, destination, content = _opened(packet)
    return jws.b64(content) if destination == CARRIED else packet


def condition_of(packet: str) -> str:
    """The condition inside an ILPv4 prepare packet. Raises BadSyntax."""
    return _opened(packet)[0]


def _opened(packet: str) -> tuple[str, bytes, bytes]:
    """Condition, destination and content of an ILPv4 prepare packet. Raises BadSyntax."""
    try:
        raw = jws.unb64(packet.rstrip("="))
        if not raw or raw[0] != PREPARE:
            raise ValueError
        body, _ = taken(raw, 1)
        end = CONDITION_AT + ilp.FULFILMENT_BYTES
        if len(body) <= end:
            raise ValueError
        destination, after = taken(body, end)
        content, _ = taken(body, after)
    except (ValueError, errors.Malformed):
        words = "The packet is no ILPv4 prepare packet."
        raise errors.BadSyntax(words, field="VrfctnOfTerms.IlpV4PrepPacket", rule="ilpv4") from None
    return jws.b64(body[CONDITION_AT:end]), destination, content


# From ISO 20022.


def from_iso(resource: str, method: str, failed: bool, members: Members, destination: str = "") -> Members:
    """The body that API 1.1 has for an ISO 20022 body. Raises MissingElement, BadSyntax.

    `failed` says that it was sent to /error.
    """
    if failed:
        code = at(members, "Rpt.Rsn.Cd" if resource == "parties" else "TxInfAndSts.StsRsnInf.Rsn.Prtry")
        words = at(members, "TxInfAndSts.StsRsnInf.AddtlInf", False)
        words = words[0] if isinstance(words, list) and words else words or "Error"
        return {"errorInformation": {"errorCode": code, "errorDescription": str(words)[:128]}}
    if resource == "parties":
        return {"party": _party(members, "Rpt.UpdtdPtyAndAcctId", "Pty", "Agt", "Acct")}
    if resource == "quotes":
        return _quote(members) if method == "POST" else _quoted(members)
    if method == "POST":
        one = "CdtTrfTxInf."
        packet = at(members, one + "VrfctnOfTerms.IlpV4PrepPacket")
        return {
            "transferId": at(members, one + "PmtId.TxId"),
            "payerFsp": at(members, one + "DbtrAgt.FinInstnId.Othr.Id"),
            "payeeFsp": at(members, one + "CdtrAgt.FinInstnId.Othr.Id"),
            "amount": _money(members, one + "IntrBkSttlmAmt", "ActiveCurrencyAndAmount"),
            "ilpPacket": uncarry(packet),
            "condition": condition_of(packet),
            "expiration": at(members, "GrpHdr.PmtInstrXpryDtTm"),
        }
    made: Members = {"transferState": state_of(members)}
    put(made, "fulfilment", at(members, "TxInfAndSts.ExctnConf", False))
    put(made, "completedTimestamp", at(members, "TxInfAndSts.PrcgDt.DtTm", False))
    return made


def state_of(members: Members) -> str:
    """The state that a pacs.002 tells. Raises MissingElement, BadSyntax."""
    code = at(members, "TxInfAndSts.TxSts")
    if code not in STATES:
        raise errors.BadSyntax("The status is not one of a transfer.", field="TxSts", rule="|".join(STATES))
    return STATES[code]


def _money(members: Members, path: str, amount: str) -> Members:
    return {"currency": at(members, f"{path}.Ccy"), "amount": at(members, f"{path}.{amount}")}


def _quote(members: Members) -> Members:
    one = "CdtTrfTxInf"
    made: Members = {
        "quoteId": at(members, f"{one}.PmtId.TxId"),
        "transactionId": at(members, f"{one}.PmtId.EndToEndId"),
        "payee": _party(members, one, "Cdtr", "CdtrAgt", "CdtrAcct"),
        "payer": _party(members, one, "Dbtr", "DbtrAgt", "DbtrAcct"),
        "amountType": "RECEIVE" if at(members, f"{one}.ChrgBr", False) == "DEBT" else "SEND",
        "amount": _money(members, f"{one}.IntrBkSttlmAmt", "ActiveCurrencyAndAmount"),
        "transactionType": {
            "scenario": at(members, f"{one}.Purp.Prtry", False) or "TRANSFER",
            "initiator": "PAYER",
            "initiatorType": "CONSUMER",
        },
    }
    put(made, "expiration", at(members, "GrpHdr.PmtInstrXpryDtTm", False))
    return made


def _quoted(members: Members) -> Members:
    one = "CdtTrfTxInf"
    packet = at(members, f"{one}.VrfctnOfTerms.IlpV4PrepPacket")
    made: Members = {
        "transferAmount": _money(members, f"{one}.IntrBkSttlmAmt", "ActiveCurrencyAndAmount"),
        "expiration": at(members, "GrpHdr.PmtInstrXpryDtTm"),
        "ilpPacket": packet,
        "condition": condition_of(packet),
    }
    for name, path in (("payeeReceiveAmount", f"{one}.InstdAmt"), ("payeeFspFee", f"{one}.ChrgsInf.Amt")):
        if at(members, path, False):
            made[name] = _money(members, path, "ActiveOrHistoricCurrencyAndAmount")
    return made


def _party(members: Members, root: str, party: str, agent: str, account: str) -> Members:
    one = f"{root}.{party}"
    way = next((w for w in ("PrvtId", "OrgId") if at(members, f"{one}.Id.{w}.Othr.Id", False)), "PrvtId")
    made: Members = {}
    put(made, "partyIdInfo.partyIdType", at(members, f"{one}.Id.{way}.Othr.SchmeNm.Prtry"))
    put(made, "partyIdInfo.partyIdentifier", at(members, f"{one}.Id.{way}.Othr.Id"))
    put(made, "partyIdInfo.partySubIdOrType", at(members, f"{root}.{agent}.FinInstnId.ClrSysMmbId.MmbId", False))
    put(made, "partyIdInfo.fspId", at(members, f"{root}.{agent}.FinInstnId.Othr.Id", False))
    first, middle, last, shown = (*str(at(members, f"{one}.Nm", False) or "").split(";"), "", "", "", "")[:4]
    put(made, "name", shown or (first if not last else ""))
    if last:
        for name, value in (("firstName", first), ("middleName", middle), ("lastName", last)):
            put(made, f"personalInfo.complexName.{name}", value)
    currency = at(members, f"{root}.{account}.Ccy", False)
    put(made, "supportedCurrencies", [currency] if currency else None)
    return made


# To ISO 20022.


def to_iso(
    resource: str,
    method: str,
    failed: bool,
    members: Members,
    parties: tuple[str, str],
    id_: str,
    now: str,
    message: str,
) -> Members:
    """The ISO 20022 body for a body of API 1.1. `parties` are source and destination, `id_` is the resource's id,
    `now` an instant of the wire, `message` a new id of up to 35 characters. Raises MissingElement."""
    source, destination = parties
    if resource == "parties":
        return _to_acmt_024(failed, members, source, destination, now, message)
    made: Members = {"GrpHdr": {"MsgId": message, "CreDtTm": now}}
    if failed:
        put(made, "TxInfAndSts.StsRsnInf.Rsn.Prtry", at(members, "errorInformation.errorCode"))
        words = at(members, "errorInformation.errorDescription", False) or ""
        put(made, "TxInfAndSts.StsRsnInf.AddtlInf", str(words)[:105])
        return made
    if resource == "transfers" and method in ("PUT", "PATCH"):
        put(made, "TxInfAndSts.ExctnConf", at(members, "fulfilment", False))
        put(made, "TxInfAndSts.PrcgDt.DtTm", at(members, "completedTimestamp", False) or now)
        put(made, "TxInfAndSts.TxSts", CODES.get(at(members, "transferState"), "RECV"))
        return made
    one = "CdtTrfTxInf."
    put(made, "GrpHdr.NbOfTxs", "1")
    put(made, "GrpHdr.SttlmInf.SttlmMtd", "CLRG")
    put(made, "GrpHdr.PmtInstrXpryDtTm", at(members, "expiration", method == "PUT" or resource == "transfers"))
    put(made, one + "PmtId.TxId", ulid_of(id_))
    put(made, one + "PmtId.EndToEndId", ulid_of(at(members, "transactionId", False) or id_))
    if resource == "quotes" and method == "POST":
        return _to_pacs_081(made, members)
    payer, payee = (destination, source) if resource == "quotes" else (source, destination)
    for side, fsp in (("Dbtr", payer), ("Cdtr", payee)):
        put(made, f"{one}{side}.Id.OrgId.Othr.Id", fsp)
        put(made, f"{one}{side}Agt.FinInstnId.Othr.Id", fsp)
    put(made, one + "ChrgBr", "SHAR")
    amount = at(members, "transferAmount" if resource == "quotes" else "amount")
    _put_money(made, one + "IntrBkSttlmAmt", amount, "ActiveCurrencyAndAmount")
    if resource == "quotes":
        _put_money(made, one + "InstdAmt", members.get("payeeReceiveAmount"), "ActiveOrHistoricCurrencyAndAmount")
        if members.get("payeeFspFee"):
            _put_money(made, one + "ChrgsInf.Amt", members["payeeFspFee"], "ActiveOrHistoricCurrencyAndAmount")
            put(made, one + "ChrgsInf.Agt.FinInstnId.Othr.Id", source)
    until = datetime.fromisoformat(at(members, "expiration"))
    put(made, one + "VrfctnOfTerms.IlpV4PrepPacket", carry(at(members, "ilpPacket"), at(members, "condition"), until))
    return made


def _put_money(made: Members, path: str, money: Mapping[str, str] | None, amount: str) -> None:
    if money:
        put(made, path, {"Ccy": at(money, "currency"), amount: at(money, "amount")})


def _to_pacs_081(made: Members, members: Members) -> Members:
    one = "CdtTrfTxInf."
    for side, name in (("Cdtr", "payee"), ("Dbtr", "payer")):
        _put_party(made, at(members, name), f"{one}{side}", f"{one}{side}Agt", f"{one}{side}Acct")
    put(made, one + "ChrgBr", "DEBT" if at(members, "amountType") == "RECEIVE" else "CRED")
    _put_money(made, one + "IntrBkSttlmAmt", at(members, "amount"), "ActiveCurrencyAndAmount")
    put(made, one + "Purp.Prtry", at(members, "transactionType.scenario", False))
    return made


def _put_party(made: Members, party: Members, root: str, agent: str, account: str) -> None:
    kind = at(party, "partyIdInfo.partyIdType")
    way = f"{root}.Id.{'OrgId' if kind in NO_PERSON else 'PrvtId'}.Othr"
    put(made, f"{way}.SchmeNm.Prtry", kind)
    put(made, f"{way}.Id", at(party, "partyIdInfo.partyIdentifier"))
    put(made, f"{agent}.FinInstnId.Othr.Id", at(party, "partyIdInfo.fspId", False))
    put(made, f"{agent}.FinInstnId.ClrSysMmbId.MmbId", at(party, "partyIdInfo.partySubIdOrType", False))
    names = [at(party, f"personalInfo.complexName.{n}Name", False) or "" for n in ("first", "middle", "last")]
    names.append(party.get("name") or "")
    put(made, f"{root}.Nm", ";".join(names) if any(names) else None)
    put(made, f"{account}.Ccy", next(iter(party.get("supportedCurrencies") or ()), None))


def _to_acmt_024(failed: bool, members: Members, source: str, destination: str, now: str, message: str) -> Members:
    made: Members = {"Assgnmt": {"MsgId": message, "CreDtTm": now}, "Rpt": {"OrgnlId": message, "Vrfctn": not failed}}
    put(made, "Assgnmt.Assgnr.Agt.FinInstnId.Othr.Id", source)
    put(made, "Assgnmt.Assgne.Agt.FinInstnId.Othr.Id", destination)
    if failed:
        put(made, "Rpt.Rsn.Cd", at(members, "errorInformation.errorCode"))
        return made
    one = "Rpt.UpdtdPtyAndAcctId"
    _put_party(made, at(members, "party"), f"{one}.Pty", f"{one}.Agt", f"{one}.Acct")
    return made
