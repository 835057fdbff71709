"""The grammar of payment files, ISO 20022 pain.001.001.09, as data: the standard's elements in the standard's order.

What the stack uses is checked to the last character; parts that it does not use may be there and are skipped unread;
parts that would change what is paid (cheques, equivalent amounts, exchange rates) are refused. `wire.py` reads by it.
"""

import re
from collections.abc import Callable
from datetime import date, datetime

from msgspec import Struct

PAIN_001 = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SCHEME = "MSINGI-ID"


class Leaf(Struct, frozen=True):
    """An element with text only: the pattern that it matches, and the rule's name for who gets it wrong.

    `reads` raises ValueError for what the pattern cannot tell, such as the 30th of February.
    """

    pattern: re.Pattern[str]
    rule: str
    attribute: str = ""
    reads: Callable[[str], object] | None = None

    def readable(self, text: str) -> bool:
        """Whether a text that matches the pattern means something."""
        if self.reads is None:
            return True
        try:
            self.reads(text)
            return True
        except ValueError:
            return False


class Branch(Struct, frozen=True):
    """An element with elements: in this order, each (at least, at most, what); `choice`: exactly one of them."""

    parts: dict[str, tuple[int, int, "Leaf | Branch | None"]]
    choice: bool = False


MANY = 1 << 30
_ANY = None  # a part that is not used: skipped unread


def _text(low: int, high: int) -> Leaf:
    return Leaf(re.compile(rf"[\s\S]{{{low},{high}}}"), f"text of {low} to {high} characters")


MAX35 = _text(1, 35)
MAX140 = _text(1, 140)
COUNT = Leaf(re.compile(r"[0-9]{1,15}"), "whole number of at most 15 digits")
DECIMAL = Leaf(re.compile(r"[0-9]{1,18}(\.[0-9]{1,17})?"), "decimal number")
AMOUNT = Leaf(re.compile(r"[0-9]{1,18}(\.[0-9]{1,5})?"), "decimal number with the attribute Ccy", "Ccy")
DAY = Leaf(
    re.compile(r"\d{4}-\d\d-\d\d(Z|[+-]\d\d:\d\d)?"), "date YYYY-MM-DD", "", lambda t: date.fromisoformat(t[:10])
)
MOMENT = Leaf(
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?"),
    "date and time of ISO 8601",
    reads=datetime.fromisoformat,
)
TRANSFER = Leaf(re.compile("TRF"), "TRF: this stack makes transfers only")
CURRENCY = re.compile(r"[A-Z]{3}")
SCHEME_NAME = Branch({"Cd": (0, 1, _text(1, 4)), "Prtry": (0, 1, MAX35)}, choice=True)
OTHER = Branch({"Id": (1, 1, _text(1, 34)), "SchmeNm": (0, 1, SCHEME_NAME), "Issr": (0, 1, MAX35)})
ACCOUNT = Branch(
    {
        "Id": (1, 1, Branch({"IBAN": (0, 1, _ANY), "Othr": (0, 1, OTHER)}, choice=True)),
        **{name: (0, 1, _ANY) for name in ("Tp", "Ccy", "Nm", "Prxy")},
    }
)
PRIVATE = Branch({"DtAndPlcOfBirth": (0, 1, _ANY), "Othr": (0, MANY, OTHER)})
PARTY = Branch(
    {
        "Nm": (0, 1, MAX140),
        "PstlAdr": (0, 1, _ANY),
        "Id": (0, 1, Branch({"OrgId": (0, 1, _ANY), "PrvtId": (0, 1, PRIVATE)}, choice=True)),
        "CtryOfRes": (0, 1, _ANY),
        "CtctDtls": (0, 1, _ANY),
    }
)
TRANSACTION = Branch(
    {
        "PmtId": (1, 1, Branch({"InstrId": (0, 1, MAX35), "EndToEndId": (1, 1, MAX35), "UETR": (0, 1, _ANY)})),
        "PmtTpInf": (0, 1, _ANY),
        "Amt": (1, 1, Branch({"InstdAmt": (1, 1, AMOUNT)})),
        "ChrgBr": (0, 1, _ANY),
        **{name: (0, 1, _ANY) for name in ("UltmtDbtr", "IntrmyAgt1", "IntrmyAgt1Acct", "CdtrAgt", "CdtrAgtAcct")},
        "Cdtr": (0, 1, PARTY),
        "CdtrAcct": (0, 1, ACCOUNT),
        "UltmtCdtr": (0, 1, _ANY),
        "InstrForCdtrAgt": (0, MANY, _ANY),
        "InstrForDbtrAgt": (0, 1, _ANY),
        "Purp": (0, 1, _ANY),
        "RgltryRptg": (0, 10, _ANY),
        "Tax": (0, 1, _ANY),
        "RltdRmtInf": (0, 10, _ANY),
        "RmtInf": (0, 1, Branch({"Ustrd": (0, MANY, MAX140), "Strd": (0, MANY, _ANY)})),
        "SplmtryData": (0, MANY, _ANY),
    }
)
HEADER = Branch(
    {
        "MsgId": (1, 1, MAX35),
        "CreDtTm": (1, 1, MOMENT),
        "Authstn": (0, 2, _ANY),
        "NbOfTxs": (1, 1, COUNT),
        "CtrlSum": (0, 1, DECIMAL),
        "InitgPty": (1, 1, PARTY),
        "FwdgAgt": (0, 1, _ANY),
        "InitnSrc": (0, 1, _ANY),
    }
)
BLOCK = Branch(
    {
        "PmtInfId": (1, 1, MAX35),
        "PmtMtd": (1, 1, TRANSFER),
        "ReqdAdvcTp": (0, 1, _ANY),
        "BtchBookg": (0, 1, _ANY),
        "NbOfTxs": (0, 1, COUNT),
        "CtrlSum": (0, 1, DECIMAL),
        "PmtTpInf": (0, 1, _ANY),
        "ReqdExctnDt": (1, 1, Branch({"Dt": (0, 1, DAY), "DtTm": (0, 1, MOMENT)}, choice=True)),
        "PoolgAdjstmntDt": (0, 1, _ANY),
        "Dbtr": (1, 1, PARTY),
        "DbtrAcct": (1, 1, ACCOUNT),
        "DbtrAgt": (1, 1, _ANY),
        **{name: (0, 1, _ANY) for name in ("DbtrAgtAcct", "InstrForDbtrAgt", "UltmtDbtr", "ChrgBr", "ChrgsAcct")},
        "ChrgsAcctAgt": (0, 1, _ANY),
        "CdtTrfTxInf": (1, MANY, TRANSACTION),
    }
)
INITIATION = Branch(
    {"GrpHdr": (1, 1, HEADER), "PmtInf": (1, MANY, BLOCK), "SplmtryData": (0, MANY, _ANY)},
)
DOCUMENT = Branch({"Document": (1, 1, Branch({"CstmrCdtTrfInitn": (1, 1, INITIATION)}))})
