"""Bank statements as they come: camt.053 of any version, and CSV by a mapping. Pure; nothing outside is ever opened."""

import csv
from collections.abc import Iterator
from datetime import date, datetime
from io import BytesIO, StringIO
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from msingi.kernel.errors import Malformed, TooLarge
from msingi.kernel.money import Currency, parse
from msingi.payments.reconciling.model import Line, Mapping, Statement

MAX_BYTES = 32 * 1024 * 1024
MAX_LINES = 20_000
_CAMT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."


def camt_053(raw: bytes, currency: Currency) -> Statement:
    """A statement in camt.053: booked entries only, batches by their details. Raises Malformed, TooLarge."""
    if len(raw) > MAX_BYTES:
        raise TooLarge(limit_bytes=MAX_BYTES)
    options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
    try:
        tree = etree.parse(BytesIO(raw), etree.XMLParser(remove_comments=True, remove_pis=True, **options))
    except etree.XMLSyntaxError as wrong:
        raise Malformed(f"This is no well-formed XML: {wrong.msg}", field="/", rule="well-formed") from None
    if tree.docinfo.doctype:
        raise Malformed("A statement has no document type declaration.", field="/", rule="no-doctype")
    root = tree.getroot()
    if not str(root.tag).startswith(f"{{{_CAMT}"):
        raise Malformed("This is no camt.053 statement.", field="/Document", rule="namespace")
    found = root.findall("{*}BkToCstmrStmt/{*}Stmt")
    if len(found) != 1:
        raise Malformed("Hand in one statement at a time.", field="Stmt", rule="exactly one")
    (statement,) = found
    lines: list[Line] = []
    for number, entry in enumerate(statement.findall("{*}Ntry"), 1):
        if _text(entry, "Sts/{*}Cd") in ("BOOK", "") and _text(entry, "Sts") != "PDNG":
            lines += _entry(entry, currency, f"Ntry[{number}]")
        if len(lines) > MAX_LINES:
            raise TooLarge(limit_lines=MAX_LINES)
    opening, closing = _balance(statement, ("OPBD", "PRCD"), currency), _balance(statement, ("CLBD",), currency)
    return Statement(_text(statement, "Id")[:35], currency.code, tuple(lines), opening, closing)


def _text(element: Any, path: str) -> str:
    found = element.find("/".join(f"{{*}}{name}" if "{" not in name else name for name in path.split("/")))
    return (found.text or "").strip() if found is not None else ""


def _signed(element: Any, indicator: str, currency: Currency, field: str) -> int:
    """The amount in an element, negative for what went out."""
    amount = element.find("{*}Amt")
    if amount is None or amount.get("Ccy") != currency.code:
        raise Malformed(f"Amounts are in {currency.code}.", field=f"{field}/Amt", rule="known-currency")
    if indicator not in ("CRDT", "DBIT"):
        raise Malformed("An entry is a credit or a debit.", field=f"{field}/CdtDbtInd", rule="CRDT or DBIT")
    try:
        minor = parse((amount.text or "").strip(), currency)
    except Malformed as wrong:
        raise Malformed(wrong.detail, field=f"{field}/Amt", rule=str(wrong.facts.get("rule", "decimal"))) from None
    return -minor if indicator == "DBIT" else minor


def _entry(entry: Any, currency: Currency, field: str) -> Iterator[Line]:
    indicator = _text(entry, "CdtDbtInd")
    whole = _signed(entry, indicator, currency, field)
    on = _day(_text(entry, "BookgDt/Dt") or _text(entry, "BookgDt/DtTm") or _text(entry, "ValDt/Dt"), field)
    reference = _text(entry, "AcctSvcrRef")
    details = entry.findall("{*}NtryDtls/{*}TxDtls")
    if len(details) > 1 and all(one.find("{*}Amt") is not None for one in details):
        parts = [_signed(one, _text(one, "CdtDbtInd") or indicator, currency, field) for one in details]
        if sum(parts) != whole:
            raise Malformed("A batch's details do not sum to its amount.", field=f"{field}/NtryDtls", rule="sum")
        for one, amount in zip(details, parts, strict=True):
            yield Line(on, amount, _reference(one), _end_to_end(one))
        return
    only = details[0] if len(details) == 1 else None
    named = _reference(only) if only is not None else ""
    yield Line(on, whole, (named or reference)[:40], _end_to_end(only) if only is not None else "")


def _reference(details: Any) -> str:
    return (_text(details, "Refs/AcctSvcrRef") or _text(details, "Refs/TxId") or _text(details, "Refs/InstrId"))[:40]


def _end_to_end(details: Any) -> str:
    found = _text(details, "Refs/EndToEndId")[:35]
    return "" if found == "NOTPROVIDED" else found


def _balance(statement: Any, kinds: tuple[str, ...], currency: Currency) -> int | None:
    for kind in kinds:
        for found in statement.findall("{*}Bal"):
            if _text(found, "Tp/CdOrPrtry/Cd") == kind:
                return _signed(found, _text(found, "CdtDbtInd"), currency, f"Bal[{kind}]")
    return None


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise Malformed("A booking date is YYYY-MM-DD.", field=f"{field}/BookgDt", rule="date") from None


def from_csv(raw: bytes, mapping: Mapping, currency: Currency, statement_id: str) -> Statement:
    """A statement in CSV, read by a mapping. Raises Malformed, naming row and column, or TooLarge."""
    if len(raw) > MAX_BYTES:
        raise TooLarge(limit_bytes=MAX_BYTES)
    if len(mapping.delimiter) != 1 or mapping.decimal not in (".", ","):
        raise Malformed("A delimiter is one character; a decimal sign is . or ,", field="mapping", rule="one character")
    try:
        rows = csv.DictReader(StringIO(raw.decode("utf-8-sig"), newline=""), delimiter=mapping.delimiter, strict=True)
        names = {mapping.date, mapping.amount, mapping.reference, mapping.end_to_end, mapping.debit, mapping.sign} - {
            ""
        }
        missing = sorted(names - set(rows.fieldnames or ()))
        if missing:
            raise Malformed("The file lacks a column that the mapping names.", field=missing[0], rule="known-column")
        lines = [_row(row, mapping, currency, number) for number, row in enumerate(rows, 2)]
    except UnicodeDecodeError:
        raise Malformed("The file is not written in UTF-8.", field="file", rule="utf-8") from None
    except csv.Error:
        raise Malformed("The file is no well-formed CSV.", field="file", rule="csv") from None
    if len(lines) > MAX_LINES:
        raise TooLarge(limit_lines=MAX_LINES)
    return Statement(statement_id[:35], currency.code, tuple(lines))


def _row(row: dict[str, str | None], mapping: Mapping, currency: Currency, number: int) -> Line:
    def cell(name: str) -> str:
        return (row.get(name) or "").strip() if name else ""

    try:
        on = datetime.strptime(cell(mapping.date), mapping.dates).date()
    except ValueError:
        raise Malformed("The date is not written as the mapping says.", field=f"row {number}", rule="date") from None
    amount = _minor(cell(mapping.amount), mapping, currency, number) if cell(mapping.amount) else 0
    if mapping.debit and cell(mapping.debit):
        amount -= abs(_minor(cell(mapping.debit), mapping, currency, number))
    if mapping.sign and cell(mapping.sign).upper() == mapping.out.upper():
        amount = -abs(amount)
    if not amount:
        raise Malformed("The row has no amount.", field=f"row {number}", rule="above zero")
    return Line(on, amount, cell(mapping.reference)[:40], cell(mapping.end_to_end)[:35])


def _minor(text: str, mapping: Mapping, currency: Currency, number: int) -> int:
    """An amount as people write it: blanks and the other of point and comma group its digits."""
    group = "," if mapping.decimal == "." else "."
    for ignored in (group, " ", "\u202f", "\u00a0", "'"):
        text = text.replace(ignored, "")
    whole, point, fraction = text.lstrip("+-").partition(mapping.decimal)
    plain = (whole.lstrip("0") or "0") + (f".{fraction}" if point else "")
    try:
        minor = parse(plain, currency)
    except Malformed as wrong:
        raise Malformed(wrong.detail, field=f"row {number}", rule=str(wrong.facts.get("rule", "decimal"))) from None
    return -minor if text.startswith("-") else minor
