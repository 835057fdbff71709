"""Nouns of a sign-in through eSignet's doors: its state on our side, the link to a second device, and what is said."""

from msgspec import Struct

from msingi.kernel.ids import PersonId
from msingi.signin.provider.model import Flow

LINK_TTL_S = 30
LINKED_TTL_S = 5 * 60
WAIT_S = 20
CHANNELS = ("phone",)
FACTORS = {"PIN": ("number", "alpha-numeric"), "OTP": ("number", "alpha-numeric"), "WLA": ("jwt",)}


class Login(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sign-in that eSignet's own page, or a wallet, takes from step to step; it stands sealed in one row.

    `flow` is the sign-in as our own pages know it; `details_hash` what the page must show to go on; `named` whose
    number was typed; `session` the sealed session once enough was proved, `by_link` on the second device; `link` and
    `linked_at` that device, `signed` whose wallet key signed on it; `settled` once nothing is left to decide there,
    `accepted` what was decided, None where nothing was asked; `over` once it gave its code.
    """

    flow: Flow
    details_hash: str
    named: bytes = b""
    session: str = ""
    by_link: bool = False
    link: bytes = b""
    link_until: int = 0
    linked_at: int = 0
    signed: PersonId | None = None
    settled: bool = False
    accepted: tuple[str, ...] | None = None
    over: bool = False


class Link(Struct, frozen=True, array_like=True):
    """What a link code, and the id that a wallet gets for it, say once unsealed: which sign-in, and its secret."""

    login: bytes
    secret: bytes


class Said(Struct, frozen=True):
    """What somebody says to prove who they are: a number, and one answer per factor."""

    individual: str
    answers: dict[str, str]


class Chosen(Struct, frozen=True):
    """What somebody agrees to: claims and scopes by our names, None where the list was left out."""

    claims: tuple[str, ...] | None
    scopes: tuple[str, ...] | None
