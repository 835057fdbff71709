"""Simulated banks of a sandbox: participants of their own that speak the real protocol over HTTP, signed both ways.

They say that they are simulated in every name that they tell. Each listens on a loopback port of its own, which it
tells the switch at its start. Nothing of theirs runs outside a sandbox.
"""

import asyncio
import hmac
import logging
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httptools
import msgspec
from msgspec import Struct

from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.ids import random_id
from msingi.kernel.settings import LOOPBACK
from msingi.kernel.stack import Stack
from msingi.payments.switch import acts, cancelling, exchanging, ilp, jws, roll, rules, wire
from msingi.payments.switch.errors import UnknownFsp
from msingi.payments.switch.line import Way

logger = logging.getLogger("msingi.switch")
FILE = "sample.neighbours.json"
LOOK_S, QUOTED_S, MOST_BODY = 2.0, 90.0, 1_000_000
BUFFER = memoryview(bytearray(64 * 1024))


class Plan(Struct, frozen=True):
    """A simulated bank: its name as a participant, its currency, its fee in hundredths of a percent, its private key
    (PEM), and its customers: telephone number without + to the name that it tells. With a `rate` it is an exchange
    provider too: so much of `target` for one unit of `currency`, after a charge in hundredths of a percent."""

    fsp: str
    currency: str
    digits: int
    fee_bp: int
    key: str
    people: dict[str, str]
    target: str = ""
    target_digits: int = 2
    rate: str = ""
    charge_bp: int = 0


def plans(home: Path) -> list[Plan]:
    """The simulated banks of a sandbox, as its sample wrote them."""
    file = home / FILE
    return msgspec.json.decode(file.read_bytes(), type=list[Plan]) if file.exists() else []


class _Reading(asyncio.BufferedProtocol):
    """One connection to a simulated bank: whole requests go to `take`."""

    def __init__(self, bank: "Neighbour") -> None:
        self.bank = bank

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.bank.connections.add(transport)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self.bank.connections.discard(self.transport)

    def _next(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.path, self.body, self.headers = "", b"", {}

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes: one place for all connections, for it is parsed before the next comes."""
        return BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what came; whoever does not speak HTTP, or says too much, is not listened to."""
        try:
            self.parser.feed_data(BUFFER[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.transport.abort()
        if len(self.body) > MOST_BODY:
            self.transport.abort()

    def on_url(self, url: bytes) -> None:
        self.path += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        method = self.parser.get_method().decode()
        self.bank.take(method, self.path, self.headers, self.body)
        status = b"200 OK" if method in ("PUT", "PATCH") else b"202 Accepted"
        self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
        self._next()


class Neighbour:
    """A simulated bank at work: it answers look-ups, quotes and transfers as every participant does."""

    def __init__(self, stack: Stack, plan: Plan) -> None:
        self.stack, self.plan = stack, plan
        self.connections: set[Any] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._giving: dict[str, cancelling.Request] = {}  # what is being given back, by the quote asked for it
        self._way = Way(f"http://127.0.0.1:{stack.settings.port}")

    async def start(self) -> None:
        """Listen, and tell the switch where. Raises UnknownFsp if it has not joined."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Reading(self), "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        await acts.change(self.stack, job_context("setup"), self.plan.fsp, endpoint=f"http://127.0.0.1:{port}")

    def stop(self) -> None:
        """Listen no more."""
        self._server.close()
        for one in list(self._tasks):
            one.cancel()
        for transport in list(self.connections):
            transport.abort()
        self._way.close()

    async def register(self) -> None:
        """Tell the switch whose accounts stand here: through its door, as every participant does. Raises Outage."""
        for phone in self.plan.people:
            body = {"fspId": self.plan.fsp, "currency": self.plan.currency}
            await self._say("POST", f"/participants/MSISDN/{phone}", "", body)

    def take(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        """A message of the switch: answered in its own time, as over a real network."""
        task = asyncio.ensure_future(self._answer(method, path, headers, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        source = headers.get("fspiop-source", "")
        try:
            fsp = (await roll.of(self.stack)).active(source, "FSPIOP-Source")
            signed = dict(headers)
            if method == "GET":  # whom a look-up goes to the switch finds out: the sender cannot have signed it
                signed.pop("fspiop-destination", None)
            jws.verify(fsp.key, signed, method, urlsplit(path).path, body)
            if method == "GET" and path.startswith("/parties/"):
                await self._party(urlsplit(path).path, source)
            elif (method, path) == ("POST", "/quotes"):
                await self._quote(wire.read(body, wire.QuoteRequest), source)
            elif (method, path) == ("POST", "/transfers"):
                await self._transfer(wire.read(body, wire.TransferRequest), source)
            elif (method, path) == ("POST", "/recalls"):
                await self._recalled(cancelling.request(body))
            elif method == "PUT" and path.startswith("/quotes/"):
                await self._give_back(wire.read(body, wire.QuoteAnswer), path.split("/")[2])
            elif method == "POST" and path in ("/fxQuotes", "/fxTransfers") and self.plan.rate:
                await self._say(*exchanging.answer(self.plan, self._secret, path, body, source))
        except (Refusal, Outage) as refused:
            logger.info("a simulated bank does not answer: %s", refused)

    async def _party(self, path: str, asker: str) -> None:
        kind, identifier = (unquote(piece) for piece in path.split("/")[2:4])
        name = self.plan.people.get(identifier) if kind == "MSISDN" else None
        if name is None:
            return await self._say("PUT", f"{path}/error", asker, _wrong("3204", "Party not found"))
        who = wire.PartyName(kind, identifier, None, self.plan.fsp)
        party = wire.Party(who, name, supported_currencies=[self.plan.currency])
        return await self._say("PUT", path, asker, wire.PartyAnswer(party))

    async def _quote(self, asked: wire.QuoteRequest, asker: str) -> None:
        """Its fee is taken out of what arrives; it rounds it up to a whole minor unit."""
        code, digits = self.plan.currency, self.plan.digits
        path, who = f"/quotes/{asked.quote_id}", asked.payee.party_id_info
        if asked.amount.currency != code or who.party_identifier not in self.plan.people:
            return await self._say("PUT", f"{path}/error", asker, _wrong("5106", "Payee unsupported currency"))
        given = rules.minor(asked.amount.amount, digits)
        fee = -(-given * self.plan.fee_bp // 10_000)
        sent, arrives = (given, given - fee) if asked.amount_type == "SEND" else (given + fee, given)
        if arrives < 1:
            return await self._say("PUT", f"{path}/error", asker, _wrong("5200", "Generic Payee Limit Error"))
        content = msgspec.json.encode({"quoteId": asked.quote_id, "transactionId": asked.transaction_id})
        packet = ilp.pack(ilp.Packet(sent, f"g.{self.plan.fsp}.msisdn.{who.party_identifier}", content))
        condition = ilp.condition_of(ilp.fulfilment_of(self._secret, packet))
        until = rules.told(clock.now() + timedelta(seconds=QUOTED_S))
        money = [wire.Money(code, rules.amount(minor, digits)) for minor in (sent, arrives, fee)]
        answer = wire.QuoteAnswer(money[0], until, packet, condition, money[1], money[2] if fee else None)
        return await self._say("PUT", path, asker, answer)

    @property
    def _secret(self) -> bytes:
        return hmac.digest(self.plan.key.encode(), b"ilp", "sha256")

    async def _transfer(self, asked: wire.TransferRequest, asker: str) -> None:
        path, fulfilment = f"/transfers/{asked.transfer_id}", ilp.fulfilment_of(self._secret, asked.ilp_packet)
        amount = rules.minor(asked.amount.amount, self.plan.digits)
        if ilp.condition_of(fulfilment) != asked.condition or ilp.unpack(asked.ilp_packet).amount_minor != amount:
            return await self._say("PUT", f"{path}/error", asker, _wrong("5105", "FSP rejected transaction"))
        return await self._say(
            "PUT", path, asker, wire.TransferAnswer("COMMITTED", fulfilment, rules.told(clock.now()))
        )

    async def _recalled(self, asked: cancelling.Request) -> None:
        """It gives back what was not meant for it; what its customer has to decide, its customer refuses."""
        refused = asked.reason == "CUST"
        words = "Whoever was paid says that it was owed (simulated)" if refused else "It comes back (simulated)"
        told = cancelling.REFUSED if refused else cancelling.COMES_BACK
        answer = cancelling.Answer(
            asked.id, asked.asker, asked.asked, asked.transfer_id, told, "CUST" if refused else "", words
        )
        await self._say("PUT", f"/recalls/{asked.id}", asked.asker, cancelling.answering(answer, clock.now()))
        if refused:
            return
        quote_id = random_id()
        self._giving[quote_id] = asked
        body = wire.QuoteRequest(
            quote_id, asked.transfer_id, wire.Party(wire.PartyName("ALIAS", "payer", None, asked.asker)),
            wire.Party(wire.PartyName("ALIAS", "payee", None, self.plan.fsp)), "SEND",
            wire.Money(asked.currency, asked.amount),
            wire.TransactionType("REFUND", "PAYER", "CONSUMER", wire.GivenBack(asked.transfer_id)),
        )  # fmt: skip
        await self._say("POST", "/quotes", asked.asker, body)

    async def _give_back(self, offer: wire.QuoteAnswer, quote_id: str) -> None:
        asked = self._giving.pop(quote_id, None)
        if asked is None or offer.transfer_amount != wire.Money(asked.currency, asked.amount):
            return
        until = rules.told(clock.now() + timedelta(seconds=30))
        body = wire.TransferRequest(
            quote_id, asked.asker, self.plan.fsp, offer.transfer_amount, offer.ilp_packet, offer.condition, until
        )
        await self._say("POST", "/transfers", asked.asker, body)

    async def _say(self, method: str, path: str, to: str, body: Any) -> None:
        raw, date = msgspec.json.encode(body, order="sorted"), format_datetime(clock.now(), usegmt=True)
        resource = path.split("/")[1]
        version = "2.0" if resource in (*rules.CONVERSION, rules.RECALLS) else "1.1"
        flavour = "iso20022." if resource == rules.RECALLS else ""
        media = f"application/vnd.interoperability.{flavour}{resource}+json;version={version}"
        headers = {"Content-Type": media, "Date": date, "FSPIOP-Source": self.plan.fsp}
        if to:
            headers["FSPIOP-Destination"] = to
        if method == "POST":
            headers["Accept"] = media
        signed = jws.sign(self.plan.key.encode(), method, path, self.plan.fsp, to, date, raw)
        status = await self._way.send(method, f"/fspiop{path}", headers | signed, raw)
        if status >= 300:
            logger.warning("the switch answered a simulated bank %s", status, extra={"code": self.plan.fsp})


def _wrong(code: str, words: str) -> wire.ErrorBody:
    return wire.ErrorBody(wire.ErrorDetail(code, words))


async def neighbours(stack: Stack) -> None:
    """For as long as a sandbox runs: its simulated banks."""
    if not stack.settings.sandbox or stack.settings.host not in LOOPBACK:
        return
    banks = [Neighbour(stack, plan) for plan in plans(stack.settings.home)]
    started: list[Neighbour] = []
    try:
        for bank in banks:
            try:
                await bank.start()
            except UnknownFsp:  # this home's database is another than the sample was made in
                logger.warning("a simulated bank takes no part here", extra={"code": bank.plan.fsp})
            started.append(bank)
        waiting = list(banks)
        while waiting:
            try:
                await waiting[0].register()
                waiting.pop(0)
            except Outage:  # the doors open a moment later
                await asyncio.sleep(LOOK_S)
        await asyncio.Event().wait()
    finally:
        for bank in started:
            bank.stop()
