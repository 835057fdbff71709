"""Verbs of presentation: ask, open the page, take a wallet's answer, come back to the browser, collect, forget."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Struct

from msingi.credentials.presentation import access, dcql, envelope, issuers, rules, standing, store
from msingi.credentials.presentation.errors import (
    NoSuchRequest,
    NotEncrypted,
    QueryMalformed,
    Refused,
    StatusUndetermined,
    WrongNumber,
)
from msingi.credentials.presentation.model import (
    Asked,
    Asker,
    Credential,
    Device,
    Identify,
    Made,
    Mode,
    Order,
    RequestId,
    Result,
    Row,
    Said,
    Shown,
    State,
)
from msingi.credentials.presentation.standing import askable_fields as askable_fields
from msingi.credentials.presentation.standing import register_rights as register_rights
from msingi.credentials.presentation.wire import json_of, with_query
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Actor, Context, Kind
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

ROOM = "credentials"
CHANNEL = "wallet"
_ANSWER, _KEY = "credentials.presentation", "credentials.presentation-key"


class Answered(Struct, frozen=True):
    """What a wallet is told: where to send the browser, or nothing (empty)."""

    redirect_uri: str = ""


def hashed(*parts: str) -> bytes:
    """A hash of secrets that only their owner can name again."""
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _seconds() -> int:
    return int(clock.now().timestamp())


def _bare(row: Row | None) -> Row:
    if row is None:
        raise NoSuchRequest()
    return row


async def ask_presentation(stack: Stack, ctx: Context, order: Order) -> Made:
    """Ask to be shown something; the receipt says where the person goes (law 1).

    Raises QueryMalformed, NoRightToAsk, NotPermitted.
    """
    query = dcql.read(order.dcql_query)
    rules.check_order(order, query, stack.settings.url)
    rules.check_haip(order, query, await standing.demanding(stack))
    right = await standing.right_of(stack, ctx)
    permit = policy.decide(ctx, "credentials.ask_presentation", policy.NOBODY)
    rules.may_ask(order, query, right)
    assert right is not None
    request_id = RequestId(secrets.token_urlsafe(16))
    public, private = envelope.new_key()
    asker = Asker(ctx.actor.kind, ctx.actor.id, ctx.actor.institution, ctx.actor.name or ctx.actor.id, ctx.actor.roles)
    host = urlsplit(stack.settings.url).hostname or ""
    if order.client_id_prefix is Identify.X509_SAN_DNS and not access.is_dns_name(host):
        raise QueryMalformed("The stack's address is no name.", field="client_id_prefix", rule="a DNS name as address")
    now = _seconds()
    async with stack.db.transaction(permit) as tx:
        certificate = await standing.certificate(stack, tx, asker, host)
        asked = Asked(
            asker=asker,
            purpose=ctx.purpose,
            basis=ctx.basis,
            law=right.law,
            query=query,
            transaction_data=rules.transaction_texts(order),
            certificate=base64.b64encode(certificate).decode(),
            client_id=envelope.client_id(order.client_id_prefix, certificate, host),
            prefix=order.client_id_prefix,
            mode=order.response_mode,
            across=order.across,
            nonce=secrets.token_urlsafe(24),
            response_uri=f"{stack.settings.url}/present/wallet/{request_id}",
            encryption_jwk=public,
            return_to=order.return_to,
            status_required=order.status_required,
            asked_at=now,
            expires_at=now + order.lives_s,
        )
        expires_at = datetime.fromtimestamp(asked.expires_at, UTC)
        sealed = stack.seal.seal_with_room_key(_KEY + request_id, private)
        await store.add(tx, request_id, asked, sealed, expires_at)
        log.append(tx, permit, detail=_told(asked))
    page = f"{stack.settings.url}/present/{request_id}"
    return Made(request_id, page, envelope.wallet_link(asked, Device.OTHER), expires_at)


def _told(asked: Asked) -> dict[str, str | int | bool]:
    """What the log says of a request."""
    return {"fields": " ".join(asked.fields)[:400], "law": asked.law, "formats": rules.formats_of(asked.query)}


async def look(stack: Stack, request_id: str) -> Row:
    """One request, which names nobody. Raises NoSuchRequest."""
    async with stack.db.reading(ROOM) as tx:
        return _bare(await store.request(tx, request_id[:64]))


async def open_presentation(stack: Stack, ctx: Context, request_id: str, session: bytes) -> Row:
    """The request as its page shows it; the first browser that opens it is the one that it belongs to (law 6).

    Raises NoSuchRequest.
    """
    row = await look(stack, request_id)
    if row.session:
        return row
    permit = policy.decide(ctx, "credentials.open_presentation", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        first = await store.bind_session(tx, row.request_id, session)
        log.append(tx, permit, detail={"to": row.asked.asker.name, "first": first})
    return await look(stack, request_id)


async def request_for_wallet(stack: Stack, request_id: str, device: Device, wallet_nonce: str) -> str:
    """The signed request object, as often as a wallet asks for it while the request lives.

    Raises NoSuchRequest, RequestEnded, OtherSession.
    """
    row = await look(stack, request_id)
    rules.may_answer(row, device, _seconds(), row.session)
    if row.asked.prefix is Identify.REDIRECT_URI or device is Device.BROWSER:
        raise NoSuchRequest()
    return envelope.request_object(row.asked, device, stack.keys.signer("access"), wallet_nonce)


async def request_for_browser(stack: Stack, request_id: str, session: bytes) -> dict[str, Any]:
    """The request for the browser's own interface to wallets, on the page that belongs to this browser.

    Raises NoSuchRequest, RequestEnded, OtherSession.
    """
    row = await look(stack, request_id)
    rules.may_answer(row, Device.BROWSER, _seconds(), session)
    return envelope.browser_request(row.asked, stack.keys.signer("access"))


async def receive_presentation(
    stack: Stack, ctx: Context, request_id: str, device: Device, form: Mapping[str, str], session: bytes = b""
) -> Answered:
    """Take a wallet's answer; nothing that it did not have to say is kept (laws 2 to 4, 7, 8).

    The act is the asking institution's: the person sees that it looked, why, and at what. Raises Refused with rule and
    clause, RequestEnded, NoSuchRequest; OtherSession for an answer through another browser than the page's (`session`).
    """
    row = await look(stack, request_id)
    rules.may_answer(row, device, _seconds(), session)
    if "error" in form:
        return await _declined(stack, ctx, row, device, form["error"])
    try:
        found, credentials = await _accepted(stack, row, device, form)
    except Refused as refusal:
        await _failed(stack, ctx, row, refusal)
        raise
    return await _shown(stack, ctx, row, device, found, credentials)


async def _accepted(
    stack: Stack, row: Row, device: Device, form: Mapping[str, str]
) -> tuple[list[tuple[str, Shown]], tuple[Credential, ...]]:
    """OpenID4VP 8.6: the validation of a VP token."""
    asked, now = row.asked, _seconds()
    if asked.mode is Mode.ENCRYPTED:
        if "response" not in form:
            raise NotEncrypted("The response is not encrypted.", rule="response", clause="OpenID4VP 8.3.1")
        private = stack.seal.unseal_with_room_key(_KEY + row.request_id, row.key)
        content = envelope.opened(form["response"], private)
    else:
        content = {"vp_token": json_of(form.get("vp_token", "").encode(), "The VP token")}
    tokens = envelope.tokens_of(content.get("vp_token"))
    trusted = (await issuers.kept(stack)).trusted
    found = rules.verified(asked.query, tokens, envelope.binding_of(asked, device), trusted, now)
    rules.authorised(asked, found)
    judged: list[tuple[str, Shown, Said]] = []
    for name, shown in found:
        said = await issuers.status(stack, shown.status)
        if said == "undetermined" and asked.status_required:
            raise StatusUndetermined(rule="status", clause="Token Status List 8.3")
        judged.append((name, shown, said))
    return found, rules.kept(asked.query, judged)


def _asking(ctx: Context, asked: Asked) -> Context:
    """The circumstances of an answer: the institution looks, for the purpose and on the basis that it stated."""
    asker = asked.asker
    actor = Actor(Kind(asker.kind), asker.actor, asker.institution, asker.roles, 2, asker.name)
    return Context(actor, asked.purpose, asked.basis, ctx.request_id, clock.now(), CHANNEL)


async def _whose(stack: Stack, tx: Tx, found: list[tuple[str, Shown]]) -> list[PersonId]:
    """Whose credentials of this stack's own they are, for the record that the person reads; nobody else learns it."""
    prefix = f"{stack.settings.url}/credentials/status/"
    people: list[PersonId] = []
    for _, shown in found:
        number = shown.status.uri.removeprefix(prefix) if shown.own and shown.status else ""
        if shown.status is None or not number.isdigit() or len(number) > 9 or shown.status.index >= 2**31:
            continue
        person = await store.holder_of_copy(tx, int(number), shown.status.index)
        if person is not None and person not in people:
            people.append(person)
    return people


async def _shown(
    stack: Stack,
    ctx: Context,
    row: Row,
    device: Device,
    found: list[tuple[str, Shown]],
    credentials: tuple[Credential, ...],
) -> Answered:
    asked, code = row.asked, secrets.token_urlsafe(24)
    state = rules.after_answer(asked, device)
    permit = policy.decide(_asking(ctx, asked), "credentials.receive_presentation", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        locked = _bare(await store.request(tx, row.request_id, locked=True))
        rules.may_answer(locked, device, _seconds(), row.session)
        people = await _whose(stack, tx, found)
        detail = _told(asked) | {"device": device.name.lower(), "kinds": " ".join(sorted({s.kind for _, s in found}))}
        for person in people or [None]:
            log.append(tx, permit, subject=person, detail=detail)
        sealed_answer = msgspec.json.encode((credentials, [str(person) for person in people]))
        answer = stack.seal.seal_with_room_key(_ANSWER + row.request_id, sealed_answer)
        secret = number_of(stack, row.request_id, code) if device is Device.OTHER else code
        hash_ = hashed(row.request_id, secret) if state is State.SHOWN else b""
        await store.keep_answer(tx, row.request_id, state, device.value, hash_, answer, "", clock.now())
    return Answered(_way_back(stack, row, device, state, code))


def number_of(stack: Stack, request_id: str, code: str) -> str:
    """The six figures that the wallet's device shows, to be typed on the other one."""
    mark = stack.keys.blind(f"presentation.number|{request_id}|{code}")
    return f"{int.from_bytes(mark[:8]) % 1_000_000:06d}"


def _way_back(stack: Stack, row: Row, device: Device, state: State, code: str) -> str:
    """Where the wallet sends its browser: back to the session that asked, or to the page with the number (8.2)."""
    if state is not State.SHOWN:
        return ""
    last = "number" if device is Device.OTHER else "back"
    return f"{stack.settings.url}/present/{row.request_id}/{last}?response_code={code}"


async def _declined(stack: Stack, ctx: Context, row: Row, device: Device, error: str) -> Answered:
    """The person said no, or the wallet has nothing that fits (8.5)."""
    known = ("access_denied", "invalid_request", "vp_formats_not_supported", "invalid_transaction_data")
    reason = error if error in (*known, "invalid_client", "wallet_unavailable") else "other"
    permit = policy.decide(_asking(ctx, row.asked), "credentials.receive_presentation", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        locked = _bare(await store.request(tx, row.request_id, locked=True))
        rules.may_answer(locked, device, _seconds(), row.session)
        log.append(tx, permit, detail=_told(row.asked) | {"declined": reason})
        await store.keep_answer(tx, row.request_id, State.DECLINED, device.value, b"", b"", reason, clock.now())
    return Answered(f"{stack.settings.url}/present/{row.request_id}" if device is not Device.OTHER else "")


async def _failed(stack: Stack, ctx: Context, row: Row, refusal: Refused) -> None:
    """Count an answer that was not accepted; of what was sent nothing is kept but the rule that it broke."""
    permit = policy.decide(_asking(ctx, row.asked), "credentials.receive_presentation", policy.NOBODY)
    reason = rules.refusal_reason(refusal)
    async with stack.db.transaction(permit) as tx:
        locked = _bare(await store.request(tx, row.request_id, locked=True))
        if locked.state is State.OPEN:
            await store.count_try(tx, locked, rules.after_failure(locked), reason, keep=False)
        log.append(tx, permit, detail=_told(row.asked) | {"refused": reason})


async def confirm_presentation(
    stack: Stack, ctx: Context, request_id: str, session: bytes, secret: str, device: Device
) -> str:
    """The browser that asked has come back, or has typed the number: the answer may be collected (law 6).

    Gives the address to go on to, with the one-time secret that collecting needs; empty if there is none.
    Raises OtherSession, WrongNumber, RequestEnded, NoSuchRequest.
    """
    permit = policy.decide(ctx, "credentials.confirm_presentation", policy.NOBODY)
    wrong: WrongNumber | None = None
    there = ""
    async with stack.db.transaction(permit) as tx:
        row = _bare(await store.request(tx, request_id[:64], locked=True))
        try:
            rules.may_confirm(row, session, hashed(row.request_id, secret[:100]), device, _seconds())
        except WrongNumber as no:
            wrong = no
            ended = row.tries + 1 >= rules.MOST_NUMBERS
            state = State.FAILED if ended else State.SHOWN
            await store.count_try(tx, row, state, "presentation.wrong-number" if ended else "", keep=not ended)
        else:
            collect = secrets.token_urlsafe(24) if row.asked.return_to else ""
            await store.confirm(tx, row.request_id, hashed(row.request_id, collect) if collect else b"")
            if collect:
                there = with_query(row.asked.return_to, presentation=row.request_id, code=collect)
        log.append(tx, permit, detail={"to": row.asked.asker.name, "confirmed": wrong is None})
    if wrong is not None:
        raise wrong
    return there


async def collect_presentation(stack: Stack, ctx: Context, request_id: str, code: str = "") -> Result:
    """What became of a request, for the software that made it; the claims as long as they are kept (law 7).

    `code` is what the browser brought to `return_to`. Raises NoSuchRequest, also for what others asked.
    """
    row = await look(stack, request_id)
    if (row.asked.asker.kind, row.asked.asker.actor) != (ctx.actor.kind, ctx.actor.id):
        raise NoSuchRequest()
    permit = policy.decide(ctx, "credentials.collect_presentation", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        row = _bare(await store.request(tx, request_id[:64]))
        log.append(tx, permit, detail={"state": row.state.value})
    if row.collect_hash and hashed(row.request_id, code) != row.collect_hash:
        raise NoSuchRequest("The answer is collected with the code that the browser brought back.")
    return result_of(stack, row)


def result_of(stack: Stack, row: Row) -> Result:
    """The result that a request stands at."""
    state = rules.state_now(row, _seconds())
    expires_at = datetime.fromtimestamp(row.asked.expires_at, UTC)
    credentials: tuple[Credential, ...] = ()
    if state is State.ANSWERED and row.answer:
        credentials, _ = unsealed(stack, row)
    device = Device(row.device).name.lower() if row.device else ""
    return Result(row.request_id, state, expires_at, credentials, device, row.reason)


def unsealed(stack: Stack, row: Row) -> tuple[tuple[Credential, ...], list[str]]:
    """What was shown, and the ids of the people whose credentials of this stack's own it were."""
    plain = stack.seal.unseal_with_room_key(_ANSWER + row.request_id, row.answer)
    return msgspec.json.decode(plain, type=tuple[tuple[Credential, ...], list[str]])


def _times_over(at: datetime) -> tuple[datetime, datetime]:
    """Before when answers and requests are forgotten."""
    return at - timedelta(seconds=rules.ANSWER_KEPT_S), at - timedelta(seconds=rules.REQUEST_KEPT_S)


async def has_forgettable(stack: Stack) -> bool:
    """Whether there is anything to forget: the log need not say each minute that there was nothing."""
    async with stack.db.reading(ROOM) as tx:
        return await store.forgettable(tx, *_times_over(clock.now()))


async def forget_presentations(stack: Stack, ctx: Context) -> int:
    """Forget answers after ten minutes and requests after a day (law 7); how many answers."""
    permit = policy.decide(ctx, "credentials.forget_presentations", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        answers, requests = await store.forget(tx, *_times_over(ctx.at))
        log.append(tx, permit, detail={"answers": answers, "requests": requests})
    return answers


async def keep_published(stack: Stack, ctx: Context, client: httpx.AsyncClient) -> int:
    """Fetch what trusted issuers publish, for checks that then make no connection (law 5); how many addresses."""
    permit = policy.decide(ctx, "credentials.keep_published", policy.NOBODY)
    found = await issuers.refresh(stack, client)
    async with stack.db.transaction(permit) as tx:
        for uri, body in found.items():
            await store.keep_fetched(tx, uri, body, ctx.at)
        log.append(tx, permit, detail={"addresses": len(found)})
    issuers.forget(stack)
    return len(found)
