"""Gateways for text messages: one that speaks HTTP to an operator's, and its null twin for a sandbox (law 2)."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable

from msingi.channels.model import Delivery, Gateway
from msingi.kernel.errors import Outage
from msingi.kernel.ids import token
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack

TIMEOUT_S = 10
ANSWER_BYTES = 65_536
Sender = Callable[[urllib.request.Request], bytes]


def _send(request: urllib.request.Request) -> bytes:
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return answer.read(ANSWER_BYTES)


class HttpGateway:
    """An aggregator's door: POST of JSON `{"to", "text", "reference"}` with a bearer key; any 2xx means taken.

    An answer that is JSON with a member `reference` or `id` gives the gateway's own reference.
    """

    def __init__(self, url: str, key: str, send: Sender = _send) -> None:
        self._url = url
        self._key = key
        self._call = send

    async def send(self, message: SmsRequested) -> Delivery:
        """Hand a message over. Raises Outage for whatever keeps it from being taken."""
        ours = token(12)
        body = json.dumps({"to": message.to, "text": message.text, "reference": ours}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            answer = await asyncio.to_thread(self._call, request)
        except (urllib.error.URLError, TimeoutError, OSError) as lost:
            # The exception's text can hold the address with a key in it; its type is enough.
            raise Outage(f"the message gateway does not take messages: {type(lost).__name__}", 30) from None
        return Delivery("http", _reference(answer) or ours, simulated=False)


def _reference(answer: bytes) -> str:
    try:
        told = json.loads(answer)
    except ValueError:
        return ""
    return str(told.get("reference") or told.get("id") or "")[:100] if isinstance(told, dict) else ""


class SimulatedGateway:
    """The null twin: takes every message, rings no phone, and says so."""

    async def send(self, message: SmsRequested) -> Delivery:
        """Take a message; it can be read in the operator's console."""
        return Delivery("simulated", token(12), simulated=True)


class NoGateway:
    """Nothing was configured, and this is no sandbox: a message waits until there is a gateway."""

    async def send(self, message: SmsRequested) -> Delivery:
        """Raises Outage, always."""
        raise Outage("no message gateway is configured: set sms_url and sms_key", 60)


def gateway_of(stack: Stack) -> Gateway:
    """The gateway that the operator named; the simulated one in a sandbox without."""
    url, key = stack.settings.sms_url, stack.settings.sms_key
    if url:
        return HttpGateway(url, key)
    return SimulatedGateway() if stack.settings.sandbox else NoGateway()
