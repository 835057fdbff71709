"""What GovStack's Payments building block says and hears: bulk payments and the account mapper, in both dialects.

The older dialect is the one that the test suite calls: every id has a fixed length, every answer a `ResponseCode` (00
taken, 01 not). The newer one is that of the specification's files, where lengths are maxima.
"""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.errors import Malformed, Outage, Refusal
from msingi.payments.connect.model import Address, BatchOrder, Credit

Id12 = Annotated[str, Meta(min_length=12, max_length=12)]
Id16 = Annotated[str, Meta(min_length=16, max_length=16)]
Id20 = Annotated[str, Meta(min_length=20, max_length=20)]
Code3 = Annotated[str, Meta(min_length=3, max_length=3, pattern="^[A-Z]{3}$")]
Words = Annotated[str, Meta(max_length=50)]
Money = Annotated[float | int | str, Meta(description="A decimal, as a number or as text.")]
_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,5})?", re.ASCII)
NO_ID = "000000000000"  # an answer's request id has twelve characters, also where the request had none
TAKEN, NOT_TAKEN = "00", "01"


class OldBeneficiary(Struct, frozen=True):
    """A payee of the older dialect; without an address the payee's id itself must be an identity number."""

    PayeeFunctionalID: Id20
    PaymentModality: Annotated[str, Meta(max_length=2)] = ""
    FinancialAddress: Annotated[str, Meta(max_length=30)] = ""


class OldRegister(Struct, frozen=True):
    """POST /register-beneficiary, /update-beneficiary-details."""

    RequestID: Id12
    SourceBBID: Id12
    Beneficiaries: Annotated[list[OldBeneficiary], Meta(min_length=1, max_length=1_000)]


class OldCredit(Struct, frozen=True):
    """A credit of the older dialect."""

    InstructionID: Id16
    PayeeFunctionalID: Id20
    Amount: Money
    Currency: Code3
    Narration: Words = ""


class OldBatch(Struct, frozen=True):
    """POST /bulk-payment."""

    RequestID: Id12
    SourceBBID: Id12
    BatchID: Id12
    CreditInstructions: Annotated[list[OldCredit], Meta(min_length=1, max_length=10_000)]


class CheckedCredit(Struct, frozen=True):
    """A credit to be checked: what it is for is required."""

    InstructionID: Id16
    PayeeFunctionalID: Id20
    Amount: Money
    Currency: Code3
    Narration: Words


class OldCheck(Struct, frozen=True):
    """POST /prepayment-validation."""

    RequestID: Id12
    SourceBBID: Id12
    BatchID: Id12
    CreditInstructions: Annotated[list[CheckedCredit], Meta(min_length=1, max_length=10_000)]


class OldAsked(Struct, frozen=True):
    """POST /prepayment-validation-response."""

    RequestID: Id12
    Source_BatchID: Id12


class Answer(Struct, frozen=True):
    """The answer of the older dialect."""

    ResponseCode: str
    ResponseDescription: str
    RequestID: str


class FailedAccount(Struct, frozen=True):
    """Somebody who cannot be paid."""

    InstructionID: str
    FailureReason: str


class CheckAnswer(Struct, frozen=True):
    """What a check found."""

    RequestID: str
    Source_BatchID: str
    NumberFailedCases: int
    FailedAccounts: list[FailedAccount]


class Beneficiary(Struct, frozen=True):
    """A payee of the specification."""

    payeeIdentity: Annotated[str, Meta(min_length=1, max_length=20)]
    paymentModality: Annotated[str, Meta(max_length=2)] = msgspec.field(default="", name="PaymentModality")
    financialAddress: Annotated[str, Meta(max_length=30)] = msgspec.field(default="", name="FinancialAddress")


class Register(Struct, frozen=True):
    """POST and PUT /identityAccountMapper/beneficiary."""

    RequestID: Annotated[str, Meta(min_length=1, max_length=12)]
    Beneficiaries: Annotated[list[Beneficiary], Meta(min_length=1, max_length=1_000)]


class Party(Struct, frozen=True):
    """One way to name a party: `key` is ours to read: accountnumber, msisdn, nationalid, payeeidentity."""

    key: str
    value: Annotated[str, Meta(min_length=1, max_length=40)]


class Transaction(Struct, frozen=True):
    """A credit of the specification; its `requestId` is the instruction's."""

    requestId: Annotated[str, Meta(min_length=1, max_length=16)]
    creditParty: Annotated[list[Party], Meta(min_length=1, max_length=4)]
    debitParty: Annotated[list[Party], Meta(min_length=1, max_length=4)]
    paymentMode: Annotated[str, Meta(max_length=20)]
    amount: Money
    currency: Code3
    descriptionText: Words = ""


def links(said: OldRegister | Register) -> list[Address]:
    """The addresses that a registration names."""
    if isinstance(said, OldRegister):
        return [Address(b.PayeeFunctionalID, b.FinancialAddress, b.PaymentModality) for b in said.Beneficiaries]
    return [Address(b.payeeIdentity, b.financialAddress, b.paymentModality) for b in said.Beneficiaries]


def batch(said: OldBatch | OldCheck) -> BatchOrder:
    """A batch of the older dialect. Raises Malformed unless it is in one currency."""
    currencies = {one.Currency for one in said.CreditInstructions}
    if len(currencies) > 1:
        raise Malformed("All amounts of a batch are in one currency.", field="Currency", rule="one-currency")
    credits = tuple(
        Credit(one.InstructionID, one.PayeeFunctionalID, _decimal(one.Amount), one.Narration)
        for one in said.CreditInstructions
    )
    return BatchOrder(said.RequestID, said.SourceBBID, said.BatchID, currencies.pop(), credits)


def transactions(said: list[Transaction], request_id: str, batch_id: str) -> BatchOrder:
    """A batch of the specification. Raises Malformed unless it is in one currency and from one payer."""
    if len({one.currency for one in said}) > 1:
        raise Malformed("All amounts of a batch are in one currency.", field="currency", rule="one-currency")
    sources = {one.debitParty[0].value for one in said}
    if len(sources) > 1:
        raise Malformed("A batch is paid by one party.", field="debitParty", rule="one-payer")
    credits = tuple(
        Credit(one.requestId, one.creditParty[0].value, _decimal(one.amount), one.descriptionText) for one in said
    )
    return BatchOrder(request_id, sources.pop(), batch_id, said[0].currency, credits)


def _decimal(amount: float | int | str) -> str:
    """An amount as a plain decimal. A JSON number is what it is written as: floats have at most four decimals here."""
    if isinstance(amount, float):
        text = f"{amount:.4f}".rstrip("0").rstrip(".")
        if float(text) != amount:
            raise Malformed("An amount has at most four decimals.", field="Amount", rule="decimals<=4")
        return text
    text = str(amount)
    if not _DECIMAL.fullmatch(text):
        raise Malformed("An amount is a plain decimal.", field="Amount", rule="decimal")
    return text


def id_of(raw: bytes) -> str:
    """The request id of a body, whatever else is wrong with it, so that the answer can name it."""
    try:
        said = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return NO_ID
    found = said.get("RequestID") if isinstance(said, dict) else None
    return found if isinstance(found, str) and len(found) == len(NO_ID) and found.isprintable() else NO_ID


def dialect(ending: Refusal | Outage, request_id: str) -> tuple[Any, str]:
    """A refusal as problem details, and as an answer of the older dialect beside it."""
    told, _ = web.problem(ending, request_id)
    words = f"{told.get('title', '')} {told.get('detail', '')}".strip()[:200]
    answer = {"ResponseCode": NOT_TAKEN, "ResponseDescription": words or "refused", "RequestID": NO_ID}
    return told | answer, "application/json"


Transactions = Annotated[list[Transaction], Meta(min_length=1, max_length=10_000)]
