"""Nouns of connecting: addresses that lead to an account, batches of credits, and what a check says of them."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Address(Struct, frozen=True):
    """Where a payee is paid: `payee` is the id that the institution knows them by, `address` an account number, a phone
    (E.164) or an identity number; `modality` is the institution's own word for the kind."""

    payee: str
    address: str
    modality: str = ""


class Credit(Struct, frozen=True):
    """One payment of a batch: `amount` is a plain decimal, `payee` as in `Address` or an identity number."""

    instruction_id: str
    payee: str
    amount: str
    reference: str = ""


class BatchOrder(Struct, frozen=True):
    """A batch of credits, from a source of the institution's; `request_id` and `batch_id` are the source's own."""

    request_id: str
    source_id: str
    batch_id: str
    currency: str
    credits: tuple[Credit, ...]


class Why(StrEnum):
    """Why somebody in a batch cannot be paid."""

    NOT_LINKED = "no address is linked to this payee"
    NOT_HERE = "the address leads to no account of this stack"
    NOT_IN_USE = "nobody in use is found"
    AMOUNT = "the amount is not one that can be paid"


class Failed(Struct, frozen=True):
    """A payment of a batch that cannot be made as things stand."""

    instruction_id: str
    why: Why


class Batch(Struct, frozen=True):
    """A batch that was checked or handed in: the payment file, once there is one, and what the last check found."""

    institution: str
    batch_id: str
    request_id: str
    source_id: str
    file_id: str | None
    content: bytes
    failed: tuple[Failed, ...]
    at: datetime
