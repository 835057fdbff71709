"""Outside shapes of issuance: what wallets send and get, and the orders of institutions."""

from typing import Any
from uuid import UUID

import msgspec

from msingi.credentials.forms.model import Format
from msingi.credentials.issuance.errors import (
    InvalidCredentialRequest,
    InvalidNotification,
    InvalidNotificationId,
    InvalidTransaction,
    UnknownConfiguration,
    UnknownIdentifier,
)
from msingi.credentials.issuance.kinds import Known
from msingi.credentials.issuance.model import HoldingId, Kind
from msingi.credentials.model import CardState, Reason
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.signin import wire
from msingi.signin.errors import FlowLost
from msingi.signin.provider.model import Held

DETAILS = "openid_credential"
EVENTS = ("credential_accepted", "credential_failure", "credential_deleted")
_REQUEST = {"credential_identifier", "credential_configuration_id", "proofs", "credential_response_encryption"}
_DRAFTS = {"proof", "format", "types", "vct", "doctype", "credential_definition"}


class StateOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to become of a holding, and why."""

    person_id: PersonId
    state: CardState
    reason: Reason


class OfferOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For whom an offer is to be made, and of which kind; `by_sms` sends the link to the person's phone."""

    person_id: PersonId
    kind: str
    by_sms: bool = False
    with_code: bool = True


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Approve or refuse."""

    approve: bool


class RequestDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Approve or refuse the request of a person's wallet."""

    person_id: PersonId
    approve: bool


class WalletProvider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider of wallets: the client id of its software, its name, its root certificate."""

    client_id: str
    name: str
    certificate: str


class Nonce(msgspec.Struct, frozen=True):
    """The answer of the nonce endpoint."""

    c_nonce: str


class Asked(msgspec.Struct, frozen=True):
    """A credential request that was read: of what, in which form, of which holding if one was named."""

    kind: Kind
    form: Format
    proofs: dict[str, Any]
    encryption: Any = None
    holding_id: HoldingId | None = None


def json_object(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises InvalidCredentialRequest."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidCredentialRequest("The body is not a JSON object.", field="body", rule="JSON object") from None


def identifier(configuration: str, holding_id: HoldingId) -> str:
    """A credential identifier: a configuration, and the holding that it is of."""
    return f"{configuration}~{holding_id.hex}"


def credential_request(found: dict[str, Any], held: Held, known: Known) -> Asked:
    """A credential request (OpenID4VCI 1.0, section 8.2), cut to what the access token allows.

    Raises InvalidCredentialRequest, UnknownConfiguration, UnknownIdentifier.
    """
    if stale := _DRAFTS & set(found):
        raise InvalidCredentialRequest(f"{min(stale)} belongs to a draft.", field=min(stale), rule="OpenID4VCI 1.0")
    named = [name for name in ("credential_identifier", "credential_configuration_id") if name in found]
    if len(named) != 1 or not isinstance(found[named[0]], str):
        raise InvalidCredentialRequest(
            "One credential is named, in one way.", field="credential_identifier", rule="exactly one name"
        )
    text, holding_id = found[named[0]], None
    missing: type[UnknownConfiguration | UnknownIdentifier] = UnknownConfiguration
    if named[0] == "credential_identifier":
        missing = UnknownIdentifier
        text, _, name = text.partition("~")
        try:
            holding_id = HoldingId(UUID(hex=name))
        except ValueError:
            raise UnknownIdentifier(field=named[0], rule="of this issuer") from None
    if text not in known.by_configuration:
        raise missing(field=named[0], rule="of this issuer")
    if text not in allowed(held):
        raise missing("The access token does not allow it.", field=named[0], rule="access token")
    proofs = found.get("proofs")
    if proofs is not None and not isinstance(proofs, dict):
        raise InvalidCredentialRequest("The proofs are an object.", field="proofs", rule="object")
    kind, form = known.by_configuration[text]
    return Asked(kind, form, proofs or {}, found.get("credential_response_encryption"), holding_id)


def allowed(held: Held) -> set[str]:
    """The configurations that an access token opens."""
    of_details = {str(d.get("credential_configuration_id")) for d in held.details if d.get("type") == DETAILS}
    return of_details | set(held.scopes)


def transaction_id(found: dict[str, Any]) -> str:
    """The transaction id of a deferred request. Raises InvalidTransaction."""
    text = found.get("transaction_id")
    if not isinstance(text, str):
        raise InvalidTransaction("The transaction id is missing.", field="transaction_id", rule="text")
    return text


def notification_id(stack: Stack, person_id: PersonId, holding_id: HoldingId) -> str:
    """What a wallet names when it tells what became of copies: sealed, so that it names nothing to anybody else."""
    return wire.seal(stack.seal, "notification", wire.Pointer(person_id, holding_id, b""))


def notification(stack: Stack, found: dict[str, Any], person_id: PersonId) -> tuple[HoldingId, str]:
    """The holding and the event of a notification (section 11.1).

    Raises InvalidNotification, InvalidNotificationId.
    """
    named, event = found.get("notification_id"), found.get("event")
    if not isinstance(named, str) or event not in EVENTS:
        raise InvalidNotification(field="event", rule=f"one of {', '.join(EVENTS)}")
    if not isinstance(found.get("event_description", ""), str):
        raise InvalidNotification(field="event_description", rule="text")
    try:
        pointer = wire.unseal(stack.seal, "notification", named, wire.Pointer)
    except FlowLost:
        raise InvalidNotificationId(rule="of this issuer") from None
    if pointer.person_id != person_id:
        raise InvalidNotificationId(rule="of this wallet")
    return HoldingId(pointer.item_id), str(event)
