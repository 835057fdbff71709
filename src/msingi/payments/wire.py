"""ISO 20022 at the edge: payment files, pain.001.001.09. (The reports on them are written by `report.py`.)

A file is read as a stream, in whatever pieces it comes, by the grammar in `grammar.py`: memory holds one line's worth
of XML, and lines that look like an earlier one are matched as bytes (`alike.py`).
"""

from array import array
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from msgspec import Struct, field

from msingi.kernel.errors import Malformed, TooLarge
from msingi.kernel.money import Currency, parse, plain
from msingi.payments import alike
from msingi.payments.grammar import SCHEME
from msingi.payments.rules import MAX_AMOUNT_MINOR, MAX_BALANCE_MINOR
from msingi.payments.walking import LINE, Step, Walker, wrong

MAX_FILE_BYTES = 1024 * 1024 * 1024
MAX_LINES = 1_000_000
_BLOCK = "/Document/CstmrCdtTrfInitn/PmtInf"
_HEADER = "/Document/CstmrCdtTrfInitn/GrpHdr"
_PRIVATE = LINE + "/Cdtr/Id/PrvtId/Othr"
_TX_ = LINE + "/"
_WORDS = LINE + "/RmtInf/Ustrd"


class Line(Struct, frozen=True, gc=False, array_like=True):
    """One credit transfer of a file: `block` counts from 0."""

    block: int
    instruction_id: str
    end_to_end_id: str
    amount_minor: int
    number: str
    reference: str


class Block(Struct):
    """One payment block (PmtInf) of a file: paid out of `payer`, an account number; its first line's number."""

    block_id: str = ""
    payer: str = ""
    first_line: int = 1
    count: int = 0
    total_minor: int = 0


class Initiation(Struct):
    """A payment file as read: amounts in minor units of `currency`. `lines` are those not taken out yet."""

    currency: str
    message_id: str = ""
    message_at: str = ""
    blocks: list[Block] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    count: int = 0
    total_minor: int = 0


def read_initiation(raw: bytes, currency_of: Callable[[str], Currency], today: date) -> Initiation:
    """A payment file that is at hand, read whole; see `Reader`. Raises Malformed, TooLarge."""
    reader = Reader(currency_of, today)
    reader.feed(raw)
    found = reader.close()
    suspects = reader.repeated()
    known: set[str] = set()
    for number, line in enumerate(found.lines, 1):
        if hash(line.end_to_end_id) in suspects:
            if line.end_to_end_id in known:
                raise reader.same_id(found.blocks, number, line)
            known.add(line.end_to_end_id)
    return found


def repeated(hashes: Iterable[int]) -> set[int]:
    """The hashes that came more than once: of equal texts, or (hardly ever) by coincidence."""
    found: set[int] = set()
    for part in range(16):  # in parts, so that no million of numbers becomes objects at once
        some = sorted([one for one in hashes if one & 15 == part])
        found.update(one for one, other in pairwise(some) if one == other)
    return found


class Reader(Walker):
    """One pass over a file: `feed` it, take `file.lines` out as they come, `close` it.

    Checked are grammar, counts, control sums, amounts, and that there is one currency. `currency_of` gives the
    currency with an ISO 4217 code, and raises Malformed for one that is not used. All methods raise Malformed with
    `field` (the path of the element, counted from 1) and `rule`, or TooLarge.
    """

    def __init__(self, currency_of: Callable[[str], Currency], today: date) -> None:
        done = {path: method.__get__(self) for path, method in _DONE.items()}
        super().__init__(done, _WORDS)
        self.currency_of, self.today = currency_of, today.isoformat()
        self.currency: Currency | None = None
        self.file = Initiation("")
        self.size = 0
        self.ids = array("q")  # hashes of the end-to-end ids, keyed by the interpreter: nobody can aim at a collision
        self.header: dict[str, str] = {}
        self.block_header: dict[str, str] = {}
        self._amount = lru_cache(4096)(self._minor)
        self._rest, self._ended = b"", -1
        self._shapes: list[alike.Shape] = []
        self._within: tuple[Step, Step] | None = None  # the steps of a line and of its block, once there was one

    def feed(self, raw: bytes, last: bool = False) -> None:
        """Read on."""
        self.size += len(raw)
        if self.size > MAX_FILE_BYTES:
            raise TooLarge(limit_bytes=MAX_FILE_BYTES)
        raw, start = self._rest + raw, 0
        while (end := alike.END.search(raw, start)) is not None:
            base = self._fed - start
            self._parse(raw[start : end.end()])
            start = end.end()
            if self._ended + len(end[0]) == self._fed:  # a line ended exactly here, and not within a remark
                self._learn(raw[max(0, self._began - base) : start] if self._began >= base else b"")
                start = self._alike(raw, start)
        waits = bool(self._shapes) and not last and len(raw) - start <= alike.LONGEST
        self._rest = raw[start:] if waits else b""
        if not waits:
            self._parse(raw[start:], last)

    def _learn(self, raw: bytes) -> None:
        """Remember the shape of a line that the parser has just read, unless there are many already."""
        if self._plain and len(self._shapes) < alike.MOST_SHAPES and raw:
            shape = alike.shape_of(raw)
            if shape is not None:
                self._shapes.append(shape)

    def _alike(self, raw: bytes, start: int) -> int:
        """Take all the lines that follow and look like others; where the next one begins that does not."""
        if self._within is None or not self._shapes:
            return start
        self._step, above = self._within
        self._above.append(above)
        found = True
        while found:
            found = False
            for shape in self._shapes:
                match = shape.pattern.match(raw, start)
                texts = shape.texts_of(match) if match is not None else None
                if match is not None and texts is not None:
                    self._counts[LINE] += 1
                    alike.into(self._values, shape, texts, _TX_)
                    if _PRIVATE + "/Id" in self._values:
                        self._took_private()
                    self._took_line()
                    start, found = match.end(), True
                    break
        self._step = self._above.pop()
        return start

    def close(self) -> Initiation:
        """The file is over: what it says of itself must hold."""
        self.feed(b"", True)
        self._sums("/Document/CstmrCdtTrfInitn/GrpHdr", self.header, self.file.count, self.file.total_minor)
        return self.file

    def repeated(self) -> set[int]:
        """The hashes of end-to-end ids that came more than once."""
        return repeated(self.ids)

    def same_id(self, blocks: list[Block], number: int, line: Line) -> Malformed:
        """The refusal of a line whose end-to-end id another line of the file has; lines count from 1."""
        place = f"PmtInf[{line.block + 1}]/CdtTrfTxInf[{number - blocks[line.block].first_line + 1}]"
        path = f"/Document/CstmrCdtTrfInitn/{place}/PmtId/EndToEndId"
        return wrong(path, "unique", "Another line of the file has the same EndToEndId.")

    def _took_header(self) -> None:
        cut = len(_HEADER) + 1
        self.header = {path[cut:]: text for path, text in self._values.items()}
        self.file.message_id, self.file.message_at = self.header["MsgId"], self.header["CreDtTm"]
        self._values.clear()

    def _took_payer(self) -> None:
        """The head of a block: everything up to its debtor's account."""
        path, cut = self._path(), len(_BLOCK) + 1
        found = {key[cut:]: text for key, text in self._values.items()}
        for name in ("ReqdExctnDt/Dt", "ReqdExctnDt/DtTm"):
            if found.get(name, "")[:10] > self.today:
                due = f"{path.rpartition('/')[0]}/{name}"
                raise wrong(due, "not in the future", "The execution date has not come yet.")
        account = found.get("DbtrAcct/Id/Othr/Id")
        if account is None:
            raise wrong(f"{path}/Id/Othr/Id", "required", "The debtor's account is named by its account number.")
        self.block_header = found
        self.file.blocks.append(Block(found["PmtInfId"], account, self.file.count + 1))
        self._values.clear()

    def _took_private(self) -> None:
        """One of somebody's private identifications: of interest if it is of the stack's own scheme."""
        number, scheme = self._values.pop(_PRIVATE + "/Id"), self._values.pop(_PRIVATE + "/SchmeNm/Prtry", "")
        if scheme == SCHEME:
            self._values.setdefault(_PRIVATE, number)

    def _read_line(self) -> None:
        self._ended, self._within = self._parser.CurrentByteIndex, (self._step, self._above[-1])
        self._took_line()

    def _took_line(self) -> None:
        found, file = self._values, self.file
        code = found[LINE + "/Amt/InstdAmt/@Ccy"]
        if self.currency is None or code != file.currency:
            self._first_currency(code)
        amount = self._amount(found[LINE + "/Amt/InstdAmt"])
        end_to_end = found[LINE + "/PmtId/EndToEndId"]
        own = found.get(LINE + "/CdtrAcct/Id/Othr/SchmeNm/Prtry") == SCHEME
        number = found[LINE + "/CdtrAcct/Id/Othr/Id"] if own else found.get(_PRIVATE)
        if number is None:
            missing = f"{self._path()}/CdtrAcct/Id/Othr/Id"
            raise wrong(missing, f"scheme {SCHEME}", f"Name who is paid by identity number, scheme {SCHEME}.")
        if file.count >= MAX_LINES:
            raise TooLarge(limit_lines=MAX_LINES)
        self.ids.append(hash(end_to_end))
        block = file.blocks[-1]
        block.count += 1
        block.total_minor += amount
        file.count += 1
        file.total_minor += amount
        words = " ".join(found.get(_WORDS, "").split())[:140]
        instruction = found.get(LINE + "/PmtId/InstrId", "")
        file.lines.append(Line(len(file.blocks) - 1, instruction, end_to_end, amount, number, words))
        found.clear()
        if len(self._counts) > 2:  # parts of this line that can come again
            self._counts = {path: self._counts[path] for path in (_BLOCK, LINE)}

    def _first_currency(self, code: str) -> None:
        path = f"{self._path()}/Amt/InstdAmt/@Ccy"
        if self.currency is not None:
            raise wrong(path, "one-currency", "All amounts of a file are in one currency.")
        try:
            self.currency = self.currency_of(code)
        except Malformed as unknown:
            raise wrong(path, "known-currency", unknown.detail) from None
        self.file.currency = code

    def _minor(self, text: str) -> int:
        assert self.currency is not None
        path = f"{self._path()}/Amt/InstdAmt"
        whole, _, fraction = text.partition(".")
        try:
            amount = parse((whole.lstrip("0") or "0") + (f".{fraction}" if fraction else ""), self.currency)
        except Malformed as bad:
            raise wrong(path, str(bad.facts.get("rule", "decimal")), bad.detail) from None
        if not 0 < amount <= MAX_AMOUNT_MINOR:
            raise wrong(path, "largest amount" if amount else "above zero", "It is zero, or too large.")
        return amount

    def _took_block(self) -> None:
        block = self.file.blocks[-1]
        self._sums(self._path(), self.block_header, block.count, block.total_minor)
        self._values.clear()
        self._counts.pop(LINE, None)
        self._shapes.clear()  # another block may give names another meaning

    def _sums(self, path: str, header: dict[str, str], count: int, total_minor: int) -> None:
        if "NbOfTxs" in header and int(header["NbOfTxs"]) != count:
            raise wrong(f"{path}/NbOfTxs", "count", f"It says {header['NbOfTxs']} transfers; there are {count}.")
        assert self.currency is not None
        if total_minor > MAX_BALANCE_MINOR:
            raise wrong(path, "largest sum", "The amounts sum to more than any account can hold.")
        if "CtrlSum" in header and Decimal(header["CtrlSum"]) != Decimal(total := plain(total_minor, self.currency)):
            raise wrong(f"{path}/CtrlSum", "control-sum", f"It says {header['CtrlSum']}; the amounts sum to {total}.")


_DONE: dict[str, Callable[[Reader], None]] = {
    _HEADER: Reader._took_header,
    _BLOCK + "/DbtrAcct": Reader._took_payer,
    _PRIVATE: Reader._took_private,
    LINE: Reader._read_line,
    _BLOCK: Reader._took_block,
}
