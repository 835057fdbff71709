"""Doors of the switch: the FSPIOP API under /fspiop, and the operator's under /v1/switch.

FSPIOP is asynchronous: 202 (200 for an answer) says that the message is kept; the rest comes as a callback to the
participant's endpoint. Refusals are `errorInformation`. Amounts at /v1/switch are minor units.
"""

from typing import Annotated, Any

from litestar import Request, Response, Router, delete, get, patch, post, put
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.kernel.hot import Hot
from msingi.payments.rules import MAX_AMOUNT_MINOR
from msingi.payments.switch import acts, deciding, door, providing, routes_outside, settling
from msingi.payments.switch import model as m
from msingi.payments.switch.routes_outside import Amount, Currency, Key
from msingi.payments.switch.wire import MAX_BODY_BYTES, dialect

AnyRequest = Request[Any, Any, Any]
PREFIX = "/fspiop"
Name = Annotated[str, Meta(min_length=1, max_length=32)]
FspPath = Annotated[str, PathParameter(max_length=32, description="The name of the participant.")]
CurrencyPath = Annotated[str, PathParameter(max_length=3, description="ISO 4217 code.")]
ProposalId = Annotated[str, PathParameter(max_length=36, description="The id of the proposal.")]


async def _taken(request: AnyRequest) -> Response[bytes]:
    """Take a FSPIOP message as it came."""
    scope = request.scope
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.decode("latin-1").partition("?")[0].removeprefix(PREFIX)  # as it was sent, for so it was signed
    query = scope["query_string"].decode("latin-1")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    body = await request.body()
    message = m.Message(request.method, f"{path}?{query}" if query else path, headers, body)
    status = await door.take(web.stack(request), door.outside(), message)
    return Response(b"", status_code=status, media_type="application/json")


TAKES = {"takes": ("application/vnd.interoperability.transfers+json;version=1.1",)}
PARTY = ["/parties/{type:str}/{id:str}", "/parties/{type:str}/{id:str}/{sub:str}"]
PARTY_ERROR = ["/parties/{type:str}/{id:str}/error", "/parties/{type:str}/{id:str}/{sub:str}/error"]
REGISTRATION = ["/participants/{type:str}/{id:str}", "/participants/{type:str}/{id:str}/{sub:str}"]
RESOURCES = (
    *("quotes", "transfers", "bulkQuotes", "bulkTransfers", "transactionRequests", "fxQuotes", "fxTransfers"),
    "recalls",
)
ASKED = (*RESOURCES, "authorizations", "transactions")


@get(PARTY, status_code=202, summary="Look a party up (GET /parties)")
async def look_up(request: AnyRequest) -> Response[bytes]:
    """FSPIOP 6.3: who is behind an identifier; the answer is PUT /parties. 400, 406, 429."""
    return await _taken(request)


@put([*PARTY, *PARTY_ERROR], status_code=200, summary="Answer a look-up (PUT /parties)")
async def party(request: AnyRequest) -> Response[bytes]:
    """FSPIOP 6.3: the participant that was asked answers; nobody else can. 400, 404."""
    return await _taken(request)


@get(REGISTRATION, status_code=202, summary="Which participant keeps a party's account (GET /participants)")
async def who_keeps(request: AnyRequest) -> Response[bytes]:
    """FSPIOP 6.2: the answer is PUT /participants. 400, 406, 429."""
    return await _taken(request)


@post(REGISTRATION, status_code=202, summary="Register a party (POST /participants)")
async def register(request: AnyRequest) -> Response[bytes]:
    """FSPIOP 6.2: this participant keeps the party's account. 400, 406."""
    return await _taken(request)


@delete(REGISTRATION, status_code=202, summary="End a registration (DELETE /participants)")
async def unregister(request: AnyRequest) -> Response[bytes]:
    """FSPIOP 6.2: only by the participant that registered it. 400."""
    return await _taken(request)


@post([f"/{name}" for name in RESOURCES], status_code=202, opt=TAKES, request_max_body_size=MAX_BODY_BYTES)
async def create(request: AnyRequest) -> Response[bytes]:
    """FSPIOP 6.4 to 6.10: a quote, a transfer, a bulk, a request to pay; the other side answers by PUT. 400, 406."""
    return await _taken(request)


@get([f"/{name}/{{id:str}}" for name in ASKED], status_code=202)
async def ask(request: AnyRequest) -> Response[bytes]:
    """FSPIOP 6.4 to 6.10: how a quote, transfer, bulk or request stands; the answer is PUT. 400, 406."""
    return await _taken(request)


@put(
    [path for name in ASKED for path in (f"/{name}/{{id:str}}", f"/{name}/{{id:str}}/error")],
    status_code=200, request_max_body_size=MAX_BODY_BYTES,
)  # fmt: skip
async def answer(request: AnyRequest) -> Response[bytes]:
    """FSPIOP 6.4 to 6.10: the participant that was asked answers, or says why not at /error. 400, 404, 409."""
    return await _taken(request)


@get(["/services/{service:str}", "/services/{service:str}/{source:str}/{target:str}"], status_code=202)
async def who_converts(request: AnyRequest) -> Response[bytes]:
    """FSPIOP 2.0: who converts currencies, all or one pair; the answer is PUT /services/FXP. 400, 406."""
    return await _taken(request)


class CurrencyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A currency to settle."""

    currency: Currency
    digits: Annotated[int, Meta(ge=0, le=4)]
    settlement: m.Settlement = m.Settlement.NET


class JoinBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A participant that joins: its public RSA key in PEM, where its callbacks go, its currencies."""

    fsp: Name
    institution: Name
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    key: Annotated[str, Meta(min_length=1, max_length=4_000)]
    endpoint: Annotated[str, Meta(min_length=1, max_length=200)]
    currencies: Annotated[list[Currency], Meta(max_length=20)] = []
    proof: m.Proof = m.Proof.SIGNATURE
    speaks: m.Speaks = m.Speaks.ANY


class ChangeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What changes; what is left out stays."""

    endpoint: Annotated[str, Meta(max_length=200)] | None = None
    key: Annotated[str, Meta(max_length=4_000)] | None = None
    active: bool | None = None


class DecisionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a colleague's proposal is approved."""

    approve: bool


class PairBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A conversion: the currency that is taken, and the one that is paid for it."""

    source: Currency
    target: Currency


class AmountBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An amount in minor units."""

    amount_minor: Amount


class LimitBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A limit in minor units."""

    limit_minor: Annotated[int, Meta(ge=0, le=MAX_AMOUNT_MINOR)]


async def _operating(request: AnyRequest) -> Context:
    return await web.context(request, "operations", "public-task", signed_in=True)


@post("/currencies", status_code=200)
async def settle_currency(request: AnyRequest, data: JSONBody[CurrencyBody]) -> m.SettledCurrency:
    """Settle a currency from now on, net or gross. 400, 403."""
    return await acts.settle_currency(
        web.stack(request), await _operating(request), data.currency, data.digits, data.settlement
    )


@post("/participants", status_code=202)
async def join(request: AnyRequest, data: JSONBody[JoinBody]) -> m.Proposal:
    """Propose that a participant joins, with key, address and currencies; a second officer decides. 400, 403, 409."""
    wanted = m.Wanted(
        m.What.JOIN, data.fsp, data.institution, data.name, data.key, data.endpoint, tuple(data.currencies),
        data.proof, data.speaks,
    )  # fmt: skip
    return await deciding.propose(web.stack(request), await _operating(request), wanted)


@get("/proposals")
async def proposals(request: AnyRequest) -> list[m.Proposal]:
    """What waits for a second officer, oldest first. 403."""
    return await deciding.proposals(web.stack(request), await _operating(request))


@post("/proposals/{proposal_id:str}/decision", status_code=200)
async def decide(request: AnyRequest, proposal_id: ProposalId, data: JSONBody[DecisionBody]) -> m.Decided:
    """Approve a colleague's proposal (a new participant's token is in the answer, this once), or refuse one.

    403, 404, 409 payments.switch-own-proposal, payments.switch-over-cover.
    """
    return await deciding.decide(web.stack(request), await _operating(request), proposal_id, data.approve)


@get("/participants")
async def participants(
    request: AnyRequest,
    after: Annotated[str, QueryParameter(max_length=32, description="The last name of the page before.")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=200, description="How many at most.")] = 25,
) -> list[m.Member]:
    """Participants with how they stand, by name. 403."""
    return await acts.participants(web.stack(request), await _operating(request), after, limit)


@patch("/participants/{fsp:str}", status_code=202)
async def change(request: AnyRequest, fsp: FspPath, data: JSONBody[ChangeBody]) -> m.Proposal:
    """Propose another address or key, or that a participant takes part again. 400, 403."""
    wanted = m.Wanted(m.What.CHANGE, fsp, key=data.key or "", endpoint=data.endpoint or "", active=data.active)
    return await deciding.propose(web.stack(request), await _operating(request), wanted)


@post("/participants/{fsp:str}/suspension", status_code=200)
async def suspend(request: AnyRequest, fsp: FspPath) -> m.Fsp:
    """Suspend a participant at once: one officer is enough to stop it. 400, 403."""
    return await acts.change(web.stack(request), await _operating(request), fsp, active=False)


@post("/participants/{fsp:str}/conversions", status_code=202)
async def offer_conversion(request: AnyRequest, fsp: FspPath, data: JSONBody[PairBody]) -> m.Proposal:
    """Propose that a participant converts one currency into another, at rates of its own. 400, 403."""
    wanted = m.Wanted(m.What.CONVERT, fsp, currency=data.source, target=data.target)
    return await deciding.propose(web.stack(request), await _operating(request), wanted)


@post("/participants/{fsp:str}/conversions/end", status_code=200)
async def end_conversion(request: AnyRequest, fsp: FspPath, data: JSONBody[PairBody]) -> m.Pair:
    """A participant converts these two no longer, at once: one officer is enough to stop. 400, 403."""
    pair = m.Pair(fsp, data.source, data.target)
    return await providing.change_pair(web.stack(request), await _operating(request), pair, active=False)


@get("/participants/{fsp:str}/{currency:str}")
async def standing(request: AnyRequest, fsp: FspPath, currency: CurrencyPath) -> m.Standing:
    """How a participant stands: cover, limit, position, reserved. 400, 403."""
    return await acts.standing(web.stack(request), await _operating(request), fsp, currency)


async def _amount(
    request: AnyRequest, what: m.What, fsp: str, currency: str, amount_minor: int, key: str = ""
) -> m.Proposal:
    wanted = m.Wanted(what, fsp, currency=currency, amount_minor=amount_minor)
    return await deciding.propose(web.stack(request), await _operating(request), wanted, key)


@put("/participants/{fsp:str}/{currency:str}/limit", status_code=202)
async def limit(request: AnyRequest, fsp: FspPath, currency: CurrencyPath, data: JSONBody[LimitBody]) -> m.Proposal:
    """Propose how much a participant may owe: never above its cover. 400, 403."""
    return await _amount(request, m.What.LIMIT, fsp, currency, data.limit_minor)


@post("/participants/{fsp:str}/{currency:str}/cover", status_code=202)
async def bring(
    request: AnyRequest, fsp: FspPath, currency: CurrencyPath, data: JSONBody[AmountBody], key: Key
) -> m.Proposal:
    """Say that money has arrived at the settlement bank: approved, the cover grows. 400, 403, 409."""
    return await _amount(request, m.What.COVER, fsp, currency, data.amount_minor, key)


@post("/participants/{fsp:str}/{currency:str}/withdrawals", status_code=202)
async def take(
    request: AnyRequest, fsp: FspPath, currency: CurrencyPath, data: JSONBody[AmountBody], key: Key
) -> m.Proposal:
    """Propose to take cover out that no limit rests on. 400, 403, 409."""
    return await _amount(request, m.What.WITHDRAWAL, fsp, currency, data.amount_minor, key)


Before = Annotated[int | None, QueryParameter(ge=1, le=2**62, description="The last number of the page before.")]
Limit = Annotated[int, QueryParameter(ge=1, le=500, description="How many at most.")]
Number = Annotated[int, PathParameter(ge=1, le=2**62, description="The number of the window.")]


@get("/windows")
async def windows(request: AnyRequest, before: Before = None, limit: Limit = 50) -> list[m.Window]:
    """Settlement windows, newest first. 403."""
    return await settling.windows(web.stack(request), await _operating(request), before, limit)


@get("/windows/{number:int}")
async def report(request: AnyRequest, number: Number) -> m.Report:
    """The settlement report of a window: who sent and received what, and owes or is owed how much. 403, 404."""
    return await settling.report(web.stack(request), await _operating(request), number)


@post("/windows/{number:int}/close", status_code=200)
async def close(request: AnyRequest, number: Number) -> m.Window:
    """Close the open window; the next one opens at once. 403, 404, 409."""
    return await settling.close_window(web.stack(request), await _operating(request), number)


@post("/windows/{number:int}/settlement", status_code=200)
async def settle(request: AnyRequest, number: Number) -> m.Report:
    """Settle a closed window: all net amounts move, or none. 403, 404, 409."""
    return await settling.settle(web.stack(request), await _operating(request), number)


@get("/keys")
async def keys(request: AnyRequest) -> dict[str, str]:
    """The public key of each participant and of the hub, in PEM, to check signatures with; public."""
    return await door.public_keys(web.stack(request), door.outside())


dialects = {PREFIX: dialect}
hot = [  # the four messages of a quote and its transfer
    *(Hot(f"{PREFIX}/{name}", _taken) for name in ("quotes", "transfers")),
    *(
        Hot(f"{PREFIX}/{name}/*", _taken, method="PUT", template=f"{PREFIX}/{name}/{{id:str}}")
        for name in ("quotes", "transfers")
    ),
]
routers = [
    Router(
        PREFIX,
        route_handlers=[look_up, party, who_keeps, register, unregister, create, ask, answer, who_converts],
        tags=["switch"],
    ),
    Router(
        "/v1/switch",
        route_handlers=[
            *(
                settle_currency,
                join,
                participants,
                proposals,
                decide,
                change,
                suspend,
                offer_conversion,
                end_conversion,
                standing,
                limit,
                bring,
                take,
                windows,
                report,
                close,
                settle,
                keys,
            ),
        ],
        tags=["switch"],
    ),
    *routes_outside.routers,
]
