"""How short answers leave: head and body in one write, and header lines that were written before not checked anew.

uvicorn checks each header of each answer with two regular expressions and copies it in Python; an answer of ours has a
dozen, and eleven of them are the same in every answer. It was a fifth of the Python of a payment over HTTP. Whatever is
not short and whole (streams, HEAD, an answer without a length) goes uvicorn's own way.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

Pair = tuple[bytes, bytes]
_OWN = frozenset((b"x-request-id", b"set-cookie", b"location", b"etag"))  # another in every answer
_NOT_SHORT = frozenset((b"transfer-encoding", b"connection", b"content-length"))
_MOST, _LONGEST = 1_000, 1_000


class LeanCycle(RequestResponseCycle):
    """A request and its answer."""

    _begun: Any = None  # how the answer begins, until it is known how it goes on

    async def send(self, message: Any) -> None:
        """Take what the application says; a short answer leaves when it is whole."""
        if self.response_started or self.access_log:
            return await super().send(message)
        begun, kind = self._begun, message["type"]
        if begun is None and kind == "http.response.start":
            self._begun = message
            return None
        if begun is None or kind != "http.response.body":
            return await super().send(message)
        self._begun = None
        raw = None if message.get("more_body") or self.flow.write_paused else self._whole(begun, message["body"])
        if raw is None or self.disconnected:
            await super().send(begun)
            return await super().send(message)
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(raw)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return None

    def _whole(self, begun: Any, body: bytes) -> bytes | None:
        """A whole answer as it travels; None for one that is not so simple."""
        if self.scope["method"] == "HEAD":
            return None
        lines, length, known = [STATUS_LINE[begun["status"]]], b"%d" % len(body), _lines.get
        whole = False
        for pair in (*self.default_headers, *begun.get("headers", ())):
            line = known(pair)
            if line is None:
                name, value = pair
                if name == b"content-length" and value == length:
                    whole, line = True, b"content-length: " + length + b"\r\n"
                elif name in _NOT_SHORT:
                    return None
                else:
                    line = _written(name, value)
            lines.append(line)
        if not whole:
            return None
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        lines.append(body)
        return b"".join(lines)


_lines: dict[Pair, bytes] = {}


def _written(name: bytes, value: bytes) -> bytes:
    """A header's line. Raises RuntimeError for one that would break the answer in two."""
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise RuntimeError("Invalid HTTP header.")
    line = name.lower() + b": " + value + b"\r\n"
    if name.islower() and name not in _OWN and len(line) < _LONGEST:
        if len(_lines) >= _MOST:
            _lines.clear()
        _lines[name, value] = line
    return line


class LeanProtocol(HttpToolsProtocol):
    """A connection whose short answers are lean."""

    def on_headers_complete(self) -> None:
        """A request begins. uvicorn names the class of its cycles in one place only, so this one is told afterwards
        that it is lean: its task has been made and has not run."""
        super().on_headers_complete()
        if type(self.cycle) is RequestResponseCycle:
            self.cycle.__class__ = LeanCycle
