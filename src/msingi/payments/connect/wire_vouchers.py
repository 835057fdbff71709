"""What GovStack's Payments building block says and hears of vouchers and bills, in both dialects."""

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from msingi.payments.vouchers.model import State

Digits = str | int
Words = Annotated[str, Meta(min_length=1, max_length=80)]
Id12 = Annotated[str, Meta(min_length=1, max_length=12)]
SERIAL = re.compile(r"[0-9]{1,25}", re.ASCII)
DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,4})?", re.ASCII)
WRITTEN = re.compile(r"[0-9A-Za-z_-]{1,40}", re.ASCII)
STATUS = {
    State.WAITING: "Pre-Activated",
    State.ACTIVE: "Activated",
    State.BLOCKED: "Blocked",
    State.CANCELLED: "Purged",
}
NUMBERED = {
    State.WAITING: 1,
    State.ACTIVE: 2,
    State.CANCELLED: 3,
    State.USED: 4,
    State.BLOCKED: 5,
    State.EXPIRED: 6,
}


class OldWanted(Struct, frozen=True):
    """POST /vouchers/voucher_preactivation; every member is judged with a status of its own."""

    voucher_amount: Any = None
    voucher_currency: Any = None
    voucher_group: Any = None
    Gov_Stack_BB: Any = None
    voucher_comment: Annotated[str, Meta(max_length=140)] = ""


class OldMade(Struct, frozen=True):
    """A voucher that was issued."""

    voucher_number: str
    voucher_serial_number: str
    expiry_date_time: datetime


class OldActivation(Struct, frozen=True):
    """PATCH /vouchers/voucher_activation."""

    voucher_serial_number: Digits
    Gov_Stack_BB: Words


class OldCancellation(Struct, frozen=True):
    """PATCH /vouchers/voucherstatuscheck/{serial}."""

    voucherserialnumber: Digits
    Gov_Stack_BB: Words


class OldRedemption(Struct, frozen=True):
    """POST /vouchers/voucher_redemption. `merchant_voucher_group` and `override` are heard and not believed: what a
    shop may take stands in the register of approved shops."""

    voucher_number: Digits
    Gov_Stack_BB: Words
    merchant_name: Words
    merchant_bank_details: Words
    merchant_voucher_group: Words
    override: bool | str = False


class Instruction(Struct, frozen=True):
    """One voucher to create."""

    instructionID: Annotated[str, Meta(min_length=1, max_length=16)]
    groupCode: Annotated[str, Meta(min_length=1, max_length=40)]
    currency: Annotated[str, Meta(min_length=3, max_length=3)]
    amount: float | int | str
    payeeFunctionalID: Annotated[str, Meta(max_length=20)] = ""
    narration: Annotated[str, Meta(max_length=50)] = ""


class Creation(Struct, frozen=True):
    """POST /vouchers."""

    requestID: Id12
    batchID: Id12
    voucherInstructions: Annotated[list[Instruction], Meta(min_length=1, max_length=1_000)]


class Named(Struct, frozen=True):
    """A voucher by its serial number."""

    serialNumber: Annotated[str, Meta(min_length=1, max_length=25)]


class Change(Struct, frozen=True):
    """POST /vouchers?command=cancel, PUT /vouchers?command=activate; names may begin with capitals."""

    requestID: Id12
    voucherInstructions: Annotated[list[Named], Meta(min_length=1, max_length=1_000)]
    batchID: Annotated[str, Meta(max_length=12)] = ""


class Redemption(Struct, frozen=True):
    """POST /vouchers, of a voucher: serial and secret number, and the shop's number."""

    requestID: Id12
    voucherSerialNumber: Annotated[str, Meta(min_length=1, max_length=25)]
    agentID: Annotated[str, Meta(min_length=1, max_length=10)]
    voucherSecretNumber: Annotated[str, Meta(min_length=1, max_length=25)]


class BillPayment(Struct, frozen=True):
    """POST /billTransferRequests: a payer's institution pays a bill that it inquired about."""

    requestId: Id12
    billInquiryRequestId: Id12
    billId: Annotated[str, Meta(min_length=1, max_length=20)]
    paymentReferenceID: Annotated[str, Meta(min_length=1, max_length=16)]


def lowered(raw: bytes) -> bytes:
    """A body whose members' names begin with small letters, as the specification's files cannot agree."""
    said = msgspec.json.decode(raw)
    if isinstance(said, dict):
        said = {_small(name): value for name, value in said.items()}
    return msgspec.json.encode(said)


def _small(name: str) -> str:
    return name[:1].lower() + name[1:]
