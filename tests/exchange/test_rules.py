"""The laws of the exchange, for any right, any message and any answer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange.places import right_order

from msingi.exchange import rules
from msingi.exchange.errors import BadCall, BasisUnclear, ExchangeRefusal, NoRight, NotStanding, RightExceedsOffer
from msingi.exchange.model import Call, Offer, Right, Standing

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NAMES = ("name", "birth_date", "phone", "name.given")
OFFER = Offer("person", "GOV/rita/identity", {"en": "P"}, ("name", "birth_date"), ("health-care", "payment"),
              ("consent", "contract"), False, True, {})  # fmt: skip
RIGHT = Right("GOV/hospitali/records", "person", "health-care", "consent", "Act", ("name",), ("GET /**",), False, 1)
CALL = Call("m", "GOV/hospitali/records", "k", 0, "GOV/rita/identity", "person", "GET", "/", "", "p", "health-care")


@settings(deadline=None)
@given(
    st.sampled_from([*Standing, None]), st.booleans(), st.sampled_from(["health-care", "payment", "statistics"]),
    st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES), min_size=1),
    st.sets(st.sampled_from(NAMES), min_size=1), st.booleans(), st.sampled_from(["consent", "contract"]),
    st.integers(-2, 2), st.sampled_from(["GET", "POST"]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_laws_1_2_3_6_every_yes_has_standing_a_right_and_stays_within_both(
    standing, key_active, purpose, wanted, given_fields, offered, needs, basis, until, method, by_number, numbers
):  # fmt: skip
    call = replace(CALL, purpose=purpose, fields=tuple(wanted), method=method)
    ends = NOW + timedelta(days=until)
    right = replace(RIGHT, fields=tuple(given_fields), basis=basis, until=ends, by_number=numbers)
    offer = replace(OFFER, fields=tuple(offered), needs_consent=needs)
    page = rules.Page(1, standing, frozenset(["k"] if key_active else []), offer, (right,))
    judgement = rules.judge(call, page, True, NOW, by_number)
    granted = judgement.granted
    if granted is None:
        assert isinstance(judgement.refusal, ExchangeRefusal)
        if standing is not Standing.ACTIVE or not key_active:
            assert isinstance(judgement.refusal, NotStanding)
        return
    assert judgement.refusal is None
    assert standing is Standing.ACTIVE and key_active  # law 1
    assert purpose == right.purpose and method == "GET" and until > 0  # law 2
    assert granted.fields and all(rules._within(name, given_fields) for name in granted.fields)
    assert all(rules._within(name, offered) for name in granted.fields)  # law 6
    assert numbers or not by_number
    assert not wanted or set(granted.fields) <= wanted
    assert granted.needs_consent == (needs or basis == "consent")  # law 3


def leaves(value: Any, path: str = "") -> set[str]:
    if isinstance(value, dict):
        return set().union(*(leaves(v, f"{path}.{k}" if path else k) for k, v in value.items()), set())
    if isinstance(value, list):
        return set().union(*(leaves(v, path) for v in value), set())
    return {path}


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), JSON), st.sets(PATHS, max_size=4))
def test_law_2_nothing_leaves_that_is_not_granted(values, fields):
    kept = rules.filtered(values, fields)
    for path in leaves(kept):
        granted = any(path == f or path.startswith(f + ".") for f in fields)
        # A part of a plain value gives null under the name of the value, which holds nothing of it.
        assert granted or path == "" or any(f.startswith(path + ".") for f in fields)
    assert rules.filtered(kept, fields) == kept
    for name in fields:
        if "." not in name and name in values:
            assert kept[name] == values[name]


def test_a_field_inside_a_plain_value_gives_nothing():
    assert rules.filtered({"name": "Asha"}, ("name.given",)) == {"name": None}
    assert rules.filtered({"name": [{"given": "A", "x": 1}]}, ("name.given",)) == {"name": [{"given": "A"}]}
    assert rules.filtered({"name": {"given": "A", "x": 1}}, ("name.given", "name")) == {"name": {"given": "A", "x": 1}}


@pytest.mark.parametrize(
    "endpoint, method, path, fits",
    [
        ("GET /**", "GET", "/", True),
        ("GET /**", "GET", "/a/b", True),
        ("GET /", "GET", "/a", False),
        ("GET /visits/*", "GET", "/visits/7", True),
        ("GET /visits/*", "GET", "/visits/7/notes", False),
        ("* /visits/**", "POST", "/visits/7/notes", True),
        ("GET /**", "POST", "/", False),
        ("GET /v.sits", "GET", "/visits", False),
        ("GET /a/**", "GET", "/a/../secret", False),
        ("GET /a/**", "GET", "/a/%2e%2e/secret", False),
        ("GET /**", "GET", "/a b", False),
    ],
)
def test_endpoints(endpoint, method, path, fits):
    assert rules.endpoint_allowed([endpoint], method, path) == fits


def test_choosing_among_bases():
    other = replace(RIGHT, basis="contract")
    assert rules.choose([RIGHT, other], replace(CALL, basis="contract"), NOW) == other
    with pytest.raises(BasisUnclear):
        rules.choose([RIGHT, other], CALL, NOW)
    with pytest.raises(NoRight):
        rules.choose([], CALL, NOW)


@pytest.mark.parametrize(
    "order, reason",
    [
        (right_order(purpose="statistics"), RightExceedsOffer),
        (right_order(basis="public-task"), RightExceedsOffer),
        (right_order(fields=("phone",)), RightExceedsOffer),
        (right_order(fields=()), BadCall),
        (right_order(law=""), BadCall),
        (right_order(endpoints=("get it",)), BadCall),
    ],
)
def test_law_6_a_right_never_exceeds_its_service(order, reason):
    with pytest.raises(reason):
        rules.check_right(order, OFFER)
    rules.check_right(right_order(fields=("name.given", "birth_date")), OFFER)


def test_offers_are_well_formed():
    rules.check_offer(OFFER)
    for wrong in (
        {"service": "Person"}, {"owner": "rita"}, {"fields": ()}, {"purposes": ("curiosity",)}, {"bases": ()},
        {"document": "name"},
    ):  # fmt: skip
        with pytest.raises(BadCall):
            rules.check_offer(replace(OFFER, **wrong))
