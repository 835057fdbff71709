"""Signing in with a wallet: the presentation of an identity credential of this stack, as a factor of sign-in.

Nothing is asked but that the holder's key answers: no name, no number. Whose credential it is, the stack knows from
its own status list; the service that the person signs in to learns no more than by any other factor.
"""

from typing import Any
from uuid import UUID

from litestar import Response

from msingi.credentials.issuance import kinds
from msingi.credentials.presentation import acts
from msingi.credentials.presentation.errors import IssuerNotTrusted
from msingi.credentials.presentation.model import MDOC, SD_JWT, Order, State
from msingi.kernel.context import Actor, Context, Kind, context
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.signin import factors
from msingi.signin.model import Proved

NAME = "wallet"
TITLE = {
    "sw": "Ingia kwa pochi yako",
    "en": "Sign in with your wallet",
    "fr": "Se connecter avec votre portefeuille",
    "ar": "الدخول بمحفظتك",
}
LIVES_S = 300


def _own(stack: Stack) -> Context:
    profile = stack.profile
    name = profile.say(profile.authority.name, profile.language)
    return context(Actor(Kind.JOB, "signin", profile.authority.member, name=name), "identity-proofing", "contract")


def _query(stack: Stack) -> dict[str, Any]:
    """Any credential that states the register's number, in either form; no claim of it is asked for."""
    asked: list[dict[str, Any]] = []
    for kind in kinds.of_profile(stack.profile):
        if not any(claim.source == "register.number" for claim in kind.claims):
            continue
        formats = {str(form) for form in kind.formats}
        if SD_JWT in formats:
            asked.append({"id": f"{kind.kind}-s", "format": SD_JWT, "meta": {"vct_values": [kinds.vct(stack, kind)]}})
        if MDOC in formats:
            asked.append({"id": f"{kind.kind}-m", "format": MDOC, "meta": {"doctype_value": kind.doctype}})
    return {"credentials": asked, "credential_sets": [{"options": [[one["id"]] for one in asked]}]}


def mark_of(stack: Stack, ticket: str) -> str:
    """What ties a request to one try in one browser; nobody without the keys can make it."""
    return stack.keys.blind(f"presentation.factor|{ticket}").hex()[:32]


async def begin(visit: factors.Visit) -> Response[Any]:
    """A request of its own for this try, and its page."""
    stack = visit.stack
    joint = "&" if "?" in visit.done else "?"
    done = visit.done if visit.done.startswith(stack.settings.url) else stack.settings.url + visit.done
    order = Order(
        purpose="identity-proofing",
        basis="contract",
        dcql_query=_query(stack),
        return_to=f"{done}{joint}mark={mark_of(stack, visit.ticket)}",
        status_required=True,
        lives_s=LIVES_S,
    )
    made = await acts.ask_presentation(stack, _own(stack), order)
    headers = {"Location": f"{made.page}?lang={visit.language}", "Cache-Control": "no-store"}
    return Response(b"", status_code=303, headers=headers, media_type="text/plain")


async def _holder(stack: Stack, ctx: Context, request_id: str, code: str, mark: str) -> PersonId | None:
    """Who answered a request of sign-in's own, once the browser has come back; None before, and for a stranger.

    `mark` must stand in the address to which that request returns: so an answer given in one browser signs nobody in
    in another. Raises NoSuchRequest.
    """
    result = await acts.collect_presentation(stack, ctx, request_id, code)
    row = await acts.look(stack, request_id)
    if result.state is not State.ANSWERED or not row.answer or not mark or mark not in row.asked.return_to:
        return None
    _, people = acts.unsealed(stack, row)
    return PersonId(UUID(people[0])) if len(people) == 1 else None


async def finish(visit: factors.Visit) -> Proved | None:
    """Who it was, when the browser comes back with the answer to this very try; one factor: the holder's key.

    Raises IssuerNotTrusted for a genuine credential that is not of this stack.
    """
    told = visit.request.query_params
    request_id, code = told.get("presentation", ""), told.get("code", "")
    if not request_id:
        return None
    stack = visit.stack
    person = await _holder(stack, _own(stack), request_id, code, mark_of(stack, visit.ticket))
    if person is None:
        raise IssuerNotTrusted("The credential is not one by which somebody signs in here.", rule="own-credential")
    return Proved(person, ("pop",), 1)


def factor() -> factors.Factor:
    """The factor, for the composition root to add to sign-in."""
    return factors.Factor(name=NAME, title=TITLE, begin=begin, finish=finish)
