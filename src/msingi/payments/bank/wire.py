"""A statement for software: ISO 20022 camt.053.001.08 for banks, CSV (RFC 4180) for spreadsheets."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import Any, Final

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from msingi.kernel.money import Currency, plain
from msingi.payments.bank.model import Booked
from msingi.payments.model import Entry

CAMT_053: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
CSV_HEAD: Final = ("booked", "transfer", "other_side", "reference", "kind", "amount", "balance", "currency")
RETURNED: Final = {"UNCL": "NOAS"}  # ISO 20022 ExternalReturnReason1Code: no answer from the customer
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def to_csv(statement: Booked, currency: Currency) -> bytes:
    """A table with one line for each entry, between lines for the opening and the closing balance.

    A text that a spreadsheet would take for a formula gets an apostrophe before it (CWE-1236).
    """
    out = StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(CSV_HEAD)

    def balance(kind: str, at: datetime, minor: int) -> None:
        table.writerow((_moment(at), "", "", "", kind, "", plain(minor, currency), statement.currency))

    balance("opening", statement.start, statement.opening_minor)
    for e in statement.entries:
        words = (_harmless(e.other), _harmless(e.reference), _harmless(e.code))
        amounts = (plain(e.amount_minor, currency), plain(e.balance_minor, currency))
        table.writerow((_moment(e.at), e.transfer_id, *words, *amounts, statement.currency))
    balance("closing", statement.stop, statement.closing_minor)
    return out.getvalue().encode("utf-8-sig")


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def to_camt_053(statement: Booked, currency: Currency, servicer: str) -> bytes:
    """The statement as camt.053.001.08; `servicer` is the name of the bank that keeps the account.

    The closing balance of a day that is not over is interim (ITBD), of a whole one final (CLBD).
    """
    out = BytesIO()
    with etree.xmlfile(out, encoding="UTF-8") as file:
        file.write_declaration()
        xml = _Writer(file, currency)
        with file.element("Document", nsmap={None: CAMT_053}), file.element("BkToCstmrStmt"):
            with file.element("GrpHdr"):
                xml.leaf("MsgId", f"{statement.statement_id}-{statement.made_at:%H%M%S}")
                xml.leaf("CreDtTm", _moment(statement.made_at))
            with file.element("Stmt"):
                _statement(xml, statement, servicer)
    return out.getvalue()


class _Writer:
    """Elements of one file, amounts in one currency."""

    def __init__(self, file: Any, currency: Currency) -> None:
        self.file = file
        self.currency = currency

    def leaf(self, name: str, text: str, **attributes: str) -> None:
        with self.file.element(name, **attributes):
            self.file.write(text)

    @contextmanager
    def within(self, *names: str) -> Iterator[None]:
        if not names:
            yield
            return
        with self.file.element(names[0]), self.within(*names[1:]):
            yield

    def amount(self, minor: int) -> None:
        """The amount without its sign, then what it is for the account: credit or debit."""
        self.leaf("Amt", plain(abs(minor), self.currency), Ccy=self.currency.code)
        self.leaf("CdtDbtInd", "DBIT" if minor < 0 else "CRDT")


def _statement(xml: _Writer, statement: Booked, servicer: str) -> None:
    whole = statement.stop < statement.made_at
    xml.leaf("Id", statement.statement_id)
    xml.leaf("CreDtTm", _moment(statement.made_at))
    with xml.within("FrToDt"):
        xml.leaf("FrDtTm", _moment(statement.start))
        xml.leaf("ToDtTm", _moment(statement.stop))
    with xml.within("Acct"):
        with xml.within("Id", "Othr"):
            xml.leaf("Id", statement.account)
        xml.leaf("Ccy", statement.currency)
        if statement.holder:
            with xml.within("Ownr"):
                xml.leaf("Nm", statement.holder[:140])
        with xml.within("Svcr", "FinInstnId"):
            xml.leaf("Nm", servicer[:140])
    _balance(xml, "OPBD", statement.opening_minor, statement.start)
    _balance(xml, "CLBD" if whole else "ITBD", statement.closing_minor, statement.stop)
    _summary(xml, statement.entries)
    for entry in statement.entries:
        _entry(xml, entry, statement)


def _balance(xml: _Writer, kind: str, minor: int, at: datetime) -> None:
    with xml.within("Bal"):
        with xml.within("Tp", "CdOrPrtry"):
            xml.leaf("Cd", kind)
        xml.amount(minor)
        with xml.within("Dt"):
            xml.leaf("DtTm", _moment(at))


def _summary(xml: _Writer, entries: list[Entry]) -> None:
    received = [e.amount_minor for e in entries if e.amount_minor > 0]
    paid = [-e.amount_minor for e in entries if e.amount_minor < 0]
    net = sum(received) - sum(paid)
    with xml.within("TxsSummry"):
        with xml.within("TtlNtries"):
            xml.leaf("NbOfNtries", str(len(entries)))
            xml.leaf("Sum", plain(sum(received) + sum(paid), xml.currency))
            with xml.within("TtlNetNtry"):
                xml.leaf("Amt", plain(abs(net), xml.currency))
                xml.leaf("CdtDbtInd", "DBIT" if net < 0 else "CRDT")
        for name, amounts in (("TtlCdtNtries", received), ("TtlDbtNtries", paid)):
            with xml.within(name):
                xml.leaf("NbOfNtries", str(len(amounts)))
                xml.leaf("Sum", plain(sum(amounts), xml.currency))


def _entry(xml: _Writer, entry: Entry, statement: Booked) -> None:
    received = entry.amount_minor > 0
    reference = entry.transfer_id.replace("-", "")  # Max35Text: a UUID without its dashes
    with xml.within("Ntry"):
        xml.leaf("NtryRef", str(entry.seq))
        xml.amount(entry.amount_minor)
        with xml.within("Sts"):
            xml.leaf("Cd", "BOOK")
        for name in ("BookgDt", "ValDt"):
            with xml.within(name):
                xml.leaf("DtTm", _moment(entry.at))
        xml.leaf("AcctSvcrRef", reference)
        with xml.within("BkTxCd"):
            with xml.within("Domn"):
                xml.leaf("Cd", "PMNT")
                with xml.within("Fmly"):
                    xml.leaf("Cd", "RCDT" if received else "ICDT")
                    xml.leaf("SubFmlyCd", "DMCT")
            with xml.within("Prtry"):
                xml.leaf("Cd", entry.code)
        with xml.within("NtryDtls", "TxDtls"):
            with xml.within("Refs"):
                xml.leaf("AcctSvcrRef", reference)
            xml.amount(entry.amount_minor)
            with xml.within("RltdPties", "Dbtr" if received else "Cdtr", "Pty"):
                xml.leaf("Nm", entry.other[:140])
            if entry.reference:
                with xml.within("RmtInf"):
                    xml.leaf("Ustrd", entry.reference[:140])
            if entry.code in RETURNED:
                with xml.within("RtrInf", "Rsn"):
                    xml.leaf("Cd", RETURNED[entry.code])


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
