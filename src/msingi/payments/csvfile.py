"""Payment files as CSV: a first row of column names, then one line for each person who is paid.

The columns are `id` (the end-to-end id), `number` (the identity number), `amount` (a plain decimal), and, if there is
one, `reference`; in any order, UTF-8, separated by commas, semicolons or tabs. What a pain.001 file says at its head
stands in the `Sheet`.
"""

import codecs
import csv
from array import array
from collections.abc import Callable

from msgspec import Struct

from msingi.kernel import clock
from msingi.kernel.errors import Malformed, TooLarge
from msingi.kernel.money import Currency, parse
from msingi.payments import wire
from msingi.payments.grammar import MAX35, MAX140
from msingi.payments.rules import MAX_AMOUNT_MINOR, MAX_BALANCE_MINOR

NEEDED = ("id", "number", "amount")
COLUMNS = (*NEEDED, "reference")
LONGEST_ROW = 4_096


class Sheet(Struct, frozen=True, forbid_unknown_fields=True):
    """What a CSV file cannot say itself: its id (1-35 characters), out of which account it is paid, the currency."""

    message_id: str
    payer: str
    currency: str


class Reader:
    """One pass over a CSV file; the same manners as `wire.Reader`."""

    def __init__(self, sheet: Sheet, currency_of: Callable[[str], Currency]) -> None:
        if not MAX35.pattern.fullmatch(sheet.message_id) or not sheet.message_id.isprintable():
            raise Malformed("A message id has 1 to 35 characters.", field="message_id", rule=MAX35.rule)
        self._currency = currency_of(sheet.currency)
        at = clock.now().isoformat(timespec="seconds")
        self.file = wire.Initiation(sheet.currency, sheet.message_id, at, [wire.Block(sheet.message_id, sheet.payer)])
        self.ids = array("q")
        self._size, self._row, self._rest = 0, 0, ""
        self._letters = codecs.getincrementaldecoder("utf-8-sig")()
        self._columns: list[str] = []
        self._delimiter = ","

    def feed(self, raw: bytes, last: bool = False) -> None:
        """Read on."""
        self._size += len(raw)
        if self._size > wire.MAX_FILE_BYTES:
            raise TooLarge(limit_bytes=wire.MAX_FILE_BYTES)
        try:
            text = self._rest + self._letters.decode(raw, last)
        except UnicodeDecodeError:
            raise self._wrong("", "utf-8", "The file is not written in UTF-8.") from None
        whole, newline, self._rest = text.rpartition("\n") if not last else (text, "", "")
        if len(self._rest) > LONGEST_ROW:
            raise self._wrong("", f"length<={LONGEST_ROW}", "A row is too long.")
        if whole or newline:
            self._take(whole.split("\n"))

    def _take(self, rows: list[str]) -> None:
        if not self._columns and rows:
            self._begin(rows.pop(0))
        try:
            for cells in csv.reader(rows, delimiter=self._delimiter, strict=True):
                self._row += 1
                if cells and cells != [""]:
                    self._line(cells)
        except csv.Error:
            raise self._wrong("", "csv", "The row is no well-formed CSV; a cell keeps to one row.") from None

    def _begin(self, row: str) -> None:
        """The names of the columns, and what separates them."""
        self._row = 1
        self._delimiter = max(",;\t", key=row.count)
        self._columns = [name.strip().strip('"').lower() for name in row.strip().split(self._delimiter)]
        if len(set(self._columns)) < len(self._columns) or set(self._columns) - set(COLUMNS):
            known = ", ".join(COLUMNS)
            raise self._wrong("", "known-columns", f"The first row names the columns, each once: {known}.")
        for name in NEEDED:
            if name not in self._columns:
                raise self._wrong(name, "required", "The first row lacks this column.")

    def _line(self, cells: list[str]) -> None:
        if len(cells) != len(self._columns):
            raise self._wrong("", "cells", f"The row has {len(cells)} cells, and {len(self._columns)} columns.")
        found = dict(zip(self._columns, map(str.strip, cells), strict=True))
        end_to_end, number, words = found["id"], found["number"], " ".join(found.get("reference", "").split())
        if not MAX35.pattern.fullmatch(end_to_end) or not end_to_end.isprintable():
            raise self._wrong("id", MAX35.rule, f"The text must be: {MAX35.rule}.")
        if not 1 <= len(number) <= 34:
            raise self._wrong("number", "text of 1 to 34 characters", "Name who is paid by identity number.")
        if words and not (MAX140.pattern.fullmatch(words) and words.isprintable()):
            raise self._wrong("reference", MAX140.rule, f"The text must be: {MAX140.rule}.")
        try:
            amount = parse(found["amount"], self._currency)
        except Malformed as bad:
            raise self._wrong("amount", str(bad.facts.get("rule", "decimal")), bad.detail) from None
        if not 0 < amount <= MAX_AMOUNT_MINOR:
            raise self._wrong("amount", "largest amount" if amount else "above zero", "It is zero, or too large.")
        if self.file.count >= wire.MAX_LINES:
            raise TooLarge(limit_lines=wire.MAX_LINES)
        self.ids.append(hash(end_to_end))
        self.file.count += 1
        self.file.total_minor += amount
        self.file.lines.append(wire.Line(0, "", end_to_end, amount, number, words))

    def close(self) -> wire.Initiation:
        """The file is over."""
        self.feed(b"", True)
        if not self.file.count:
            raise self._wrong("", "required", "The file has no lines.")
        if self.file.total_minor > MAX_BALANCE_MINOR:
            raise self._wrong("amount", "largest sum", "The amounts sum to more than any account can hold.")
        block = self.file.blocks[0]
        block.count, block.total_minor = self.file.count, self.file.total_minor
        return self.file

    def repeated(self) -> set[int]:
        """The hashes of ids that came more than once."""
        return wire.repeated(self.ids)

    def same_id(self, _: list[wire.Block], number: int, __: wire.Line) -> Malformed:
        """The refusal of a line whose id another line has."""
        return Malformed("Another line of the file has the same id.", field=f"line {number}, id", rule="unique")

    def _wrong(self, column: str, rule: str, text: str) -> Malformed:
        place = f"row {self._row}, {column}" if column else f"row {self._row}"
        return Malformed(text, field=place, rule=rule)
