"""The status report on a payment file: ISO 20022 pain.002.001.10, every line with its outcome."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from msingi.kernel.money import Currency, plain
from msingi.payments.grammar import PAIN_001
from msingi.payments.model import FileLine, PaymentFile

PAIN_002 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
# ISO 20022 external codes: settled on the creditor's account's side, rejected, still pending, some of each.
STATUS = {"paid": "ACSC", "rejected": "RJCT", "waiting": "PDNG"}
WORDS_MAX = 105
LINES_A_PIECE = 500


async def report_pieces(
    file: PaymentFile,
    message_at: str,
    currency: Currency,
    blocks: Sequence[tuple[str, AsyncIterable[FileLine]]],
    message_id: str,
    at: datetime,
) -> AsyncIterator[bytes]:
    """The report as XML, piece by piece, so that a million lines need no more memory than some hundred; `blocks` are
    (PmtInfId, its lines in order)."""
    out = BytesIO()
    with etree.xmlfile(out, encoding="UTF-8") as xml:
        xml.write_declaration()
        with xml.element("Document", nsmap={None: PAIN_002}), xml.element("CstmrPmtStsRpt"):
            with xml.element("GrpHdr"):
                _leaf(xml, "MsgId", message_id)
                _leaf(xml, "CreDtTm", _moment(at))
            _group(xml, file, message_at, currency)
            for block_id, lines in blocks:
                with xml.element("OrgnlPmtInfAndSts"):
                    _leaf(xml, "OrgnlPmtInfId", block_id)
                    written = 0
                    async for line in lines:
                        _transaction(xml, line)
                        written += 1
                        if written % LINES_A_PIECE == 0:
                            xml.flush()
                            yield _taken(out)
    yield _taken(out)


def _taken(out: BytesIO) -> bytes:
    """What was written since the last time."""
    piece = out.getvalue()
    out.seek(0)
    out.truncate()
    return piece


def group_status(file: PaymentFile) -> str:
    """The status of a whole file: received, in settlement, settled, rejected, or partly settled."""
    if file.state == "waiting":
        return "RCVD"
    if file.state != "finished":
        return "ACSP"
    if not file.rejected:
        return "ACSC"
    return "PART" if file.paid else "RJCT"


def _group(xml: Any, file: PaymentFile, message_at: str, currency: Currency) -> None:
    with xml.element("OrgnlGrpInfAndSts"):
        _leaf(xml, "OrgnlMsgId", file.message_id)
        _leaf(xml, "OrgnlMsgNmId", PAIN_001.rpartition(":")[2])
        _leaf(xml, "OrgnlCreDtTm", message_at)
        _leaf(xml, "OrgnlNbOfTxs", str(file.lines))
        _leaf(xml, "OrgnlCtrlSum", plain(file.total_minor, currency))
        _leaf(xml, "GrpSts", group_status(file))
        counts = {"paid": file.paid, "rejected": file.rejected, "waiting": file.lines - file.paid - file.rejected}
        for status, count in counts.items():
            if count:
                with xml.element("NbOfTxsPerSts"):
                    _leaf(xml, "DtldNbOfTxs", str(count))
                    _leaf(xml, "DtldSts", STATUS[status])


def _transaction(xml: Any, line: FileLine) -> None:
    with xml.element("TxInfAndSts"):
        _leaf(xml, "StsId", str(line.line))
        if line.instruction_id:
            _leaf(xml, "OrgnlInstrId", line.instruction_id)
        _leaf(xml, "OrgnlEndToEndId", line.end_to_end_id)
        _leaf(xml, "TxSts", STATUS[line.status])
        if line.reason:
            with xml.element("StsRsnInf"):
                with xml.element("Rsn"):
                    _leaf(xml, "Cd", line.reason)
                if line.why:
                    _leaf(xml, "AddtlInf", line.why[:WORDS_MAX])
        if line.at is not None:
            _leaf(xml, "AccptncDtTm", _moment(line.at))
        if line.transfer_id is not None:  # Max35Text: a UUID without its dashes
            _leaf(xml, "AcctSvcrRef", line.transfer_id.replace("-", ""))


def _leaf(xml: Any, name: str, text: str) -> None:
    with xml.element(name):
        xml.write(text)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
