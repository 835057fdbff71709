"""Heads in one step: the same as line by line, whatever the fields are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi.exchange import heads, signature, wire
from msingi.exchange.heads import Head

TOKEN = "abcXYZ019!#$%&'*+-.^_`|~"  # RFC 9110 section 5.6.2
KNOWN = ["Host", "host", "X-Road-Client", "Content-Length", "expect", "Connection", "User-Agent", "accept", "a%sb"]
NAMES = st.one_of(st.sampled_from(KNOWN), st.text(TOKEN, min_size=1, max_size=6)).map(str.encode)
VALUES = st.binary(max_size=8).map(lambda raw: raw.translate(None, b"\0\r\n\v\f\x1c\x1d\x1e\x1f"))


def head_of(pairs: list[tuple[bytes, bytes]]) -> Head:
    """The head of a request with these header fields."""
    names = tuple(name for name, _ in pairs)
    return Head("GET", b"/", heads.shape_of(names), tuple(value for _, value in pairs), True)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_one_step_says_the_same_as_line_by_line(pairs: list[tuple[bytes, bytes]]) -> None:
    """The combined fields, what X-Road hashes, and the pairs."""
    head = head_of(pairs)
    lower = [(name.lower(), value) for name, value in pairs]
    assert head.fields() == signature.combine(lower)
    assert head.lines() == wire.hashed_lines(lower)
    assert head.pairs() == lower
    fields = head.fields()
    assert heads.lines_of(fields) == "".join(f"{name}: {value}\r\n" for name, value in fields.items())


def test_what_reaches_a_service() -> None:
    """Neither fields of the connection, nor those that it names, nor the asker's signature; the last client counts."""
    fields = {"host": "a", "connection": "close, X-Odd", "x-odd": "1", "x-100%": "%s", "signature": "s",
              "x-road-client": "XT/GOV/other/one, XT/GOV/mine/two", "msingi-purpose": "audit"}  # fmt: skip
    assert wire._passed(fields, "XT/GOV/rita/identity/person") == (
        "x-100%: %s\r\naccept: application/json\r\nx-road-client: XT/GOV/mine/two\r\n"
        "x-road-service: XT/GOV/rita/identity/person\r\n"
    )
    assert "accept: text/plain\r\n" in wire._passed({"accept": "text/plain", "x-road-client": "XT/GOV/mine/two"}, "s")


@pytest.mark.parametrize("names", [(), (b"a",) * 3, (b"a" * 5_000, b"b")], ids=["none", "thrice", "long"])
def test_unusual_lists_of_names(names: tuple[bytes, ...]) -> None:
    """None at all, one name again and again, and names too long to be remembered."""
    head = head_of([(name, b" v\t") for name in names])
    assert head.fields() == signature.combine(head.pairs())
    assert head.shape.size == sum(map(len, names))
