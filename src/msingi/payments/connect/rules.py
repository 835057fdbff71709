"""The laws of connecting as pure functions: what an address is, and the table that a batch becomes."""

import csv
import re
from collections.abc import Mapping
from io import StringIO

from msingi.kernel.errors import Malformed
from msingi.payments.connect.model import Address, BatchOrder

MAX_CREDITS = 10_000
MAX_LINKS = 1_000
_NUMBER = re.compile(r"[1-9][0-9]{11}|[1-9][0-9]{15}", re.ASCII)  # an identity number, or a virtual id
_ACCOUNT = re.compile(r"[0-9]{13}", re.ASCII)
_PHONE = re.compile(r"\+[1-9][0-9]{7,14}", re.ASCII)
_MODALITY = re.compile(r"[A-Za-z0-9 _-]{0,20}")
NOWHERE = "none"


def check_address(one: Address, field: str) -> None:
    """Raises Malformed unless payee, address and modality are of the right form."""
    if not 1 <= len(one.payee) <= 40 or not one.payee.isprintable():
        raise Malformed("A payee's id has 1 to 40 printable characters.", field=f"{field}.payee", rule="length<=40")
    if len(one.address) > 40 or not (one.address.isprintable() or not one.address):
        raise Malformed("An address has at most 40 characters.", field=f"{field}.address", rule="length<=40")
    if not _MODALITY.fullmatch(one.modality):
        raise Malformed("A modality is a short word.", field=f"{field}.modality", rule="length<=20")


def payable(address: str) -> str:
    """An address as a payment file names it: an identity number, `account:`, `tel:`, or `none` for all others."""
    if _ACCOUNT.fullmatch(address):
        return f"account:{address}"
    if _PHONE.fullmatch(address):
        return f"tel:{address}"
    return address if _NUMBER.fullmatch(address) else NOWHERE


def destination(payee: str, linked: Mapping[str, str]) -> str | None:
    """Where a payee is paid: where they are linked to, else by identity number if the id is one, else None."""
    if linked.get(payee):
        return payable(linked[payee])
    return payee if _NUMBER.fullmatch(payee) else None


def check_batch(batch: BatchOrder) -> None:
    """Raises Malformed unless a batch has credits, each with an id of its own, and not too many."""
    if not 1 <= len(batch.credits) <= MAX_CREDITS:
        raise Malformed(
            f"A batch has 1 to {MAX_CREDITS} credits; hand larger ones in as a payment file.",
            field="credits",
            rule=f"count 1..{MAX_CREDITS}",
        )
    if len({one.instruction_id for one in batch.credits}) < len(batch.credits):
        raise Malformed("Two credits have the same id.", field="credits.instruction_id", rule="unique")


def table(batch: BatchOrder, linked: Mapping[str, str]) -> bytes:
    """The batch as a payment file in CSV."""
    out = StringIO()
    written = csv.writer(out, lineterminator="\n")
    written.writerow(("id", "number", "amount", "reference"))
    for one in batch.credits:
        where = destination(one.payee, linked) or NOWHERE
        written.writerow((one.instruction_id, where, one.amount, " ".join(one.reference.split())))
    return out.getvalue().encode()
