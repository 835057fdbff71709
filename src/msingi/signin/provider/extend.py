"""What upper rooms add to the provider: grant types, authorization details, scopes, and how a client proves itself.

An upper room makes the objects below; `offers.connect` puts them in, for each stack: `extend.of(stack).add(...)`.
Discovery, the token endpoint, the consent page and the checks of requests then know them like our own.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from litestar import Request
from msgspec import Struct

from msingi.kernel.context import Context
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.signin.errors import InvalidAuthorizationDetails
from msingi.signin.model import Client, Profile
from msingi.signin.provider.model import Once, Tokens

ANONYMOUS = Client(client_id="", name="A wallet", institution="", profile=Profile.PUBLIC, scopes=frozenset())


class TokenAsk(Struct, frozen=True, kw_only=True):
    """A token request of an added grant type: who asks, its form, the key that its DPoP proof showed (or empty).

    `onces` may arrive only once: give them to `provider.acts.mint`, which claims them in its transaction.
    """

    stack: Stack
    ctx: Context
    client: Client
    params: Mapping[str, str]
    jkt: str
    onces: tuple[Once, ...]


class Grant(Struct, frozen=True, kw_only=True):
    """A grant type. `redeem` answers with tokens, or raises InvalidGrant and its kin.

    `anonymous` lets software ask that names no client (the client is then `ANONYMOUS`); `registered` demands that
    the client's registration names the grant.
    """

    name: str
    redeem: Callable[[TokenAsk], Awaitable[Tokens]]
    anonymous: bool = False
    registered: bool = False


class Scope(Struct, frozen=True, kw_only=True):
    """A scope: `audience` is the path (such as `/oid4vci`) whose doors its tokens open, empty for userinfo.

    `title` is what the person reads before agreeing, by language; without one nobody is asked. Any registered client
    may ask for an `open` scope, but for one with `fapi` only software that was registered as that.
    """

    name: str
    audience: str = ""
    title: Mapping[str, str] = {}
    open: bool = False
    fapi: bool = False


class DetailsType(Struct, frozen=True, kw_only=True):
    """A type of `authorization_details` (RFC 9396).

    `check` gives the detail as it will be kept, or raises InvalidAuthorizationDetails; `answer` gives it as the token
    response tells it, once it is known whose it is; `title` gives what the person reads: (detail, language) -> text.
    """

    name: str
    check: Callable[[Client, dict[str, Any]], dict[str, Any]]
    answer: Callable[[Stack, Context, PersonId, dict[str, Any]], Awaitable[dict[str, Any]]]
    audience: str = ""
    title: Callable[[dict[str, Any], str], str] | None = None


class ClientProof(Struct, frozen=True, kw_only=True):
    """A client authentication method. `prove` gives the client and what may not come twice; None if not used here.

    It raises InvalidClient for a proof that is used and wrong.
    """

    method: str
    prove: Callable[[Request[Any, Any, Any], Mapping[str, str]], Awaitable[tuple[Client, tuple[Once, ...]] | None]]


class Extensions:
    """What was added on one stack. `passed` are request parameters kept with the grant (`issuer_state`)."""

    def __init__(self) -> None:
        self.grants: dict[str, Grant] = {}
        self.scopes: dict[str, Scope] = {}
        self.details: dict[str, DetailsType] = {}
        self.proofs: dict[str, ClientProof] = {}
        self.passed: set[str] = set()
        self.metadata: dict[str, Any] = {}

    def add(self, *what: Grant | Scope | DetailsType | ClientProof) -> None:
        """Add, or replace what has the same name."""
        for one in what:
            match one:
                case Grant():
                    self.grants[one.name] = one
                case Scope():
                    self.scopes[one.name] = one
                case DetailsType():
                    self.details[one.name] = one
                case ClientProof():
                    self.proofs[one.method] = one

    def forget_scopes(self, names: set[str]) -> None:
        """Take scopes away again."""
        for name in names:
            self.scopes.pop(name, None)

    def check_details(self, client: Client, found: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
        """The details as they will be kept. Raises InvalidAuthorizationDetails for an unknown type (RFC 9396, 5)."""
        kept = []
        for detail in found:
            known = self.details.get(str(detail.get("type", "")))
            if known is None:
                raise InvalidAuthorizationDetails("The type is not known.", field="authorization_details", rule="type")
            kept.append(known.check(client, detail))
        return tuple(kept)

    def audience(self, scopes: tuple[str, ...], details: tuple[dict[str, Any], ...]) -> str:
        """The path that a token for these opens, empty where none of them names one."""
        named = [self.details[d["type"]].audience for d in details if d["type"] in self.details]
        named += [self.scopes[s].audience for s in scopes if s in self.scopes]
        return next((path for path in named if path), "")

    def powers(self, scopes: tuple[str, ...], details: tuple[dict[str, Any], ...]) -> tuple[str, ...]:
        """What the person is asked about besides claims, as codes: `scope:NAME`, `details:PLACE`."""
        asked = [f"scope:{s}" for s in scopes if s in self.scopes and self.scopes[s].title]
        known = [self.details.get(d["type"]) for d in details]
        return (*asked, *(f"details:{place}" for place, one in enumerate(known) if one and one.title))

    def says(self, power: str, details: tuple[dict[str, Any], ...], language: str) -> str:
        """What the person reads about a power, in a language, in English where it lacks it."""
        kind, _, name = power.partition(":")
        if kind == "scope" and name in self.scopes:
            title = self.scopes[name].title
            return title.get(language) or title.get("en") or name
        if kind == "details" and int(name) < len(details):
            detail = details[int(name)]
            known = self.details.get(detail["type"])
            return known.title(detail, language) if known and known.title else str(detail["type"])
        return name


def of(stack: Stack) -> Extensions:
    """What was added on this stack."""
    return stack.local.setdefault("signin.extensions", Extensions())  # type: ignore[return-value]
