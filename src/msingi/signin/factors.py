"""Ways to prove oneself that upper rooms add, and cards that name their holder.

An upper room makes a `Factor` (a wallet presentation, for example) and `offers.connect` puts it in, for each stack:
`factors.of(stack).add(...)`. The sign-in page then offers it, and what it proves opens a session like any other.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from litestar import Request, Response
from msgspec import Struct

from msingi.kernel.context import Context
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.signin.model import Proved


class Visit(Struct, frozen=True, kw_only=True):
    """One try of a factor in one browser. `ticket` names it (43 characters, secret, the same at every step).

    `here` is the address of the factor's page, `done` where the browser goes once the proof was given: both work in
    this browser alone. `client` is the name of the service that the person signs in to.
    """

    stack: Stack
    request: Request[Any, Any, Any]
    ticket: str
    here: str
    done: str
    language: str
    client: str


class Factor(Struct, frozen=True, kw_only=True):
    """A way to prove oneself. `name` stands in addresses; `title` is the button's text by language.

    `begin` gives the page (it may be called again for the same ticket); `finish` gives what was proved, None while
    nothing is, or raises a Refusal, which the person sees as a page.
    """

    name: str
    title: Mapping[str, str]
    begin: Callable[[Visit], Awaitable[Response[Any]]]
    finish: Callable[[Visit], Awaitable[Proved | None]]

    def says(self, language: str) -> str:
        """The button's text in a language, in English where it lacks it."""
        return self.title.get(language) or self.title.get("en") or self.name


Card = Callable[[Stack, Context, str], Awaitable[PersonId | None]]


class Factors:
    """What was added on one stack. `cards` read what a scanner types from a card: whose it is, None if it is none."""

    def __init__(self) -> None:
        self.ways: dict[str, Factor] = {}
        self.cards: list[Card] = []
        self.read_picture: Callable[[bytes], str] | None = None  # the text of the code in a picture, or a Refusal

    def add(self, way: Factor) -> None:
        """Add a factor, or replace the one of the same name."""
        self.ways[way.name] = way

    async def holder(self, stack: Stack, ctx: Context, text: str) -> PersonId | None:
        """Whose card this text was read from; None for no card that is valid now."""
        for read in self.cards:
            if (found := await read(stack, ctx, text)) is not None:
                return found
        return None


def of(stack: Stack) -> Factors:
    """What was added on this stack."""
    return stack.local.setdefault("signin.factors", Factors())  # type: ignore[return-value]
