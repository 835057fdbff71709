"""The laws of issuance as pure functions: what a value may be, how long things last, what may become of a holding."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec

from msingi.credentials.errors import Unreadable
from msingi.credentials.issuance.errors import HoldingEnded, InvalidProofOfKey, OwnProposal, RequestDenied, ValueWrong
from msingi.credentials.issuance.model import ClaimKind, ClaimRule, Holding, Kind, Values
from msingi.credentials.model import CardState, Reason

OFFER_MINUTES = 15
TX_TRIES = 5
TX_DIGITS = 6
NONCE_S = 300
DEFERRED_INTERVAL_S = 30
DEFERRED_DAYS = 30
MAX_TEXT = 400
MAX_ROWS = 40
MAX_PICTURE = 60_000
_STATES = {
    "suspended": (CardState.SUSPENDED, Reason.HOLDER_SUSPENDED),
    "active": (CardState.ACTIVE, Reason.HOLDER_REINSTATED),
    "deactivated": (CardState.REVOKED, Reason.HOLDER_DEACTIVATED),
    "deceased": (CardState.REVOKED, Reason.HOLDER_DEACTIVATED),
    "merged": (CardState.SUSPENDED, Reason.HOLDER_SUSPENDED),  # a merge can be undone
}


def stated(kind: Kind, given: Mapping[str, Any]) -> Values:
    """What an institution stated for its own claims, checked against the kind. Raises ValueWrong, naming the claim."""
    own = {claim.key: claim for claim in kind.claims if claim.source == "institution"}
    for key in given:
        if key not in own:
            raise ValueWrong("The credential type has no such claim to fill in.", field=key[:60], rule="known")
    found: Values = {}
    for key, claim in own.items():
        value = given.get(key)
        if value is None or value == "" or value == []:
            if claim.required:
                raise ValueWrong("This value is needed.", field=key, rule="required")
            continue
        found[key] = _fitting(claim, value)
    return found


def _fitting(claim: ClaimRule, value: Any) -> Any:
    match claim.kind:
        case ClaimKind.FLAG:
            return _wanted(claim, value, isinstance(value, bool), "true or false")
        case ClaimKind.NUMBER:
            fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
            return _wanted(claim, value, fits, "a whole number")
        case ClaimKind.DATE:
            return _wanted(claim, value, isinstance(value, str) and is_day(value), "a date as YYYY-MM-DD")
        case ClaimKind.LIST:
            fits = isinstance(value, list) and len(value) <= MAX_ROWS and all(_is_text(v, claim) for v in value)
            return _wanted(claim, value, fits, f"a list of at most {MAX_ROWS} known texts")
        case ClaimKind.TABLE:
            fits = isinstance(value, list) and len(value) <= MAX_ROWS and all(_is_row(v, claim) for v in value)
            return _wanted(claim, value, fits, f"rows with {', '.join(claim.members)}; dates as YYYY-MM-DD")
        case ClaimKind.PICTURE:
            return _picture(claim, value)
    return _wanted(claim, value, _is_text(value, claim), "one of the choices" if claim.choices else "a short text")


def _wanted(claim: ClaimRule, value: Any, fits: bool, rule: str) -> Any:
    if not fits:
        raise ValueWrong("The value does not fit.", field=claim.key, rule=rule)
    return value


def _is_text(value: Any, claim: ClaimRule) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and (not claim.choices or value in claim.choices)


def _is_row(row: Any, claim: ClaimRule) -> bool:
    if not isinstance(row, dict) or not row or set(row) - set(claim.members):
        return False
    texts = all(isinstance(v, str) and 0 < len(v) <= MAX_TEXT for v in row.values())
    return texts and all(is_day(row[d]) for d in claim.days if d in row)


def _picture(claim: ClaimRule, value: Any) -> bytes:
    from msingi.credentials.issuance.kinds import picture

    try:
        raw = picture(value, claim.key)
    except Unreadable:
        raise ValueWrong("The picture is not readable.", field=claim.key, rule="base64 of a JPEG") from None
    return _wanted(claim, raw, raw[:3] == b"\xff\xd8\xff" and len(raw) <= MAX_PICTURE, "a JPEG of at most 60 kB")


def is_day(text: str) -> bool:
    """Whether a text is a day of the calendar, written YYYY-MM-DD."""
    try:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def ends_on(kind: Kind, issued_on: date) -> date | None:
    """The last day of a holding; None if it lasts until it is ended."""
    if not kind.years:
        return None
    try:
        return issued_on.replace(year=issued_on.year + kind.years)
    except ValueError:  # awarded on 29 February
        return issued_on.replace(year=issued_on.year + kind.years, day=28)


def copy_life(kind: Kind, holding: Holding, today: date) -> tuple[int, int, date]:
    """When a copy starts and ends, in seconds since 1970, whole days in UTC; and its last day (law 6).

    It starts a day before today, so that a wallet and a verifier whose clocks differ agree that it has begun.
    """
    last = today + timedelta(days=kind.copy_days)
    if holding.expires_on is not None:
        last = min(last, holding.expires_on)
    start = datetime.combine(today - timedelta(days=1), time(), UTC)
    end = datetime.combine(last + timedelta(days=1), time(), UTC)
    return int(start.timestamp()), int(end.timestamp()), last


def may_copy(holding: Holding | None, today: date) -> Holding:
    """The holding, if copies of it may be signed. Raises RequestDenied, naming the state."""
    if holding is None:
        raise RequestDenied("The person does not hold this credential.", rule="held")
    if holding.state is not CardState.ACTIVE:
        raise RequestDenied(f"The credential is {holding.state}.", rule=holding.state.value)
    if holding.expires_on is not None and today > holding.expires_on:
        raise RequestDenied("The credential has expired.", rule="expired")
    return holding


def change(holding: Holding, wanted: CardState, reason: Reason) -> Holding:
    """`holding` in the wanted state. Raises HoldingEnded for one that was ended (law 3)."""
    if holding.state is wanted:
        return holding
    if holding.state is CardState.REVOKED:
        raise HoldingEnded()
    return msgspec.structs.replace(holding, state=wanted, reason="" if wanted is CardState.ACTIVE else reason.value)


def follow(holding: Holding, identity_status: str) -> Holding:
    """`holding` as it must be when the holder's identity has this status; only what the identity did is undone."""
    if identity_status not in _STATES or holding.state is CardState.REVOKED:
        return holding
    wanted, reason = _STATES[identity_status]
    if wanted is CardState.ACTIVE and holding.reason != Reason.HOLDER_SUSPENDED:
        return holding
    if wanted is CardState.SUSPENDED and holding.state is CardState.SUSPENDED:
        return holding
    return change(holding, wanted, reason)


def state_on(holding: Holding, day: date) -> str:
    """What a holder is told: the holding's state, or `expired`."""
    if holding.state is not CardState.REVOKED and holding.expires_on is not None and day > holding.expires_on:
        return "expired"
    return holding.state.value


def check_keys(kind: Kind, holders: Sequence[Any]) -> None:
    """Nothing, if so many different keys may be bound at once. Raises InvalidProofOfKey (law 5)."""
    if not 1 <= len(holders) <= kind.batch:
        raise InvalidProofOfKey(f"1 to {kind.batch} keys at once.", rule="batch_size")
    seen = {msgspec.json.encode(h, order="sorted") for h in holders if h is not None}
    if len(seen) != len([h for h in holders if h is not None]):
        raise InvalidProofOfKey("Each copy needs a key of its own.", rule="distinct keys")


def check_decider(proposed_by: str, decider: str) -> None:
    """Nothing, if the decider is somebody else than the proposer. Raises OwnProposal (law 7)."""
    if proposed_by == decider:
        raise OwnProposal()
