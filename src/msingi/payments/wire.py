"""ISO 20022 at the edge: payment files, pain.001.001.09. (The reports on them are written by `report.py`.)

A file is read as a stream against the grammar below, which is the standard's, in the standard's order. What the
stack uses is checked to the last character; parts that it does not use may be there and are skipped unread; parts
that would change what is paid (cheques, equivalent amounts, exchange rates) are refused.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]
from msgspec import Struct, field

from msingi.kernel.errors import Malformed, TooLarge
from msingi.kernel.money import Currency, parse, plain
from msingi.payments.rules import MAX_AMOUNT_MINOR, MAX_BALANCE_MINOR

PAIN_001 = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
SCHEME = "MSINGI-ID"
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_LINES = 1_000_000


class Leaf(Struct, frozen=True):
    """An element with text only: the pattern that it matches, and the rule's name for who gets it wrong.

    `reads` raises ValueError for what the pattern cannot tell, such as the 30th of February.
    """

    pattern: re.Pattern[str]
    rule: str
    attribute: str = ""
    reads: Callable[[str], object] = str


class Branch(Struct, frozen=True):
    """An element with elements: in this order, each (at least, at most, what); `choice`: exactly one of them."""

    parts: dict[str, tuple[int, int, "Leaf | Branch | None"]]
    choice: bool = False


class Line(Struct, frozen=True, gc=False):
    """One credit transfer of a file."""

    block: int
    instruction_id: str
    end_to_end_id: str
    amount_minor: int
    number: str
    reference: str


class Block(Struct):
    """One payment block (PmtInf) of a file: paid out of `payer`, an account number."""

    block_id: str = ""
    payer: str = ""
    count: int = 0
    total_minor: int = 0


class Initiation(Struct):
    """A payment file as read: amounts in minor units of `currency`."""

    currency: str
    message_id: str = ""
    message_at: str = ""
    blocks: list[Block] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    total_minor: int = 0


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


def read_initiation(raw: bytes, currency_of: Callable[[str], Currency], today: date) -> Initiation:
    """A payment file, read and checked: grammar, counts, control sums, amounts, one currency, distinct ids.

    `currency_of` gives the currency with an ISO 4217 code, and raises Malformed for one that is not used.
    Raises Malformed with `field` (the path of the element, counted from 1) and `rule`, or TooLarge.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise TooLarge(limit_bytes=MAX_FILE_BYTES)
    return _Reader(currency_of, today).read(raw)


def _wrong(path: str, rule: str, text: str) -> Malformed:
    return Malformed(text, field=path, rule=rule)


def _readable(leaf: Leaf, text: str) -> bool:
    try:
        leaf.reads(text)
        return True
    except ValueError:
        return False


def _names(element: Any) -> tuple[str, str]:
    """Namespace and local name of an element, whatever they look like."""
    namespace, _, name = element.tag.rpartition("}")
    return namespace[1:], name


class _Open(Struct):
    """An element that has begun: what may stand in it, and what stood in it so far."""

    path: str
    node: Leaf | Branch | None
    place: int = -1
    counts: dict[str, int] = field(default_factory=dict)


class _Reader:
    """One pass over a file. Values of the element at hand are kept by their path within it."""

    def __init__(self, currency_of: Callable[[str], Currency], today: date) -> None:
        self.currency_of, self.today = currency_of, today.isoformat()
        self.currency: Currency | None = None
        self.file = Initiation("")
        self.values: dict[str, list[tuple[str, str, str]]] = {}
        self.ids: set[str] = set()
        self.header: dict[str, str] = {}
        self.block_header: dict[str, str] = {}

    def read(self, raw: bytes) -> Initiation:
        """The file. Elements are forgotten as soon as they are read, so memory holds one line's worth of XML."""
        stack = [_Open("", DOCUMENT)]
        options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
        events = etree.iterparse(BytesIO(raw), ("start", "end"), remove_comments=True, remove_pis=True, **options)
        try:
            for event, element in events:
                if event == "start":
                    if len(stack) == 1 and element.getroottree().docinfo.doctype:
                        raise _wrong("/", "no-doctype", "A payment file has no document type declaration.")
                    stack.append(self._begin(stack[-1], element))
                else:
                    self._end(stack.pop(), element)
        except etree.XMLSyntaxError as wrong:
            raise _wrong(stack[-1].path or "/", "well-formed", f"This is no well-formed XML: {wrong.msg}") from None
        return self._closed()

    def _begin(self, parent: _Open, element: Any) -> _Open:
        if parent.node is None:
            return _Open(parent.path, None)
        namespace, name = _names(element)
        if not isinstance(parent.node, Branch):
            raise _wrong(parent.path, "text-only", f"{parent.path} holds text, no elements.")
        count = parent.counts.get(name, 0) + 1
        path = f"{parent.path}/{name}"
        if parent.node.parts.get(name, (0, 1))[1] > 1:
            path += f"[{count}]"
        if namespace != PAIN_001:
            raise _wrong(path, "namespace", f"The namespace is {PAIN_001}.")
        if name not in parent.node.parts:
            expected = ", ".join(list(parent.node.parts)[parent.place + 1 :][:6]) or "nothing"
            raise _wrong(path, "known-element", f"This element is not accepted here; {expected} could follow.")
        before = element.getprevious()
        if before is not None and (before.tail or "").strip():
            raise _wrong(parent.path, "elements-only", "There is text where only elements are accepted.")
        place = list(parent.node.parts).index(name)
        _, high, node = parent.node.parts[name]
        if place < parent.place:
            raise _wrong(path, "order", f"This element stands before {list(parent.node.parts)[parent.place]}.")
        if count > high or (parent.node.choice and parent.counts and name not in parent.counts):
            raise _wrong(path, f"at most {high}", "There is one element too many here.")
        for skipped, (low, _, _) in list(parent.node.parts.items())[parent.place + 1 : place]:
            if low:
                raise _wrong(f"{parent.path}/{skipped}", "required", "This element is required.")
        parent.place = place
        parent.counts[name] = count
        return _Open(path, node)

    def _end(self, opened: _Open, element: Any) -> None:
        node, path = opened.node, opened.path
        if isinstance(node, Leaf):
            text = element.text or ""
            if not node.pattern.fullmatch(text) or not _readable(node, text):
                raise _wrong(path, node.rule, f"The text must be: {node.rule}.")
            attribute = element.get(node.attribute, "") if node.attribute else ""
            if node.attribute and not CURRENCY.fullmatch(attribute):
                raise _wrong(f"{path}/@{node.attribute}", "iso4217", "A currency is an ISO 4217 code.")
            if set(element.attrib) - {node.attribute}:
                raise _wrong(path, "known-attribute", "There is an attribute that is not accepted here.")
            self.values.setdefault(_names(element)[1], []).append((path, text, attribute))
        elif isinstance(node, Branch):
            self._complete(opened, node, element)
            self._take(opened, _names(element)[1])
        element.clear(keep_tail=True)  # the text after it may have been parsed already, and is still to be judged
        before = element.getprevious()
        while before is not None:  # what was read is dropped from the tree
            element.getparent().remove(before)
            before = element.getprevious()

    def _complete(self, opened: _Open, node: Branch, element: Any) -> None:
        texts = [element.text, *(child.tail for child in element)]
        if any((text or "").strip() for text in texts):
            raise _wrong(opened.path, "elements-only", "There is text where only elements are accepted.")
        if any(not key.startswith(XSI) for key in element.attrib):
            raise _wrong(opened.path, "known-attribute", "There is an attribute that is not accepted here.")
        for name, (low, _, _) in node.parts.items():
            if opened.counts.get(name, 0) < low:
                raise _wrong(f"{opened.path}/{name}", "required", "This element is required.")
        if node.choice and not opened.counts:
            raise _wrong(opened.path, "choice", f"One of {', '.join(node.parts)} is required.")

    def _take(self, opened: _Open, name: str) -> None:
        """A part is complete: keep what it says."""
        if name == "GrpHdr":
            self.header = {key: found[0][1] for key, found in self.values.items()}
            self.file.message_id, self.file.message_at = self.header["MsgId"], self.header["CreDtTm"]
        elif name == "CdtTrfTxInf":
            self.file.lines.append(self._line(opened.path))
            if len(self.file.lines) > MAX_LINES:
                raise TooLarge(limit_lines=MAX_LINES)
        elif name == "DbtrAcct":
            self._payer(opened.path)
        elif name == "PmtInf":
            self._sums(opened.path, self.block_header, self.file.blocks[-1].count, self.file.blocks[-1].total_minor)
        else:
            return
        self.values.clear()

    def _payer(self, path: str) -> None:
        """The head of a block: everything up to its debtor's account."""
        self.block_header = {
            key: found[0][1] for key, found in self.values.items() if found[0][0].count("/") == path.count("/")
        }
        due = next((found[0] for key, found in self.values.items() if key in ("Dt", "DtTm")), ("", "", ""))
        if due[1][:10] > self.today:
            raise _wrong(due[0], "not in the future", "The execution date has not come yet.")
        account = self._other(path)
        if account is None:
            raise _wrong(f"{path}/Id/Othr/Id", "required", "The debtor's account is named by its account number.")
        self.file.blocks.append(Block(self.block_header["PmtInfId"], account[1]))

    def _other(self, under: str, scheme: str = "") -> tuple[str, str] | None:
        """The first Othr/Id under a path, (path, text); with `scheme`, only one of that proprietary scheme."""
        for path, text, _ in self.values.get("Id", []):
            if path.startswith(under + "/"):
                if not scheme:
                    return path, text
                named = path.removesuffix("/Id") + "/SchmeNm/Prtry"
                if any(p == named and t == scheme for p, t, _ in self.values.get("Prtry", [])):
                    return path, text
        return None

    def _line(self, path: str) -> Line:
        found = self.values
        (at, text, code) = found["InstdAmt"][0]
        if self.currency is None:
            try:
                self.currency = self.currency_of(code)
            except Malformed as unknown:
                raise _wrong(f"{at}/@Ccy", "known-currency", unknown.detail) from None
            self.file.currency = code
        if code != self.file.currency:
            raise _wrong(f"{at}/@Ccy", "one-currency", "All amounts of a file are in one currency.")
        amount = self._minor(at, text, self.currency)
        end_to_end = found["EndToEndId"][0]
        if end_to_end[1] in self.ids:
            raise _wrong(end_to_end[0], "unique", "Another line of the file has the same EndToEndId.")
        self.ids.add(end_to_end[1])
        who = self._other(f"{path}/CdtrAcct", SCHEME) or self._other(f"{path}/Cdtr/Id/PrvtId", SCHEME)
        if who is None:
            missing = f"{path}/CdtrAcct/Id/Othr/Id"
            raise _wrong(missing, f"scheme {SCHEME}", f"Name who is paid by identity number, scheme {SCHEME}.")
        block = self.file.blocks[-1]
        block.count += 1
        block.total_minor += amount
        self.file.total_minor += amount
        words = " ".join(" ".join(t for _, t, _ in found.get("Ustrd", [])).split())[:140]
        instruction = found.get("InstrId", [("", "", "")])[0][1]
        return Line(len(self.file.blocks) - 1, instruction, end_to_end[1], amount, who[1], words)

    def _minor(self, path: str, text: str, currency: Currency) -> int:
        whole, _, fraction = text.partition(".")
        try:
            amount = parse((whole.lstrip("0") or "0") + (f".{fraction}" if fraction else ""), currency)
        except Malformed as wrong:
            raise _wrong(path, str(wrong.facts.get("rule", "decimal")), wrong.detail) from None
        if not 0 < amount <= MAX_AMOUNT_MINOR:
            raise _wrong(path, "largest amount" if amount else "above zero", "It is zero, or too large.")
        return amount

    def _sums(self, path: str, header: dict[str, str], count: int, total_minor: int) -> None:
        if "NbOfTxs" in header and int(header["NbOfTxs"]) != count:
            raise _wrong(f"{path}/NbOfTxs", "count", f"It says {header['NbOfTxs']} transfers; there are {count}.")
        assert self.currency is not None
        if total_minor > MAX_BALANCE_MINOR:
            raise _wrong(path, "largest sum", "The amounts sum to more than any account can hold.")
        if "CtrlSum" in header and Decimal(header["CtrlSum"]) != Decimal(total := plain(total_minor, self.currency)):
            raise _wrong(f"{path}/CtrlSum", "control-sum", f"It says {header['CtrlSum']}; the amounts sum to {total}.")

    def _closed(self) -> Initiation:
        self._sums("/Document/CstmrCdtTrfInitn/GrpHdr", self.header, len(self.file.lines), self.file.total_minor)
        return self.file
