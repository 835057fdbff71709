"""Statements with their values written into them, so that several travel to the database in one message.

The extended protocol, which binds values beside a statement, takes one statement a round trip; the simple protocol
takes many, but no values. What opens and what closes a transaction goes the second way. Every value is written as a
literal that means the same whatever `standard_conforming_strings` is, and that can be nothing but a value.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

from msingi.kernel.errors import Malformed

_PARAMETER = re.compile(r"\$([1-9][0-9]?)\b")
_LINE_COMMENT = re.compile(r"--[^\n]*")
_CALL = re.compile(r"\s*SELECT(\s+[a-z_]+\.[a-z_]+\([$0-9a-z:,\[\]\s]*\))\s*")  # of one function of ours, nothing else


def quoted(text: str) -> str:
    """A text literal. Raises Malformed for a NUL, which PostgreSQL cannot hold and which would end the message."""
    if "\0" in text:
        raise Malformed("A text holds a NUL character.", field="request", rule="storable")
    if "'" not in text and "\\" not in text:
        return f"'{text}'"
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def literal(value: Any) -> str:
    """A value as a literal: None, a number, text, bytes, a UUID, an instant, or a list of one kind of these.

    Raises TypeError for anything else: a JSON value, for example, needs the type of its column.
    """
    write = _LITERALS.get(type(value))
    return quoted(_plain(value)) if write is None else write(value)


def _array(values: Sequence[Any]) -> str:
    """An array as a literal; those of one kind that is known by its type are written at once."""
    if not values:
        return "'{}'"
    write = _ARRAYS.get(type(values[0]))
    if write is None or (len(values) > 1 and len(set(map(type, values))) > 1):
        return _mixed(values)
    return write(values)


def _mixed(values: Sequence[Any]) -> str:
    return quoted("{" + ",".join(map(_element, values)) + "}")


def _texts(values: Sequence[str]) -> str:
    joined = '","'.join(values)
    if joined.count('"') > 2 * len(values) - 2 or "\\" in joined:  # something to escape
        return _mixed(values)
    return quoted('{"' + joined + '"}')


def _ids(values: Sequence[UUID]) -> str:
    return "'{" + ",".join([one.hex for one in values]) + "}'"


def _blobs(values: Sequence[bytes]) -> str:
    """An element is "\\x..." to the array's reader, and each backslash stands twice in the literal."""
    return "E'{\"\\\\\\\\x" + '","\\\\\\\\x'.join(map(bytes.hex, values)) + "\"}'"


def _repeated(values: Sequence[Any]) -> str:
    """Values that are nearly always one and the same, which is then written once."""
    texts = {value: _element(value) for value in set(values)}
    return quoted("{" + ",".join([texts[value] for value in values]) + "}")


def listed(values: Sequence[Any]) -> str:
    """Many UUIDs, bytes or whole numbers as one text, for a parameter that says `$1::text::uuid[]`: to have the driver
    look at each of them costs ten times as much."""
    if values and isinstance(values[0], UUID):
        return "{" + ",".join([one.hex for one in values]) + "}"
    if values and isinstance(values[0], bytes):
        return '{"' + '","'.join(["\\\\x" + one.hex() for one in values]) + '"}'
    return f"{{{str(list(values))[1:-1]}}}"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} has no literal")


_LITERALS: dict[type, Callable[[Any], str]] = {
    str: quoted,
    list: _array,
    tuple: _array,
    bytes: lambda value: f"E'\\\\x{value.hex()}'",
    UUID: lambda value: f"'{value.hex}'",
    DriverUUID: lambda value: f"'{value.hex}'",
    datetime: lambda value: f"'{value.isoformat()}'",
    int: lambda value: str(value) if value >= 0 else f"({value})",
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "NULL",
}
_ARRAYS: dict[type, Callable[[Sequence[Any]], str]] = {
    str: _texts,
    bytes: _blobs,
    UUID: _ids,
    DriverUUID: _ids,
    int: lambda values: f"'{{{str(list(values))[1:-1]}}}'",
    datetime: _repeated,
    bool: _repeated,
    type(None): _repeated,
}
_BARE: dict[type, Callable[[Any], str]] = {
    datetime: lambda value: f'"{value.isoformat()}"',
    int: str,
    UUID: lambda value: value.hex,
    DriverUUID: lambda value: value.hex,
    bool: lambda value: "t" if value else "f",
    type(None): lambda _: "NULL",
    bytes: lambda value: f'"\\\\x{value.hex()}"',
}


def _element(value: Any) -> str:
    write = _BARE.get(type(value))
    return '"' + _plain(value).replace("\\", "\\\\").replace('"', '\\"') + '"' if write is None else write(value)


@cache
def _pieces(text: str) -> tuple[str, tuple[int, ...]]:
    """A statement without comments as a template for texts, and which parameters these are, from nought on; empty where
    they come once each and in their order."""
    found = _PARAMETER.split(_LINE_COMMENT.sub("", text))
    order = tuple(int(number) - 1 for number in found[1::2])
    template = "%s".join([piece.replace("%", "%%") for piece in found[::2]])
    return template, () if order == tuple(range(len(order))) else order


@cache
def _is_call(text: str) -> bool:
    return _CALL.fullmatch(_LINE_COMMENT.sub("", text)) is not None


def renders(statements: Sequence[tuple[str, Sequence[Any]]]) -> list[str]:
    """Statements as texts, in their order. Calls of functions that follow each other become one statement, because to
    begin one costs as much as a short function: none of them may rest on what the one before it wrote."""
    made: list[str] = []
    called = False
    for text, args in statements:
        written, calls = render(text, args), _is_call(text)
        if calls and called:
            made[-1] += "," + written.lstrip()[6:]
        else:
            made.append(written)
        called = calls
    return made


def render(text: str, args: Sequence[Any]) -> str:
    """A statement of a `queries.sql` with its parameters replaced by literals, without its comments."""
    template, order = _pieces(text)
    written = [quoted(arg) if type(arg) is str else literal(arg) for arg in args]
    return template % (tuple([written[n] for n in order]) if order else tuple(written))
