"""Where the CPU of one message goes: each step of the gateway alone, by the same functions on the same messages."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httptools
import msgspec

from msingi.exchange import decisions, forward, heads, messages, rules, signature, wire
from msingi.exchange.signature import Message
from msingi.kernel import clock
from msingi.kernel.stack import Stack


class Parsed:
    """What a parser of requests collects, and what the exchange makes of it."""

    def __init__(self, raw: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url = b""
        httptools.HttpRequestParser(self).feed_data(raw)
        names, values = zip(*self.headers, strict=True)
        self.head = heads.Head("GET", self.url, heads.shape_of(names), values, True)

    def on_url(self, url: bytes) -> None:
        """The target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field."""
        self.headers.append((name, value))

    def message(self) -> Message:
        """As the exchange sees it."""
        path, _, query = self.url.decode().partition("?")
        return messages.message_from("GET", path, query, self.head.fields())


async def measured(stack: Stack, raw: list[bytes], answer: bytes, at_once: int, warm: int) -> dict[str, float]:
    """CPU microseconds a message of each step; `raw` are signed for this stack's address, and are used up by it. The
    first `warm` of them are decided beforehand: from then on the people are known, as they are in the gateway."""
    took: dict[str, float] = {}
    count, instance = len(raw), messages.instance_of(stack)

    def timed(name: str, step: Callable[[Any], Any], over: list[Any]) -> list[Any]:
        began = time.process_time()
        made = [step(one) for one in over]
        took[name] = (time.process_time() - began) / count * 1e6
        return made

    parsed = timed("parse the request", Parsed, raw)
    seen = [head.message() for head in parsed]
    await messages.recognise(stack, seen[0])  # its key is remembered from here on
    began, warmed = time.process_time(), 0
    known = [await messages.recognise(stack, message) for message in seen]
    took["verify the signature"] = (time.process_time() - began) / count * 1e6

    def understood(n: int) -> Any:
        wire.request_head("GET", seen[n].path, parsed[n].head.lines())
        return wire.call_of(wire.target(seen[n].path, instance), parsed[n].message(), b"", *known[n], True)

    calls = timed("understand it", understood, list(range(count)))
    docket, yes = decisions.docket(stack), list[decisions.Yes]()
    for first in range(0, count, at_once):
        if first <= warm < first + at_once:
            began, warmed = time.process_time(), first
        some = range(first, min(first + at_once, count))
        yes += await asyncio.gather(*[docket.decide(known[n][0], calls[n]) for n in some])
    took[f"decide and record, {at_once} at once"] = (time.process_time() - began) / (count - warmed) * 1e6

    def filtered(n: int) -> bytes:
        forward.head_of(stack, calls[n], yes[n], 0)
        return msgspec.json.encode(rules.answered(msgspec.json.decode(answer), yes[n].granted, clock.today()))

    bodies = timed("write the question, filter the answer", filtered, list(range(count)))
    fields = {"content-type": "application/json", "x-road-service": "XT/GOV/rita/identity/person",
              "x-road-request-id": "0" * 36, "x-road-request-hash": "0" * 88, "x-road-id": "0" * 36,
              "cache-control": "no-store", "x-road-client": "XT/GOV/hospitali/records"}  # fmt: skip

    def sealed(n: int) -> dict[str, str]:
        return messages.seal(stack, seen[n], messages.Reply(200, bodies[n], dict(fields)))

    assert signature.keyid_of(timed("sign the answer", sealed, list(range(count)))[0])
    return took


def told(took: dict[str, float], whole_us: float) -> None:
    """Print the steps, and what is left of the gateway's CPU for sockets, loop and tasks."""
    for name, us in took.items():
        print(f"  {name:44} {us:5.0f} us {us / whole_us:5.0%}")
    rest = whole_us - sum(took.values())
    print(f"  {'sockets, event loop, tasks, contention':44} {rest:5.0f} us {rest / whole_us:5.0%}")
