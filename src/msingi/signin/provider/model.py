"""Nouns of the provider: a checked request, its path through the pages, a grant's terms, and what tokens say."""

from typing import Any
from uuid import UUID

from msgspec import Struct

from msingi.kernel.ids import PersonId
from msingi.signin.model import Session, Who

REQUEST_TTL_S = 90
FLOW_TTL_S = 15 * 60
CODE_TTL_S = 60
ACCESS_TTL_S = 10 * 60
ID_TTL_S = 5 * 60
REFRESH_TTL_S = 90 * 86_400
PROOF_AGE_S = 60
SKEW_S = 30
ASSERTION_LONGEST_S = 10 * 60
REQUEST_LONGEST_S = 60 * 60
NONCE_S = 5 * 60
ACR = {1: "urn:msingi:acr:1", 2: "urn:msingi:acr:2"}
REQUEST_URI = "urn:ietf:params:oauth:request_uri:"


class Asked(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An authorization request that was checked: it needs no second look.

    `claims` go to userinfo and `id_claims` into the ID token, both already cut to what the client may have;
    `factors` is how many factors must be proved; `max_age_s` -1 when the sign-in may be of any age;
    `request_id` lets it be used once; `expires_at` is a Unix time; `jkt` the key that the code is bound to, if any.
    `essential` are claims without which the client cannot do its work; `details` and `passed` belong to upper rooms,
    `powers` is what the person is asked about besides claims; `subject` the `sub` that must be signed in, if named.
    """

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str
    request_id: str
    expires_at: int
    state: str = ""
    nonce: str = ""
    jkt: str = ""
    factors: int = 2
    max_age_s: int = -1
    prompt: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    id_claims: tuple[str, ...] = ()
    essential: tuple[str, ...] = ()
    details: tuple[dict[str, Any], ...] = ()
    powers: tuple[str, ...] = ()
    passed: dict[str, str] = {}
    subject: str = ""
    login_hint: str = ""
    ui_locales: str = ""


class Flow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sign-in under way. It travels sealed through the browser, bound to the device cookie.

    `begun_at` and `expires_at` are Unix times; `who` is set once a PIN was right, `challenge_id` and the
    `tail` of the phone number once a code was sent; `untold` where nobody may learn whether one was.
    """

    asked: Asked
    device_hash: bytes
    begun_at: float
    expires_at: int
    language: str = ""
    who: Who | None = None
    challenge_id: UUID | None = None
    tail: str = ""
    untold: int = 0


class Terms(Struct, frozen=True, kw_only=True):
    """What a grant allows: to whom, which scopes and claims, and how its owner signed in.

    `proved_at` is a Unix time; `staff_id`, `institution`, `roles` and `name` are empty for people.
    `outlives` is true for what the person allowed a third party to keep using when they are away (`offline_access`).
    """

    redirect_uri: str
    challenge: str
    scopes: tuple[str, ...]
    claims: tuple[str, ...] = ()
    id_claims: tuple[str, ...] = ()
    nonce: str = ""
    jkt: str = ""
    factors: int
    methods: tuple[str, ...]
    proved_at: int
    outlives: bool = False
    details: tuple[dict[str, Any], ...] = ()
    passed: dict[str, str] = {}
    staff_id: str = ""
    institution: str = ""
    roles: tuple[str, ...] = ()
    name: str = ""


class Outcome(Struct, frozen=True):
    """What became of a request in a browser: the live session if any, a code, or claims to decide about first."""

    session: Session | None = None
    code: str = ""
    undecided: tuple[str, ...] = ()


class TokenOrder(Struct, frozen=True, kw_only=True):
    """A token request after its form was read."""

    grant_type: str
    code: str = ""
    redirect_uri: str = ""
    verifier: str = ""
    refresh_token: str = ""
    scope: str = ""


class Once(Struct, frozen=True):
    """Something that may arrive only once, until a Unix time: its hash is kept."""

    what: str
    until: int


class Proof(Struct, frozen=True):
    """A DPoP proof that was verified: its key's thumbprint, and what must not come twice."""

    jkt: str
    once: Once


class Shown(Struct, frozen=True):
    """An access token as a request shows it: `scheme` bearer or dpop, the proof beside it, and for which door."""

    scheme: str
    token: str
    proof: str
    method: str
    path: str


class Tokens(Struct, frozen=True, omit_defaults=True):
    """The answer of the token endpoint (RFC 6749, section 5.1; OpenID Connect Core, section 3.1.3.3)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    id_token: str = ""
    refresh_token: str = ""
    authorization_details: list[dict[str, Any]] = []


class Pushed(Struct, frozen=True):
    """The answer of the pushed authorization request endpoint (RFC 9126, section 2.2)."""

    request_uri: str
    expires_in: int


class AccessClaims(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an access token of ours says (RFC 9068, section 2.2).

    `grant` is absent in tokens of institutions' software; `sector` is whose pseudonym `sub` is.
    """

    iss: str
    sub: str
    aud: str
    exp: int
    iat: int
    jti: str
    client_id: str
    scope: str
    sector: str
    kind: str
    grant: str = ""
    acr: str = ""
    auth_time: int = 0
    roles: tuple[str, ...] = ()
    institution: str = ""
    name: str = ""
    cnf: dict[str, Any] | None = None
    authorization_details: tuple[dict[str, Any], ...] = ()
    passed: dict[str, str] = {}


class Held(Struct, frozen=True, kw_only=True):
    """What an access token opens at a door of an upper room: whose it is, which software holds it, and for what.

    `client_id` is empty for anonymous software; `jkt` the thumbprint of the key that it showed, if any.
    """

    person_id: PersonId
    grant_id: UUID
    client_id: str
    institution: str
    scopes: tuple[str, ...]
    details: tuple[dict[str, Any], ...] = ()
    passed: dict[str, str] = {}
    jkt: str = ""
