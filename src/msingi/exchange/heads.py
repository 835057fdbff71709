"""Heads of HTTP messages: what their header names mean is understood once, whoever sends the same names again.

The messages of one piece of software have the same header fields in the same order, and differ in their values. So each
list of names is made into templates, which take the values of a message in one step instead of line by line.
"""

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from msingi.exchange import signature, wire

MOST_REMEMBERED_BYTES = 4_096  # of a list of names; longer ones are understood anew each time


class Shape(Struct, frozen=True):
    """What a list of header names says: in lower case, how many bytes they are, whether one comes twice, the template
    of the lines that X-Road hashes, and where `Content-Length` and `Expect` stand (-1: nowhere)."""

    names: tuple[str, ...]
    size: int
    twice: bool
    hashed: bytes
    length_at: int
    expect_at: int


def shape_of(names: tuple[bytes, ...]) -> Shape:
    """The shape of these header names, as they came."""
    return (_shape if sum(map(len, names)) < MOST_REMEMBERED_BYTES else _shape.__wrapped__)(names)


@lru_cache(maxsize=512)
def _shape(names: tuple[bytes, ...]) -> Shape:
    lower = [name.lower() for name in names]
    hashed = b"".join([start.replace(b"%", b"%%") + b"%b\r\n" if (start := wire.hashed_start(name)) else b"%.0b"
                       for name in lower])  # fmt: skip
    places = {name: place for place, name in enumerate(lower)}
    return Shape(
        tuple(name.decode("latin-1") for name in lower), sum(map(len, names)), len(places) < len(names), hashed,
        places.get(b"content-length", -1), places.get(b"expect", -1),
    )  # fmt: skip


class Head(Struct, eq=False):
    """The head of a request: method, target, and the header fields by their shape and their values."""

    method: str
    url: bytes
    shape: Shape
    values: tuple[bytes, ...]
    keep: bool  # whether the client wants to go on with the connection

    def fields(self) -> dict[str, str]:
        """The fields by lower-case name, combined (RFC 9421 section 2.1)."""
        names = self.shape.names
        told = b"\n".join(map(bytes.strip, self.values)).decode("latin-1").split("\n")
        if self.shape.twice or len(told) != len(names) or not names:
            return signature.combine(self.pairs())
        return dict(zip(names, told, strict=True))

    def lines(self) -> bytes:
        """The header lines that X-Road hashes (`wire.request_head`)."""
        return self.shape.hashed % self.values

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Names in lower case, and values as they came."""
        return [(name.encode("latin-1"), value) for name, value in zip(self.shape.names, self.values, strict=True)]


def lines_of(fields: Mapping[str, str]) -> str:
    """Fields as header lines, each with its line end."""
    return _template(tuple(fields)) % tuple(fields.values())


@lru_cache(maxsize=1024)
def _template(names: tuple[str, ...]) -> str:
    return "".join([f"{name.replace('%', '%%')}: %s\r\n" for name in names])
