"""The two messages of a recall, as JSON in the ISO 20022 flavour: camt.056 asks for a payment back, camt.029 answers.

Pure. Where a member stands follows the pacs messages of Mojaloop's API 2.0: agents by `Othr.Id`, lists of one as an
object, words in pieces of 105 characters, as the standard cuts them.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct

from msingi.payments.switch import errors, iso, rules

PIECE, PIECES = 105, 12
ASKED = "Undrlyg.TxInf."
TOLD = "CxlDtls.TxInfAndSts."
# Why a payment is asked back: CancellationReason of the external code sets, and fraud.
REASONS = ("AC03", "AM09", "CUST", "DUPL", "FRAD", "TECH", "UPAY")
# The answer as a whole: it comes back, it does not, whoever was paid is being asked.
COMES_BACK, REFUSED, PENDING = "CNCL", "RJCR", "PDCR"
ANSWERS = (COMES_BACK, REFUSED, PENDING)
_SINGLE = {COMES_BACK: "ACCR", REFUSED: "RJCR", PENDING: "PDCR"}
# Why it does not come back: closed account, nothing left, back already, its holder says no, does not answer, the law,
# no such payment.
REFUSALS = ("AC04", "AM04", "ARDT", "CUST", "NOAS", "LEGL", "NOOR", "AGNT")


class Request(Struct, frozen=True):
    """A camt.056: who asks whom, about which transfer (`transfer_id` of the wire), and why."""

    id: str
    asker: str
    asked: str
    transfer_id: str
    amount: str
    currency: str
    reason: str
    words: str = ""


class Answer(Struct, frozen=True):
    """A camt.029: how the asked participant answers, and why; `reason` is empty where it pays back."""

    id: str
    asker: str
    asked: str
    transfer_id: str
    answer: str
    reason: str = ""
    words: str = ""


def asking(one: Request, at: datetime) -> dict[str, Any]:
    """The members of a camt.056."""
    why: dict[str, Any] = {"Rsn": {"Cd": one.reason}}
    if one.words:
        why["AddtlInf"] = pieces(one.words)
    amount = {"Ccy": one.currency, "ActiveCurrencyAndAmount": one.amount}
    inside = {"CxlId": one.id, "OrgnlTxId": one.transfer_id, "OrgnlIntrBkSttlmAmt": amount, "CxlRsnInf": why}
    return {"Assgnmt": _assigned(one.id, one.asker, one.asked, at), "Undrlyg": {"TxInf": inside}}


def answering(one: Answer, at: datetime) -> dict[str, Any]:
    """The members of a camt.029."""
    inside: dict[str, Any] = {"CxlStsId": one.id, "OrgnlTxId": one.transfer_id, "TxCxlSts": _SINGLE[one.answer]}
    why: dict[str, Any] = {"Rsn": {"Cd": one.reason}} if one.reason else {}
    if one.words:
        why["AddtlInf"] = pieces(one.words)
    if why:
        inside["CxlStsRsnInf"] = why
    assigned = _assigned(one.id, one.asked, one.asker, at)
    return {"Assgnmt": assigned, "Sts": {"Conf": one.answer}, "CxlDtls": {"TxInfAndSts": inside}}


def _assigned(id_: str, source: str, to: str, at: datetime) -> dict[str, Any]:
    def agent(fsp: str) -> dict[str, Any]:
        return {"Agt": {"FinInstnId": {"Othr": {"Id": fsp}}}}

    return {"Id": id_, "Assgnr": agent(source), "Assgne": agent(to), "CreDtTm": rules.told(at)}


def request(body: bytes) -> Request:
    """What a camt.056 asks for. Raises BadSyntax, MissingElement."""
    found = iso.members(body)
    reason = iso.text(found, ASKED + "CxlRsnInf.Rsn.Cd")
    if reason not in REASONS:
        raise errors.BadSyntax("This is no reason of a recall.", field="Rsn.Cd", rule="|".join(REASONS))
    money = ASKED + "OrgnlIntrBkSttlmAmt."
    return Request(
        *_named(found), iso.text(found, ASKED + "OrgnlTxId"), iso.text(found, money + "ActiveCurrencyAndAmount"),
        iso.text(found, money + "Ccy"), reason, _words(found, ASKED + "CxlRsnInf"),
    )  # fmt: skip


def answer(body: bytes) -> Answer:
    """What a camt.029 answers. Raises BadSyntax, MissingElement."""
    found = iso.members(body)
    told = iso.text(found, "Sts.Conf")
    if told not in ANSWERS:
        raise errors.BadSyntax("This is no answer to a recall.", field="Sts.Conf", rule="|".join(ANSWERS))
    reason = iso.text(found, TOLD + "CxlStsRsnInf.Rsn.Cd", needed=told == REFUSED)
    id_, source, to = _named(found)
    words = _words(found, TOLD + "CxlStsRsnInf")
    return Answer(id_, to, source, iso.text(found, TOLD + "OrgnlTxId"), told, reason[:4], words)


def _named(found: dict[str, Any]) -> tuple[str, str, str]:
    """The id of an assignment, who assigns, and to whom."""
    id_ = rules.correlation(iso.text(found, "Assgnmt.Id"), "Assgnmt.Id")
    both = (iso.text(found, f"Assgnmt.{who}.Agt.FinInstnId.Othr.Id") for who in ("Assgnr", "Assgne"))
    source, to = both
    return id_, source, to


def pieces(text: str) -> list[str]:
    """Words, cut as the standard wants them."""
    flat = " ".join(text.split())
    return [flat[at : at + PIECE] for at in range(0, min(len(flat), PIECE * PIECES), PIECE)]


def _words(found: dict[str, Any], path: str) -> str:
    """The words at a path, one after the other; what is no text is no word."""
    inside: Any = found
    for name in path.split("."):
        inside = inside[0] if isinstance(inside, list) and inside else inside
        inside = inside.get(name) if isinstance(inside, dict) else None
    inside = inside[0] if isinstance(inside, list) and inside else inside
    said = inside.get("AddtlInf") if isinstance(inside, dict) else None
    said = said if isinstance(said, list) else [said]
    text = "".join(one[:PIECE] for one in said[:PIECES] if isinstance(one, str))
    return "".join(sign for sign in text if sign.isprintable())
