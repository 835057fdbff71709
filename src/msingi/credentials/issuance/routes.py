"""Doors of issuance: for wallets (OpenID4VCI 1.0), for verifiers who fetch trust, and for institutions."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post

from msingi.credentials import publish
from msingi.credentials.forms import vcjwt
from msingi.credentials.issuance import (
    acts,
    certificates,
    encryption,
    grants,
    kinds,
    metadata,
    nonces,
    offers,
    proofs,
    rules,
    wallets,
    wire,
)  # fmt: skip
from msingi.credentials.issuance.errors import InvalidProofOfKey
from msingi.credentials.issuance.model import (
    AwardOrder,
    Copies,
    CopyOrder,
    Holding,
    HoldingChange,
    HoldingId,
    HoldingSummary,
    KindProposal,
    Offered,
    Waiting,
)  # fmt: skip
from msingi.kernel import clock, web
from msingi.kernel.context import Context
from msingi.kernel.errors import NotFound
from msingi.kernel.hot import Hot
from msingi.kernel.ids import PersonId
from msingi.signin.bearer import acts as bearer
from msingi.signin.errors import InvalidToken
from msingi.signin.provider.model import Held, Shown
from msingi.signin.provider.wire import oauth_dialect

AnyRequest = Request[Any, Any, Any]
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
KEPT = ANY_ORIGIN | {"Cache-Control": "public, max-age=300"}
NO_STORE = {"Cache-Control": "no-store"}
JWT = "application/jwt"
WALLET = ["wallets"]


async def _holder(request: AnyRequest) -> tuple[Held, Context]:
    """Whose wallet asks, by access token (RFC 6750, 2.1; RFC 9449, 7.1); a token in the query is never looked at."""
    headers = request.headers  # made anew each time they are asked for
    scheme, _, text = headers.get("authorization", "").partition(" ")
    proofs_shown = headers.getall("dpop", [])
    if scheme.lower() not in ("bearer", "dpop") or len(proofs_shown) > 1:
        raise InvalidToken(rule="an access token in the Authorization header, one DPoP proof beside it")
    proof = proofs_shown[0] if proofs_shown else ""
    shown = Shown(scheme.lower(), text.strip(), proof, request.method, request.url.path)
    held = await bearer.held(web.stack(request), shown, metadata.AUDIENCE)
    return held, grants.holder(held.person_id, web.request_id(request))


async def _read(request: AnyRequest) -> tuple[dict[str, Any], bool]:
    """The body as an object, and whether it came encrypted."""
    body = await request.body()
    if request.content_type[0] == JWT:
        return wire.json_object(encryption.opened(web.stack(request), body)), True
    return wire.json_object(body), False


def _told(answer: dict[str, Any], to: encryption.AnswerKey | None, status: int = 200) -> Response[bytes]:
    raw = msgspec.json.encode(answer)
    if to is None:
        return Response(raw, status_code=status, media_type="application/json", headers=NO_STORE)
    return Response(encryption.sealed(raw, to).encode(), status_code=status, media_type=JWT, headers=NO_STORE)


def _delivered(request: AnyRequest, person_id: PersonId, copies: Copies) -> dict[str, Any]:
    return {
        "credentials": [{"credential": text} for text in copies.credentials],
        "notification_id": wire.notification_id(web.stack(request), person_id, copies.holding_id),
    }


@post("/oid4vci/nonce", status_code=200, summary="A nonce for proofs of keys", tags=WALLET)
async def nonce(request: AnyRequest) -> Response[wire.Nonce]:
    """A fresh `c_nonce`, for anybody, good for five minutes and for one request (OpenID4VCI 1.0, section 7)."""
    made = nonces.make(web.stack(request), clock.now().timestamp())
    return Response(wire.Nonce(made), status_code=200, headers=NO_STORE | ANY_ORIGIN)


@post("/oid4vci/challenge", status_code=200, summary="A challenge for wallet attestations", tags=WALLET)
async def challenge(request: AnyRequest) -> Response[dict[str, str]]:
    """A fresh `attestation_challenge` (attestation-based client authentication, draft 10, section 8)."""
    made = nonces.make(web.stack(request), clock.now().timestamp())
    return Response({"attestation_challenge": made}, status_code=200, headers=NO_STORE)


@post("/oid4vci/credential", status_code=200, summary="Credentials for a wallet", tags=WALLET,
      opt={"takes": ("application/json", JWT), "gives": ("application/json", JWT)})  # fmt: skip
async def credential(request: AnyRequest) -> Response[bytes]:
    """One signed copy for each proven key, or a transaction id to come back with (OpenID4VCI 1.0, section 8).

    400 with the error of section 8.3.1.2; 401 invalid_token.
    """
    held, ctx = await _holder(request)
    stack, now = web.stack(request), clock.now().timestamp()
    found, encrypted = await _read(request)
    asked = wire.credential_request(found, held, await kinds.known(stack))
    await wallets.check_haip(stack, asked.kind, held)
    to = None
    if asked.encryption is not None:
        to = encryption.asked(asked.encryption, encrypted_request=encrypted)
    if not asked.proofs:
        raise InvalidProofOfKey("A proof of the wallet's key is needed.", field="proofs", rule="required")
    checked = proofs.Asked(
        issuer=stack.settings.url,
        client_id=held.client_id,
        kind=asked.kind,
        form=asked.form,
        anchors=tuple((await wallets.providers(stack)).values()),
        now=now,
        nonce=lambda text: nonces.read(stack, text, now),
    )
    proven = proofs.verify(checked, asked.proofs)
    order = CopyOrder(
        person_id=held.person_id,
        kind=asked.kind.kind,
        form=asked.form,
        holders=proven.holders,
        nonces=proven.nonces,
        holding_id=asked.holding_id,
        client=held.client_id,
    )
    if asked.kind.approval:
        waits = await acts.ask_copies(stack, ctx, order)
        return _told({"transaction_id": waits, "interval": rules.DEFERRED_INTERVAL_S}, to, 202)
    return _told(_delivered(request, held.person_id, await acts.issue_copies(stack, ctx, order)), to)


@post("/oid4vci/deferred", status_code=200, summary="Credentials that had to be approved", tags=WALLET,
      opt={"takes": ("application/json", JWT), "gives": ("application/json", JWT)})  # fmt: skip
async def deferred(request: AnyRequest) -> Response[bytes]:
    """The credentials of an approved request, once; 202 with the interval while nobody has decided (section 9)."""
    held, ctx = await _holder(request)
    found, encrypted = await _read(request)
    to = None
    if (wanted := found.get("credential_response_encryption")) is not None:
        to = encryption.asked(wanted, encrypted_request=encrypted)
    named = wire.transaction_id(found)
    copies = await acts.collect(web.stack(request), ctx, held.person_id, named, held.client_id)
    if copies is None:
        return _told({"transaction_id": named, "interval": rules.DEFERRED_INTERVAL_S}, to, 202)
    # No notification id: it is optional, and the library of many wallets (@openid4vc 0.4.6) refuses it in this answer.
    return _told({"credentials": [{"credential": text} for text in copies.credentials]}, to)


@post("/oid4vci/notification", status_code=204, summary="What became of credentials in a wallet", tags=WALLET)
async def notification(request: AnyRequest) -> None:
    """Keep what the wallet tells in the person's own log; a repetition is harmless (section 11)."""
    held, ctx = await _holder(request)
    found, _ = await _read(request)
    holding_id, event = wire.notification(web.stack(request), found, held.person_id)
    await acts.notify(web.stack(request), ctx, held.person_id, holding_id, event)


@get("/.well-known/openid-credential-issuer", summary="The credential issuer's metadata", tags=WALLET,
     opt={"gives": ("application/json", JWT)})  # fmt: skip
async def issuer_metadata(request: AnyRequest) -> Response[Any]:
    """Endpoints and credential configurations (OpenID4VCI 1.0, section 12.2); signed where `Accept` asks for a JWT."""
    stack = web.stack(request)
    told = await metadata.issuer_metadata(stack)
    headers = KEPT | {"Vary": "Accept"}
    if JWT in request.headers.get("accept", ""):
        signed = metadata.signed(stack, told, int(clock.now().timestamp()))
        return Response(signed.encode(), media_type=JWT, headers=headers)
    return Response(told, headers=headers)


@get("/credentials/offers/{link:str}", summary="A credential offer by reference", tags=WALLET)
async def offer(request: AnyRequest, link: str) -> Response[dict[str, Any]]:
    """The offer that a short address stands for (section 4.1.3). 404 credentials.no-such-offer."""
    return Response(await offers.fetched(web.stack(request), link), headers=NO_STORE | ANY_ORIGIN)


@get("/credentials/offer/{link:str}", include_in_schema=False)
async def open_wallet(request: AnyRequest, link: str) -> Response[bytes]:
    """Where a text message leads: the telephone's wallet is opened with the offer. 404 credentials.no-such-offer."""
    stack = web.stack(request)
    await offers.fetched(stack, link)
    there = {"Location": offers.by_reference(stack, link), **NO_STORE}
    return Response(b"", status_code=303, headers=there, media_type="text/plain")


@get(["/credentials/types/{kind:str}", "/.well-known/vct/credentials/types/{kind:str}"],
     summary="The metadata of a credential type", tags=WALLET)  # fmt: skip
async def type_metadata(request: AnyRequest, kind: str) -> Response[dict[str, Any]]:
    """Names, colours and claims of a type, by language (SD-JWT VC, draft 19, section 4). 404 no-such-kind."""
    stack = web.stack(request)
    return Response(metadata.type_metadata(stack, await kinds.named(stack, kind)), headers=KEPT)


@get("/.well-known/jwt-vc-issuer", summary="The keys that sign credentials", tags=WALLET)
async def issuer_keys(request: AnyRequest) -> Response[dict[str, Any]]:
    """JWT VC Issuer Metadata (SD-JWT VC, draft 19, section 5)."""
    return Response(metadata.issuer_keys(web.stack(request)), headers=KEPT)


@get("/credentials/trust", summary="The issuer's certificates", tags=WALLET)
async def trust(request: AnyRequest) -> Response[dict[str, Any]]:
    """Roots and document signers as base64 of DER, for verifiers to fetch once and keep."""
    return Response(await metadata.trust(web.stack(request)), headers=KEPT)


@get("/credentials/trust/root.crl", summary="Revoked document signers", tags=WALLET, media_type="application/pkix-crl")
async def revocations(request: AnyRequest) -> Response[bytes]:
    """The root's revocation list in DER (RFC 5280, section 5). 404 before the first certificate was made."""
    known = await certificates.anchors(web.stack(request))
    if not known.revocations:
        raise NotFound()
    return Response(known.revocations, media_type="application/pkix-crl", headers=KEPT)


@get("/credentials/status/{list_id:int}/{purpose:str}", summary="A status list for W3C verifiers", tags=WALLET,
     media_type=vcjwt.MEDIA)  # fmt: skip
async def bitstring_list(request: AnyRequest, list_id: int, purpose: str) -> Response[bytes]:
    """The same list as BitstringStatusListCredential, for `revocation` or `suspension`. 404 no-such-status-list."""
    number = min(list_id, 2**31 - 1) if list_id > 0 else 0
    token = await publish.bitstring(web.stack(request), number, purpose)
    headers = ANY_ORIGIN | {"Cache-Control": "public, max-age=60"}
    return Response(token.encode(), media_type=vcjwt.MEDIA, headers=headers)


async def _staff(request: AnyRequest) -> Context:
    return await web.context(request, "credential-issuance", "legal-obligation", signed_in=True)


@post("/kinds", summary="Propose a type of credential", status_code=201)
async def propose_kind(request: AnyRequest, data: dict[str, Any]) -> KindProposal:
    """Describe a type of credential of one's own institution; it waits for approval. 400 kind-wrong; 409 kind-taken."""
    return await acts.propose_kind(web.stack(request), await _staff(request), data)


@get("/kinds", summary="Proposed types of credentials")
async def proposals(request: AnyRequest) -> list[KindProposal]:
    """The proposals of one's institution, or all for who decides about them. 403."""
    return await acts.kind_proposals(web.stack(request), await _staff(request))


@post("/kinds/{kind:str}/decision", summary="Approve or refuse a type of credential", status_code=200)
async def decide_kind(request: AnyRequest, kind: str, data: wire.Decision) -> KindProposal:
    """Put a proposed type in force, or refuse it; never one's own. 403; 404 no-such-kind; 409 own-proposal."""
    stack = web.stack(request)
    return await acts.decide_kind(stack, await _staff(request), kind, data.approve)


@post("/wallet-providers", summary="Accept a provider of wallets", status_code=201)
async def accept_wallet_provider(request: AnyRequest, data: wire.WalletProvider) -> None:
    """Accept the attestations that a provider's root vouches for. 400 wallet-provider-wrong; 403."""
    ctx = await _staff(request)
    await acts.accept_wallet_provider(web.stack(request), ctx, data.client_id, data.name, data.certificate)


@post("/awards", summary="Award a credential to a person", status_code=201)
async def award(request: AnyRequest, data: AwardOrder) -> Holding:
    """Award a credential of one's own institution to a person by number. 400 value-wrong names the claim; 403; 404."""
    return await acts.award(web.stack(request), await _staff(request), data)


@get("/persons/{person_id:uuid}/holdings", summary="What a person holds")
async def holdings(request: AnyRequest, person_id: PersonId) -> list[HoldingSummary]:
    """Every credential of a person with its state, for the person. 403."""
    return await acts.holdings_of(web.stack(request), await _staff(request), person_id)


@post("/holdings/{holding_id:uuid}/state", summary="Suspend, reinstate or end a credential", status_code=200)
async def change_holding(request: AnyRequest, holding_id: UUID, data: wire.StateOrder) -> HoldingChange:
    """Change a credential's state: it reaches every copy, in every form, through the status lists. 403; 404; 409."""
    return await acts.change_holding(
        web.stack(request), await _staff(request), data.person_id, HoldingId(holding_id), data.state, data.reason
    )


@post("/offers", summary="Offer a credential to a person's wallet", status_code=201)
async def make_offer(request: AnyRequest, data: wire.OfferOrder) -> Offered:
    """An offer for fifteen minutes, by value and by reference, with a transaction code. 400; 403; 404."""
    return await acts.make_offer(
        web.stack(request), await _staff(request), data.person_id, data.kind,
        with_code=data.with_code, by_sms=data.by_sms,
    )  # fmt: skip


@get("/requests", summary="Requests of wallets that wait for a decision")
async def waiting_requests(request: AnyRequest) -> list[Waiting]:
    """The requests that wait for an officer of the caller's institution, the oldest first. 403."""
    return await acts.waiting_requests(web.stack(request), await _staff(request))


@post("/requests/{request_id:uuid}/decision", summary="Approve or refuse a wallet's request", status_code=200)
async def decide_request(request: AnyRequest, request_id: UUID, data: wire.RequestDecision) -> Waiting:
    """Let a wallet collect what it asked for, or not. 403; 404 no-such-request."""
    return await acts.decide_request(
        web.stack(request), await _staff(request), data.person_id, request_id, data.approve
    )


dialects = {metadata.AUDIENCE: oauth_dialect}
routers = [
    Router(
        "/",
        route_handlers=[
            nonce, challenge, credential, deferred, notification, issuer_metadata, offer, open_wallet, type_metadata,
            issuer_keys,
            trust, revocations, bitstring_list,
        ],
    ),
    Router(
        "/v1/credentials",
        route_handlers=[
            propose_kind, proposals, decide_kind, accept_wallet_provider, award, holdings, change_holding, make_offer,
            waiting_requests, decide_request,
        ],
        tags=["credentials"],
    ),
]  # fmt: skip
hot = [Hot("/oid4vci/nonce", nonce.fn), Hot("/oid4vci/credential", credential.fn)]
