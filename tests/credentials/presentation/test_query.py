"""The query language: the specification's own examples, and every answer as the npm package dcql gives it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi.credentials.presentation import dcql, rules
from msingi.credentials.presentation.errors import NoRightToAsk, NotWhatWasAsked, QueryMalformed
from msingi.credentials.presentation.model import MDOC, SD_JWT, ClaimQuery, Order, Right, Shown, fields_of

PERSON = {
    "name": "Arthur Dent",
    "address": {"street_address": "42 Market Street", "locality": "Milliways", "postal_code": "12345"},
    "degrees": [{"type": "Bachelor", "university": "Betelgeuse"}, {"type": "Master", "university": "Betelgeuse"}],
    "nationalities": ["British", "Betelgeusian"],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (["name"], ["Arthur Dent"]),
        (["address"], [PERSON["address"]]),
        (["address", "street_address"], ["42 Market Street"]),
        (["degrees", None, "type"], ["Bachelor", "Master"]),
        (["nationalities", 1], ["Betelgeusian"]),
        (["nationalities", 2], []),
        (["name", None], []),
        (["name", "first"], []),
        (["degrees", 0], [PERSON["degrees"][0]]),
        (["degrees", "type"], []),
    ],
)
def test_claims_path_pointers_of_the_specification(path, found):
    """OpenID4VP 1.0, 7.3."""
    assert dcql.select(PERSON, path) == found


def shown(**changed) -> Shown:
    parts = {"format": SD_JWT, "kind": "urn:a", "kinds": ("urn:a", "urn:old"), "issuer": "X", "claims": PERSON}
    return Shown(**(parts | {"bound": True, "expires_at": None, "status": None} | changed))


def asked(**changed) -> dict:
    return {"id": "a", "format": SD_JWT, "meta": {"vct_values": ["urn:a"]}} | changed


def test_values_match_by_type_and_value_exactly():
    claims = {"n": 1, "t": True, "s": "1"}
    for name, values, fits in (
        ("n", (1,), True), ("n", (True,), False), ("n", ("1",), False), ("t", (1,), False), ("t", (True,), True),
        ("s", (1,), False), ("s", ("2", "1"), True),
    ):  # fmt: skip
        assert dcql.fits(ClaimQuery((name,), values=values), claims) is fits, (name, values)


def test_claim_sets_take_the_first_that_fits():
    claims = [{"id": "x", "path": ["secret"]}, {"id": "y", "path": ["name"]}, {"id": "z", "path": ["nationalities"]}]
    query = dcql.read({"credentials": [asked(claims=claims, claim_sets=[["x"], ["y", "z"], ["y"]])]})
    found = dcql.match(query.credentials[0], shown())
    assert [c.path for c in found] == [("name",), ("nationalities",)]


def test_other_names_of_a_type_are_accepted():
    query = dcql.read({"credentials": [asked(meta={"vct_values": ["urn:old"]})]})
    assert dcql.match(query.credentials[0], shown()) == ()
    with pytest.raises(NotWhatWasAsked):
        dcql.match(query.credentials[0], shown(kinds=("urn:a",)))


def test_credential_sets():
    three = [asked(id=name) for name in "abc"]
    query = dcql.read({"credentials": three, "credential_sets": [
        {"options": [["a", "b"], ["c"]]}, {"options": [["b"]], "required": False},
    ]})  # fmt: skip
    for have, fine in (({"a", "b"}, True), ({"c"}, True), ({"a"}, False), ({"b"}, False), (set(), False)):
        if fine:
            dcql.satisfied(query, have)
        else:
            with pytest.raises(NotWhatWasAsked):
                dcql.satisfied(query, have)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["credentials", "id", "format", "meta", "claims", "path", "values", "claim_sets", "x"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(keys, json_values, max_size=5), st.dictionaries(keys, json_values, max_size=5))
def test_any_object_is_a_query_or_refused(outer, inner):
    for told in (outer, outer | {"credentials": [inner]}, {"credentials": [asked(**inner)]}):
        try:
            query = dcql.read(told)
        except QueryMalformed as refused:
            assert refused.facts["field"] and refused.facts["rule"]
        else:
            assert query.credentials
            dcql.chosen_claims(query.credentials[0], PERSON)


names = st.sampled_from(["given_name", "birth_date", "address", "address.region", "portrait"])


@settings(max_examples=100, deadline=None)
@given(st.lists(names, unique=True, min_size=1), st.lists(names, unique=True))
def test_law_1_a_right_covers_every_field_or_the_question_is_refused(wanted, granted):
    claims = [{"path": name.split(".")} for name in wanted]
    elements = [{"path": ["org.iso.18013.5.1", name.split(".")[-1]]} for name in wanted]
    query = dcql.read({"credentials": [asked(claims=claims)]})
    order = msgspec.convert({"purpose": "payment", "basis": "contract", "dcql_query": {}}, Order)
    covered = all(any(n == g or n.startswith(g + ".") for g in granted) for n in wanted)
    if covered:
        rules.may_ask(order, query, Right("law", tuple(granted)))
    else:
        with pytest.raises(NoRightToAsk):
            rules.may_ask(order, query, Right("law", tuple(granted)))
    mdoc = dcql.read({"credentials": [
        {"id": "m", "format": MDOC, "meta": {"doctype_value": "x"}, "claims": [e for i, e in enumerate(elements)
         if e not in elements[:i]]},
    ]})  # fmt: skip
    assert set(fields_of(mdoc)) == {name.split(".")[-1] for name in wanted}


CASES = [
    asked(claims=[{"path": ["name"]}]),
    asked(claims=[{"path": ["name"], "values": ["Arthur Dent"]}]),
    asked(claims=[{"path": ["name"], "values": ["Ford Prefect"]}]),
    asked(claims=[{"path": ["nationalities", None], "values": ["British"]}]),
    asked(claims=[{"path": ["degrees", None, "type"]}]),
    asked(claims=[{"path": ["degrees", 5, "type"]}]),
    asked(claims=[{"id": "x", "path": ["no"]}, {"id": "y", "path": ["name"]}], claim_sets=[["x"], ["y"]]),
    asked(claims=[{"id": "x", "path": ["no"]}, {"id": "y", "path": ["name"]}], claim_sets=[["x", "y"]]),
    asked(meta={"vct_values": ["urn:b"]}),
]


def test_the_same_answers_as_another_implementation(wallet):
    """npm dcql 3.0.0 evaluates the same queries on the same credential."""
    for case in CASES:
        query = dcql.read({"credentials": [case]})
        try:
            mine = bool(dcql.match(query.credentials[0], shown(kinds=("urn:a",))) is not None)
        except NotWhatWasAsked:
            mine = False
        theirs = wallet("dcql", query={"credentials": [case]}, vct="urn:a", claims=PERSON)
        assert mine == theirs, case
