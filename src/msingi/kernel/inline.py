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
_IDS = (UUID, DriverUUID)
_OFTEN_EQUAL = frozenset((datetime, bool, type(None)))
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
    """An array as a literal; those of bytes, ids, or texts without anything to escape are written at once."""
    if not values:
        return "'{}'"
    kind = type(values[0]) if len(values) == 1 or len(set(map(type, values))) == 1 else None
    if kind is bytes:  # an element is "\\x..." to the array's reader, and each backslash twice in the literal
        return "E'{\"" + '","'.join(["\\\\\\\\x" + one.hex() for one in values]) + "\"}'"
    if kind in _IDS:
        return "'{" + ",".join([one.hex for one in values]) + "}'"
    if kind is str:
        joined = '","'.join(values)
        if joined.count('"') == 2 * len(values) - 2 and "\\" not in joined:
            return quoted('{"' + joined + '"}')
    if kind is int:
        return f"'{{{str(list(values))[1:-1]}}}'"
    if kind in _OFTEN_EQUAL:  # nearly always one and the same value, which is then written once
        texts = {value: _element(value) for value in set(values)}
        return quoted("{" + ",".join([texts[value] for value in values]) + "}")
    return quoted("{" + ",".join(map(_element, values)) + "}")


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
def _pieces(text: str) -> tuple[str, tuple[tuple[int, str], ...]]:
    """A statement without comments, cut at its parameters: what is before the first, then (number, what follows)."""
    found = _PARAMETER.split(_LINE_COMMENT.sub("", text))
    return found[0], tuple((int(n) - 1, after) for n, after in zip(found[1::2], found[2::2], strict=True))


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
    first, rest = _pieces(text)
    written = [literal(arg) for arg in args]
    return first + "".join([written[n] + after for n, after in rest])
