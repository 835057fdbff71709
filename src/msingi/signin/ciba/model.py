"""Nouns of requests to approve: what software asks, what the person sees, and what the software is answered."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from msingi.kernel.ids import PersonId

GRANT = "urn:openid:params:grant-type:ciba"
INTERVAL_S = 5
EXPIRES_S = 300
LONGEST_S = 600
MESSAGE_LONGEST = 100
MOST_TOLD = 6  # requests of one institution, not approved, that a person is sent a message about
MOST_OPEN = 60  # those that are kept


class Wish(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What software asks for, checked: scopes, claims as for a code, how many factors, and the words to compare."""

    scopes: tuple[str, ...]
    claims: tuple[str, ...] = ()
    id_claims: tuple[str, ...] = ()
    essential: tuple[str, ...] = ()
    factors: int = 2
    message: str = ""
    lives_s: int = EXPIRES_S


class Decision(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The person's answer: yes or no, and the claims that they give (all that are essential go with a yes)."""

    approve: bool
    claims: tuple[str, ...] = ()


class Waiting(Struct, frozen=True, kw_only=True):
    """A request that waits for the person: which software of whom, its words to compare, what it would learn."""

    request_id: UUID
    client_id: str
    software: str
    institution: str
    message: str
    claims: tuple[str, ...]
    essential: tuple[str, ...]
    factors: int
    asked_at: datetime
    expires_at: datetime


class Pointer(Struct, frozen=True, array_like=True):
    """What an `auth_req_id` says once unsealed."""

    person_id: PersonId
    request_id: UUID
    secret: bytes


class Accepted(Struct, frozen=True):
    """The answer of the backchannel authentication endpoint (section 7.3)."""

    auth_req_id: str
    expires_in: int
    interval: int = INTERVAL_S
