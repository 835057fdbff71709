"""Nouns of sign-in: clients, staff accounts, sessions, attempts and what comes out of them."""

import base64
import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from msgspec import Struct

from msingi.identity.model_said import Said
from msingi.kernel.ids import PersonId

PIN_TRIES = 5
CODE_TRIES = 5
CODE_TTL_S = 300
CHECKS = ("document", "photo", "fingerprint", "introducer", "register-facts")  # by an officer, before a recovery
NUMBER_CLAIM = "msingi:number"
CLAIMS = ("name", "given_name", "family_name", "birthdate", "phone_number", NUMBER_CLAIM)
SCOPE_CLAIMS: dict[str, tuple[str, ...]] = {
    "profile": ("name", "given_name", "family_name", "birthdate"),
    "phone": ("phone_number",),
    "number": (NUMBER_CLAIM,),
}

_THUMBED = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}


class Profile(StrEnum):
    """What a client promised: `fapi` (FAPI 2.0), `confidential` (holds a key), `public` (an app without secret)."""

    FAPI = "fapi"
    CONFIDENTIAL = "confidential"
    PUBLIC = "public"


class Client(Struct, frozen=True, kw_only=True):
    """Software of an institution that may ask the provider for something.

    `jwks` are its public keys; `scopes` what it may ask for; `claims` which claims about people it may get;
    `first_party` marks the stack's own portal, which asks no consent because no third party learns anything.
    `auth` is how it proves itself; `grants` are grant types beyond the code, the refresh token and its own;
    `dpop_nonce` says that its proofs must hold a nonce of ours; `userinfo_signed` that userinfo is a JWS;
    `backchannel_logout_uri` is told when somebody's sign-in to it has ended; `id_token_signed_response_alg` is how the
    ID tokens, userinfo and logout tokens that it gets are signed, ES256 or RS256.
    """

    client_id: str
    name: str
    institution: str
    profile: Profile
    jwks: tuple[dict[str, Any], ...] = ()
    redirect_uris: tuple[str, ...] = ()
    logout_uris: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset({"openid"})
    claims: frozenset[str] = frozenset()
    first_party: bool = False
    auth: str = "private_key_jwt"
    grants: frozenset[str] = frozenset()
    dpop_nonce: bool = False
    userinfo_signed: bool = False
    backchannel_logout_uri: str = ""
    id_token_signed_response_alg: str = "ES256"

    @property
    def key_marks(self) -> list[str]:
        """The thumbprints of its keys (RFC 7638), by which people compare them."""
        kept = [{m: k[m] for m in _THUMBED.get(k.get("kty", ""), ()) if m in k} for k in self.jwks]
        digests = (hashlib.sha256(msgspec.json.encode(k, order="sorted")).digest() for k in kept)
        return [base64.urlsafe_b64encode(d).decode().rstrip("=") for d in digests]


class ClientProposal(Struct, frozen=True, kw_only=True):
    """Software that an operator wants to register, or register anew, and who: another operator decides."""

    registration: Client
    proposed_by: str
    proposed_at: datetime

    @property
    def mark(self) -> str:
        """What the registration says, hashed: who decides about it decides about this, and no later wording."""
        return hashlib.sha256(msgspec.json.encode(self.registration, order="sorted")).hexdigest()


class StaffLine(Struct, frozen=True):
    """An account of a member of staff in a list: no name and no telephone number."""

    staff_id: str
    institution: str
    roles: tuple[str, ...]
    active: bool


class NewStaff(Struct, frozen=True, kw_only=True):
    """A member of staff to be given an account: the id to sign in with, the institution, roles, name and phone."""

    staff_id: str
    institution: str
    roles: frozenset[str]
    name: str
    phone: str
    pin: str


class StaffAccount(Struct, frozen=True, kw_only=True):
    """A member of staff's account; `account_id` is derived from `staff_id` and stands where a person id stands."""

    account_id: PersonId
    staff_id: str
    institution: str
    roles: frozenset[str]
    name: str
    phone: str


class Place(Struct, frozen=True):
    """Where an attempt comes from: the hash of the browser's device cookie, and the network (a /24 or /56)."""

    device_hash: bytes
    network: str
    agent: str = ""


class Who(Struct, frozen=True):
    """Somebody whose first factor was right: the account, and for staff what their tokens will say.

    `language` is the person's own, empty when unknown.
    """

    person_id: PersonId
    staff_id: str = ""
    institution: str = ""
    roles: frozenset[str] = frozenset()
    name: str = ""
    language: str = ""


class Proved(Struct, frozen=True):
    """What a factor of another room has proved: whose sign-in it is, how (RFC 8176 names), and how much it counts.

    `factors` is 2 where possession and knowledge or biometry were proved together, else 1.
    """

    person_id: PersonId
    methods: tuple[str, ...]
    factors: int = 1


class Verdict(StrEnum):
    """How an attempt ended."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"
    UNTOLD = "untold"
    EXPIRED = "expired"


class PinResult(Struct, frozen=True):
    """What became of a PIN attempt: `who` only when it was right, `retry_after_s` only when locked.

    With the verdict `untold` nobody may be told whether there is a `who`.

    `cookie` names the session that was opened at once, where one factor was enough.
    """

    verdict: Verdict
    who: Who | None = None
    retry_after_s: int = 0
    cookie: str = ""


class Session(Struct, frozen=True, kw_only=True):
    """A browser in which somebody is signed in. `factors` counts what was proved: 1 or 2."""

    person_id: PersonId
    session_id: UUID
    factors: int
    methods: tuple[str, ...]
    proved_at: datetime
    seen_at: datetime
    expires_at: datetime
    agent: str = ""
    staff_id: str = ""
    institution: str = ""
    roles: frozenset[str] = frozenset()
    name: str = ""


class SignedOut(Struct, frozen=True):
    """Event `signin.signed-out`, one for each client to tell: a session ended, or all (without `session_id`)."""

    client_id: str
    person_id: PersonId
    staff_id: str = ""
    session_id: UUID | None = None


class Agreement(Struct, frozen=True):
    """What somebody agreed that a client may learn, what they refused, and when.

    `receipt` is the signed record of it: a JWS that the keys at /oauth/jwks verify.
    """

    client_id: str
    claims: tuple[str, ...]
    agreed_at: datetime
    refused: tuple[str, ...] = ()
    receipt: str = ""


class Question(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A yes/no question of an institution: is this the person? Exactly one of `number` and `pseudonym` names them.

    What proves it: `said` of the person (name, birth date, address ...), their `pin`, or a `challenge` with the `code`
    that they were sent; or several of these, and then all must be right. With `each`, the answer also tells yes or no
    for each thing that was said; that is a right of its own. `nonce` comes back in the answer.
    """

    number: str = ""
    pseudonym: str = ""
    said: Said | None = None
    each: bool = False
    pin: str = ""
    challenge: str = ""
    code: str = ""
    nonce: str = ""


class Answer(Struct, frozen=True):
    """The signed answer to a question: a compact JWS whose claim `result` is yes or no, and nothing more.

    Where `each` was asked for, `said` holds yes or no for each thing that was said.
    """

    answer: str


class Alarm(Struct, frozen=True):
    """An institution's software guesses: of `asked` questions within a quarter of an hour, `wrong` ones got a no.

    `stopped` says whether it gets no further answers until the quarter of an hour is over.
    """

    institution: str
    since: datetime
    asked: int
    wrong: int
    stopped: bool


class Recovered(Struct, frozen=True):
    """Event `signin.recovered`: an account was given back at a centre; weighty acts should wait until then."""

    person_id: PersonId
    until: datetime


class Closed(Struct, frozen=True, kw_only=True):
    """Event `signin.closed`: after too many tries with somebody's account a place is closed for `wait_s` seconds.

    `how`: "pin" where wrong PINs were typed; "way" where the way of the institution `by` to them is closed; "quiet"
    where its requests are kept without a message. `via` is the software's name, if not all of the institution's;
    `staff` says whose account it is.
    """

    kind: ClassVar[str] = "signin.closed"
    person_id: PersonId
    how: str
    wait_s: int
    via: str = ""
    by: str = ""
    staff: bool = False


class DeviceAdded(Struct, frozen=True):
    """Event `signin.device-added`: somebody who has known devices signed in with two factors on a new one."""

    person_id: PersonId
    at: datetime


class AlarmRaised(Struct, frozen=True):
    """Event `signin.alarm`: an institution's software seems to guess PINs or facts about people."""

    institution: str
    since: datetime
    asked: int
    wrong: int
    stopped: bool


class CodeSent(Struct, frozen=True):
    """Says that a one-time code was sent, if there is such a person with a phone: the id to answer with."""

    challenge: str
    expires_in_s: int
