"""A participant for tests: signs what it sends to the switch, and answers what reaches it over real HTTP.

As a payee it makes packets and conditions by itself, in the form of the API definition.
"""

import asyncio
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httptools
import httpx

from msingi.payments.switch import ilp, jws

SECRET = b"a payee's own secret"
KEYS: list[tuple[bytes, str]] = []  # keys that nobody uses any more: making one takes a second
Reply = Callable[["Participant", str, str, dict[str, str], bytes], Any]


def at(seconds: float) -> str:
    """An instant of the wire, this many seconds from now."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def media(resource: str, version: str = "1.1") -> str:
    """The media type of a resource."""
    return f"application/vnd.interoperability.{resource}+json;version={version}"


class _Server(asyncio.Protocol):
    """One connection to a participant's server."""

    def __init__(self, owner: "Participant") -> None:
        self.owner = owner
        self.begin()

    def begin(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.path, self.headers, self.body = "", {}, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.owner.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.owner.connections.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        method = self.parser.get_method().decode()
        status = self.owner.took(method, self.path, self.headers, self.body)
        self.transport.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)
        self.begin()


class Participant:
    """A participant with a key, a server on a free port, and a client on the switch."""

    def __init__(self, name: str, client: httpx.AsyncClient | None = None, reply: Reply | None = None) -> None:
        self.name, self.client, self.reply = name, client, reply
        self.private, self.public = KEYS.pop() if KEYS else jws.new_key()
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        self.news = asyncio.Event()
        self.status = 0  # what it answers instead of 200 or 202
        self.token = ""
        self.connections: set[Any] = set()
        self.tasks: set[Any] = set()

    async def start(self, port: int = 0) -> "Participant":
        """Listen."""
        self.server = await asyncio.get_running_loop().create_server(lambda: _Server(self), "127.0.0.1", port)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """Listen no more."""
        KEYS.append((self.private, self.public))
        self.server.close()
        for transport in list(self.connections):
            transport.abort()

    def took(self, method: str, path: str, headers: dict[str, str], body: bytes) -> int:
        """Take a message; the status."""
        if self.status:
            return self.status
        self.got.append((method, path, headers, body))
        self.news.set()
        if self.reply is not None:
            task = asyncio.ensure_future(self.reply(self, method, path, headers, body))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return 200 if method in ("PUT", "PATCH") else 202

    def signed(
        self, method: str, path: str, body: Any, to: str = "", version: str = "1.1", raw: bytes | None = None,
        flavour: str = "",
    ) -> tuple[dict[str, str], bytes]:  # fmt: skip
        """Headers and body of a signed message."""
        resource = path.split("/")[1].split("?")[0]
        content = raw if raw is not None else (json.dumps(body).encode() if body is not None else b"")
        date = format_datetime(datetime.now(UTC), usegmt=True)
        headers = {
            "Content-Type": media(flavour + resource, version),
            "Date": date,
            "FSPIOP-Source": self.name,
        }
        if to:
            headers["FSPIOP-Destination"] = to
        if method in ("GET", "POST"):
            headers["Accept"] = media(flavour + resource, version)
        return headers | jws.sign(self.private, method, urlsplit(path).path, self.name, to, date, content), content

    async def send(self, method: str, path: str, body: Any = None, to: str = "", **more: Any) -> httpx.Response:
        """Send a signed message to the switch."""
        headers, content = self.signed(method, path, body, to, **more)
        assert self.client is not None
        return await self.client.request(method, f"/fspiop{path}", content=content, headers=headers)

    async def wait(self, method: str, start: str, after: int = 0, seconds: float = 10) -> tuple[Any, dict[str, str]]:
        """The first message (body, headers) of this method and path that reached it, waiting for it."""
        async with asyncio.timeout(seconds):
            while True:
                for verb, path, headers, body in self.got[after:]:
                    if verb == method and path.startswith(start):
                        return (json.loads(body) if body else None), headers
                self.news.clear()
                await self.news.wait()

    # What a payer says.

    def quote(self, payee: str, amount: str, currency: str, quote_id: str = "") -> dict[str, Any]:
        """The body of POST /quotes."""
        return {
            "quoteId": quote_id or str(uuid4()),
            "transactionId": str(uuid4()),
            "payee": {"partyIdInfo": {"partyIdType": "MSISDN", "partyIdentifier": "255700000001", "fspId": payee}},
            "payer": {"partyIdInfo": {"partyIdType": "MSISDN", "partyIdentifier": "255700000002", "fspId": self.name}},
            "amountType": "SEND",
            "amount": {"amount": amount, "currency": currency},
            "transactionType": {"scenario": "TRANSFER", "initiator": "PAYER", "initiatorType": "CONSUMER"},
        }

    def transfer(self, payee: str, amount: str, currency: str, seconds: float = 60, **more: str) -> dict[str, Any]:
        """The body of POST /transfers with a packet that the test payee can fulfil."""
        minor = int(float(amount) * 100)
        packet = ilp.pack(ilp.Packet(minor, f"g.{payee}.msisdn.255700000001", b"{}"))
        return {
            "transferId": str(uuid4()),
            "payeeFsp": payee,
            "payerFsp": self.name,
            "amount": {"amount": amount, "currency": currency},
            "ilpPacket": packet,
            "condition": ilp.condition_of(fulfilment(packet)),
            "expiration": at(seconds),
        } | more


def fulfilment(packet: str) -> str:
    """What the test payee fulfils a packet with."""
    return jws.b64(hmac.digest(SECRET, jws.unb64(packet), "sha256"))


def condition(packet: str) -> str:
    """Its condition."""
    return jws.b64(sha256(jws.unb64(fulfilment(packet))).digest())


async def payee(me: Participant, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
    """How a willing payee answers: look-ups, quotes, transfers."""
    asker, pieces = headers["fspiop-source"], path.split("/")
    if method == "GET" and pieces[1] == "parties":
        who = {"partyIdType": pieces[2], "partyIdentifier": pieces[3], "fspId": me.name}
        await me.send("PUT", path, {"party": {"partyIdInfo": who, "name": "A. M."}}, asker)
    elif method == "POST" and pieces[1] == "quotes":
        asked = json.loads(body)
        amount = asked["amount"]
        packet = ilp.pack(ilp.Packet(1, f"g.{me.name}.msisdn.1", json.dumps({"q": asked["quoteId"]}).encode()))
        answer = {"transferAmount": amount, "expiration": at(60), "ilpPacket": packet, "condition": condition(packet)}
        await me.send("PUT", f"/quotes/{asked['quoteId']}", answer, asker)
    elif method == "POST" and pieces[1] == "transfers":
        asked = json.loads(body)
        answer = {
            "transferState": "COMMITTED",
            "fulfilment": fulfilment(asked["ilpPacket"]),
            "completedTimestamp": at(0),
        }
        await me.send("PUT", f"/transfers/{asked['transferId']}", answer, asker)
