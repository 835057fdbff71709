"""What G2P Connect 1.0.0 says and hears: envelopes, disbursements, the account mapper; and the envelope's signature.

An address is written `type:id@provider`, such as `account:7475614951182@msingi` or `mobile:+255700000001@anybody`: what
counts here is the id. (CDPI, G2P Connect, Interoperability APIs: Disbursements and Account mapper, version 1.0.0.)
"""

import base64
import hashlib
import re
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct, field

from msingi.kernel.errors import Malformed
from msingi.payments.connect.model import Address, BatchOrder, Credit
from msingi.payments.model import FileLine, FileState

VERSION = "1.0.0"
SIGNED_FOR = timedelta(minutes=5)
Ref = Annotated[str, Meta(min_length=1, max_length=35)]
Fa = Annotated[str, Meta(min_length=1, max_length=80)]
Amount = Annotated[str, Meta(pattern=r"^[0-9]{1,13}(\.[0-9]{1,2})?$")]
_URI = re.compile(r"(?:[a-z][a-z0-9-]{0,20}:)?([^@:\s]{1,40})(?:@[A-Za-z0-9.-]{1,80})?", re.IGNORECASE)
_SIGNED = re.compile(r'([a-z]+)="([^"]*)"', re.IGNORECASE)
_REASONS = {"AC": "rjct.payee_fa.invalid", "AM": "rjct.amount.invalid"}
_BY_CODE = {"AM04": "rjct.payer_fa.invalid", "AM03": "rjct.currency_code.invalid"}


class Header(Struct, frozen=True):
    """Who sends which message. `total_count` is that of its requests."""

    message_id: Annotated[str, Meta(min_length=1, max_length=99)]
    message_ts: Annotated[str, Meta(max_length=40)]
    action: Annotated[str, Meta(max_length=20)]
    sender_id: Annotated[str, Meta(min_length=1, max_length=99)]
    total_count: int
    version: str = VERSION
    sender_uri: Annotated[str, Meta(max_length=300)] = ""
    receiver_id: Annotated[str, Meta(max_length=99)] = ""
    is_msg_encrypted: bool = False


class Envelope(Struct, frozen=True):
    """A message as it comes: header and message are kept as they were written, for that is what is signed."""

    header: msgspec.Raw
    message: msgspec.Raw
    signature: Annotated[str, Meta(max_length=2_000)] = ""


class Disbursement(Struct, frozen=True):
    """One payment."""

    reference_id: Ref
    payer_fa: Fa
    payee_fa: Fa
    amount: Amount
    currency_code: Annotated[str, Meta(max_length=3)] = ""
    note: Annotated[str, Meta(max_length=99)] = ""
    scheduled_timestamp: Annotated[str, Meta(max_length=40)] = ""


class Disburse(Struct, frozen=True):
    """Disbursements to make. The published schema requires a misspelt member; both spellings are heard."""

    transaction_id: Ref
    disbursements: Annotated[list[Disbursement], Meta(max_length=10_000)] = field(default_factory=list)
    disburemsents: Annotated[list[Disbursement], Meta(max_length=10_000)] = field(default_factory=list)


class Linked(Struct, frozen=True):
    """One request to the mapper: `id` is the payee's, `fa` where they are paid."""

    reference_id: Annotated[str, Meta(min_length=1, max_length=99)]
    timestamp: Annotated[str, Meta(max_length=40)]
    id: Annotated[str, Meta(max_length=80)] = ""
    fa: Annotated[str, Meta(max_length=80)] = ""
    scope: Annotated[str, Meta(max_length=10)] = "yes_no"


class Mapped(Struct, frozen=True):
    """Requests to the mapper; which of the members is there depends on the action."""

    transaction_id: Annotated[str, Meta(min_length=1, max_length=99)]
    link_request: list[Linked] = field(default_factory=list)
    update_request: list[Linked] = field(default_factory=list)
    unlink_request: list[Linked] = field(default_factory=list)
    resolve_request: list[Linked] = field(default_factory=list)


class Asked(Struct, frozen=True):
    """Which disbursements are asked for: a transaction, or some references of it."""

    reference_id: Annotated[str, Meta(max_length=99)]
    txn_type: str
    attribute_type: str
    attribute_value: str | list[str]


class StatusAsked(Struct, frozen=True):
    """A question for the state of a transaction."""

    transaction_id: Ref
    txnstatus_request: Asked


def read(raw: bytes | msgspec.Raw, shape: Any) -> Any:
    """A part of a message. Raises Malformed, naming what is wrong."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Malformed(str(wrong)[:160], field="message", rule="shape") from None


def plain(uri: str) -> str:
    """What a person id or a financial address names, without its type and provider; case does not count.

    Raises Malformed for what is neither.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise Malformed("It is written type:id@provider.", field="fa", rule="type:id@provider")
    return found[1].lower()


def payments_of(said: Disburse) -> list[Disbursement]:
    """The disbursements of a message, however their name is spelt. Raises Malformed if there are none."""
    found = said.disbursements or said.disburemsents
    if not found:
        raise Malformed("There are no disbursements.", field="disbursements", rule="required")
    return found


def batch_of(said: Disburse, message_id: str, currency: str) -> BatchOrder:
    """The disbursements as a batch. Raises Malformed unless one party pays them all, now, in one currency."""
    wanted = payments_of(said)
    if len({one.payer_fa.lower() for one in wanted}) > 1:
        raise Malformed("One party pays all disbursements of a message.", field="payer_fa", rule="one-payer")
    if len({one.currency_code or currency for one in wanted}) > 1:
        raise Malformed("All disbursements are in one currency.", field="currency_code", rule="one-currency")
    if any(one.scheduled_timestamp for one in wanted):
        raise Malformed("Disbursements are made once they are approved.", field="scheduled_timestamp", rule="absent")
    credits = tuple(Credit(one.reference_id, plain(one.payee_fa), one.amount, one.note) for one in wanted)
    payer = plain(wanted[0].payer_fa)
    return BatchOrder(message_id, payer, said.transaction_id, wanted[0].currency_code or currency, credits)


def address_of(one: Linked) -> Address:
    """The address that a request to the mapper links. Raises Malformed."""
    return Address(plain(one.id), plain(one.fa), "g2p-connect")


def status_of(line: FileLine, file: FileState, at: datetime) -> dict[str, Any]:
    """How far one disbursement is."""
    told: dict[str, Any] = {"reference_id": line.end_to_end_id, "timestamp": moment(line.at or at)}
    if line.status == "paid":
        return told | {"status": "succ"}
    if line.status == "rejected":
        code = _BY_CODE.get(line.reason) or _REASONS.get(line.reason[:2], "rjct.payee_fa.invalid")
        return told | {"status": "rjct", "status_reason_code": code, "status_reason_message": line.why}
    return told | {"status": "rcvd" if file is FileState.WAITING else "pdng"}


def moment(at: datetime) -> str:
    """An instant as the specification writes it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def signed_text(header: bytes, message: bytes, created: int, expires: int) -> bytes:
    """What is signed: creation, expiry, and the SHA-512 of header and message as they are written."""
    digest = base64.b64encode(hashlib.sha512(header + message).digest()).decode()
    return f"(created): {created}\n(expires): {expires}\ndigest: SHA-512={digest}".encode()


def signature_text(sender: str, key_id: str, created: int, expires: int, signature: bytes) -> str:
    """A signature as the envelope carries it."""
    return (
        f'Signature: namespace="g2p", kidId="{sender}|{key_id}|ed25519", algorithm="ed25519", created="{created}", '
        f'expires="{expires}", headers="(created) (expires) digest", signature="{base64.b64encode(signature).decode()}"'
    )


def is_signed(envelope: Envelope, sender: str, key: bytes, now_s: int) -> bool:
    """Whether an envelope carries its sender's own Ed25519 signature (`key`: 32 bytes), and it is not over yet."""
    parts = dict(_SIGNED.findall(envelope.signature))
    try:
        created, expires = int(parts.get("created", "")), int(parts.get("expires", ""))
        signature = base64.b64decode(parts.get("signature", ""), validate=True)
        if parts.get("kidId", "").split("|")[0] != sender or not created - 60 <= now_s <= expires:
            return False
        text = signed_text(bytes(envelope.header), bytes(envelope.message), created, expires)
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except (ValueError, InvalidSignature):
        return False
    return True
