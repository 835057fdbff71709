"""Checking a card with nothing but the issuer's public keys: no network, no database, no clock but the caller's.

The browser's verifier (`static/verifier.js`) takes the same numbered steps and gives the same verdicts.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from msingi.credentials import claim169, cose, statuslist
from msingi.credentials.claim169 import Claims
from msingi.credentials.errors import NotGenuine, Unreadable

Jwks = Mapping[str, Any] | Iterable[Mapping[str, Any]]


class State(StrEnum):
    """What a verifier may say. Only VALID means: accept."""

    VALID = "valid"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    UNDETERMINED = "undetermined"  # genuine and in date, but nobody could say whether it was revoked
    UNKNOWN_ISSUER = "unknown-issuer"
    NOT_GENUINE = "not-genuine"
    UNREADABLE = "unreadable"


class Step(msgspec.Struct, frozen=True):
    """One numbered step of the check: passed, failed, or (None) not possible to tell."""

    number: int
    name: str
    passed: bool | None
    reason: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """The answer about one card. `claims` is None unless the signature was verified."""

    state: State
    claims: Claims | None
    steps: tuple[Step, ...]

    @property
    def accepted(self) -> bool:
        return self.state is State.VALID


def verify_card(
    qr_text: str, jwks: Jwks, status_list: str | bytes | None, at: datetime, *, issuer: str = ""
) -> Verdict:
    """The verdict on the card whose QR code says `qr_text`, at the aware moment `at`.

    `jwks` are the issuer's public keys, `status_list` the signed list (JWT text or CWT bytes) that the card
    refers to, or None if it could not be had; `issuer`, if given, is the only accepted claim 1.
    Raises Unreadable if `jwks` is malformed, and nothing else, whatever `qr_text` and `status_list` are (law 4).
    """
    keys = cose.keys_of_jwks(jwks)
    steps: list[Step] = []
    try:
        # 1. The text is Base45 (RFC 9285) around one zlib stream of at most 64 KB (claim 169, "Encoding").
        message = claim169.unwrap(qr_text)
        # 2. In it is a COSE_Sign1 with an allowed algorithm that names its key (RFC 9052, 4.2).
        signed = cose.parse(message)
    except Unreadable as refusal:
        return _ended(steps, 1, "read", refusal, State.UNREADABLE)
    steps.append(Step(1, "read", True))
    try:
        # 3. The signature is of one of the issuer's keys (RFC 9052, 4.4).
        payload = cose.verify(signed, keys)
    except NotGenuine as refusal:
        state = State.UNKNOWN_ISSUER if refusal.facts.get("rule") == "key" else State.NOT_GENUINE
        return _ended(steps, 2, "signature", refusal, state)
    try:
        # 4. The payload is a CWT with claim 169 (RFC 8392, 7.2).
        claims = claim169.read_claims(payload)
    except Unreadable as refusal:
        return _ended(steps, 2, "signature", refusal, State.UNREADABLE)
    if issuer and claims.issuer != issuer:
        return _ended(steps, 2, "signature", NotGenuine("Another issuer signed this."), State.UNKNOWN_ISSUER)
    steps.append(Step(2, "signature", True))
    # 5. The moment lies within `nbf` and `exp` (RFC 8392, 3.1.4 and 3.1.5).
    in_date = _dates(claims, at)
    steps.append(Step(3, "dates", in_date is State.VALID, "" if in_date is State.VALID else in_date.value))
    # 6. A current status list of the issuer says that the card was not ended (Token Status List, 8.3).
    status, reason = _status(claims, keys, status_list, at)
    steps.append(Step(4, "status", None if status is State.UNDETERMINED else status is State.VALID, reason))
    return Verdict(_first_reason(in_date, status), claims, tuple(steps))


def _ended(steps: list[Step], number: int, name: str, refusal: Exception, state: State) -> Verdict:
    return Verdict(state, None, (*steps, Step(number, name, False, str(refusal))))


def _dates(claims: Claims, at: datetime) -> State:
    moment = at.timestamp()
    if claims.expires is not None and moment >= claims.expires:
        return State.EXPIRED
    if claims.not_before is not None and moment < claims.not_before:
        return State.NOT_YET_VALID
    return State.VALID


def _status(
    claims: Claims, keys: Mapping[bytes, cose.VerificationKey], token: str | bytes | None, at: datetime
) -> tuple[State, str]:
    """What the status list says; UNDETERMINED, never REVOKED, whenever it cannot be relied on (law 5)."""
    if claims.status is None:
        return State.VALID, "The card refers to no status list."
    if token is None:
        return State.UNDETERMINED, "No status list was at hand."
    try:
        current = statuslist.read(token, keys)
        if current.uri != claims.status.uri:
            return State.UNDETERMINED, "The status list is another one than the card names."
        moment = at.timestamp()
        if (current.expires is not None and moment >= current.expires) or moment + 300 < current.issued_at:
            return State.UNDETERMINED, "The status list is out of date."
        value = current.entries.status(claims.status.index)
    except (Unreadable, NotGenuine) as refusal:
        return State.UNDETERMINED, str(refusal)
    as_of = datetime.fromtimestamp(current.issued_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if value == statuslist.Status.VALID:
        return State.VALID, f"As of {as_of}."
    if value == statuslist.Status.SUSPENDED:
        return State.SUSPENDED, f"As of {as_of}."
    return State.REVOKED, f"As of {as_of}."


def _first_reason(in_date: State, status: State) -> State:
    """The state to tell: an ended card first, then the dates, then what is not known."""
    if status in (State.REVOKED, State.SUSPENDED):
        return status
    if in_date is not State.VALID:
        return in_date
    return status
