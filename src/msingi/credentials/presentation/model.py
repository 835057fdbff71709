"""Nouns of presentation: a query, a request and its life, and what was shown."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NewType

from msgspec import UNSET, Struct, UnsetType

RequestId = NewType("RequestId", str)
"""128 random bits, base64url: who knows it may fetch the request, as the wallet must."""

SD_JWT = "dc+sd-jwt"
MDOC = "mso_mdoc"
Value = str | int | bool
PathPart = str | int | None


class ClaimQuery(Struct, frozen=True, omit_defaults=True):
    """One claim that is asked for (OpenID4VP 6.3). `path` is a claims path pointer; `values` restrict it."""

    path: tuple[PathPart, ...]
    id: str = ""
    values: tuple[Value, ...] | UnsetType = UNSET
    intent_to_retain: bool | UnsetType = UNSET


class Authorities(Struct, frozen=True):
    """Whose credentials are wanted (6.1.1). Of the types only `aki` can be checked here."""

    type: str
    values: tuple[str, ...]


class CredentialQuery(Struct, frozen=True, omit_defaults=True):
    """One credential that is asked for (6.1)."""

    id: str
    format: str
    meta: dict[str, Any]
    multiple: bool = False
    trusted_authorities: tuple[Authorities, ...] | UnsetType = UNSET
    require_cryptographic_holder_binding: bool = True
    claims: tuple[ClaimQuery, ...] | UnsetType = UNSET
    claim_sets: tuple[tuple[str, ...], ...] | UnsetType = UNSET


class CredentialSet(Struct, frozen=True, omit_defaults=True):
    """Which combinations of credentials satisfy one need (6.2)."""

    options: tuple[tuple[str, ...], ...]
    required: bool = True


class Query(Struct, frozen=True, omit_defaults=True):
    """A DCQL query (section 6), its shape and its rules checked by `dcql.read`."""

    credentials: tuple[CredentialQuery, ...]
    credential_sets: tuple[CredentialSet, ...] | UnsetType = UNSET


def fields_of(query: Query) -> tuple[str, ...]:
    """The names by which rights and the log know the claims of a query: "birth_date", "address.locality".

    An mdoc's namespace is no part of the name: `given_name` is the same fact in every form.
    """
    named = [
        str(claim.path[-1]) if credential.format == MDOC else ".".join(p for p in claim.path if isinstance(p, str))
        for credential in query.credentials
        if credential.claims is not UNSET
        for claim in credential.claims
    ]
    return tuple(dict.fromkeys(named))


class Identify(StrEnum):
    """How the verifier names itself to the wallet (5.9.3)."""

    X509_HASH = "x509_hash"
    X509_SAN_DNS = "x509_san_dns"
    REDIRECT_URI = "redirect_uri"


class Mode(StrEnum):
    """How the wallet answers (section 8)."""

    PLAIN = "direct_post"
    ENCRYPTED = "direct_post.jwt"


class Across(StrEnum):
    """Whether the wallet may live on another device than the page: no; yes, and then a number is typed over; or
    yes without one, for a counter where the person stands."""

    NO = "no"
    NUMBER = "number"
    COUNTER = "counter"


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """What an institution asks to be shown, for which purpose (one of the stack's) and on which legal basis.

    `dcql_query` is a DCQL query (OpenID4VP 1.0, section 6). `transaction_data` are objects that the person is to
    authorise with the presentation. `return_to` is where the browser goes in the end (https, or this stack).
    With `status_required`, a credential of undetermined status is refused. `lives_s` is 60 to 900 seconds.
    """

    purpose: str
    basis: str
    dcql_query: dict[str, Any]
    client_id_prefix: Identify = Identify.X509_HASH
    response_mode: Mode = Mode.ENCRYPTED
    across: Across = Across.NUMBER
    transaction_data: tuple[dict[str, Any], ...] = ()
    return_to: str = ""
    status_required: bool = False
    lives_s: int = 300


class State(StrEnum):
    """The life of a request. SHOWN waits for the browser session or the typed number (law 6)."""

    OPEN = "open"
    SHOWN = "shown"
    ANSWERED = "answered"
    DECLINED = "declined"
    FAILED = "failed"
    EXPIRED = "expired"


class Asker(Struct, frozen=True):
    """Who asks: actor kind and id as the log names them, the institution's code, and the name that people see."""

    kind: str
    actor: str
    institution: str
    name: str
    roles: frozenset[str] = frozenset()


class Asked(Struct, frozen=True, kw_only=True):
    """Everything of a request that does not change; nothing in it is about the person who will answer.

    `client_id` is the full prefixed identifier, `encryption_jwk` the public half of this request's own key,
    `certificate` the asker's in base64 DER, `law` what the right rests on, `response_uri` where the wallet answers (a
    device's letter is added to it).
    """

    asker: Asker
    purpose: str
    basis: str
    law: str
    query: Query
    transaction_data: tuple[str, ...]
    certificate: str
    client_id: str
    prefix: Identify
    mode: Mode
    across: Across
    nonce: str
    response_uri: str
    encryption_jwk: dict[str, str]
    return_to: str
    status_required: bool
    asked_at: int
    expires_at: int

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of all claims that may come back, once each."""
        return fields_of(self.query)


class Binding(Struct, frozen=True, kw_only=True):
    """What a presentation must be bound to (OpenID4VP 14.1.2). Times in seconds since 1970.

    `thumbprint` is the RFC 7638 thumbprint of the encryption key, None where the response is not encrypted; with
    `origin` the request came over the Digital Credentials API.
    """

    client_id: str
    nonce: str
    response_uri: str
    thumbprint: bytes | None
    asked_at: int
    transaction_data: tuple[str, ...] = ()
    origin: str = ""

    @property
    def audience(self) -> str:
        """What the holder's proof names as its audience."""
        return f"origin:{self.origin}" if self.origin else self.client_id


class StatusPlace(Struct, frozen=True):
    """Where a credential's status stands: entry `index` of the list at `uri`."""

    uri: str
    index: int


Said = Literal["valid", "undetermined"]


class Shown(Struct, frozen=True, kw_only=True):
    """One verified credential: issuer trusted, signature and holder's proof checked, in date.

    `kind` is the `vct` or doctype (`kinds` with its other names), `claims` everything disclosed: a JSON object, or
    namespace -> element -> value; `akis` the authority key identifiers of its chain, `transaction_hashes` what the
    holder's key signed of the transaction data.
    """

    format: str
    kind: str
    kinds: tuple[str, ...]
    issuer: str
    claims: dict[str, Any]
    bound: bool
    expires_at: int | None
    status: StatusPlace | None
    akis: tuple[bytes, ...] = ()
    transaction_hashes: tuple[str, ...] = ()
    own: bool = False


class Claim(Struct, frozen=True):
    """One claim as the institution gets it: the path that it asked for, and the value, or values for a path with
    null."""

    path: tuple[PathPart, ...]
    value: Any


class Credential(Struct, frozen=True):
    """One credential as the institution gets it; only claims that were asked for (law 3)."""

    query_id: str
    format: str
    type: str
    issuer: str
    status: Said
    claims: tuple[Claim, ...]


class Result(Struct, frozen=True):
    """What became of a request; `credentials` is filled in state `answered`, `reason` in `failed` and `declined`."""

    request_id: RequestId
    state: State
    expires_at: datetime
    credentials: tuple[Credential, ...] = ()
    device: str = ""
    reason: str = ""


class Device(StrEnum):
    """Where the wallet was: on the device with the page, on another one, or behind the browser's own interface
    (Digital Credentials API), which ties the answer to the page's origin."""

    SAME = "s"
    OTHER = "o"
    BROWSER = "b"


class Row(Struct, frozen=True, kw_only=True):
    """A request as it stands in the table. `session` and `code` are hashes; `answer` is sealed."""

    request_id: RequestId
    asked: Asked
    state: State
    key: bytes
    session: bytes
    code: bytes
    device: str
    tries: int
    answer: bytes
    reason: str
    collect_hash: bytes


class Right(Struct, frozen=True):
    """What an institution may ask to be shown, and the law that says so."""

    law: str
    fields: tuple[str, ...]


class Made(Struct, frozen=True):
    """The receipt of a request: where the person goes, and what a wallet is given if there is no page.

    `page` shows the request to the person with a link and a QR code; `wallet_link` is what that QR code says, for a
    caller's own screen.
    """

    request_id: RequestId
    page: str
    wallet_link: str
    expires_at: datetime
