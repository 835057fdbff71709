"""Joining, standing, keys, descriptions and rights: who may, what is refused, and what everybody sees."""

import json
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange import places
from tests.exchange.places import BANK, HOSPITAL, OWNER, governor

from msingi.exchange import acts as exchange
from msingi.exchange import client, registry
from msingi.exchange.errors import BadCall, BadKey, InstitutionExists, InstitutionUnknown, RightExceedsOffer
from msingi.exchange.membership import acts, rules, wire
from msingi.exchange.membership.errors import (
    AddressNotNamed,
    AlreadyDecided,
    ApplicationUnknown,
    DescriptionWrong,
    KeyNotOwn,
    ReasonMissing,
    SecondEyes,
)
from msingi.exchange.membership.model import ApplyOrder, AskRight, OfferOrder, State
from msingi.exchange.model import Standing, SubsystemId
from msingi.kernel.context import ANYBODY, Actor, Kind, context, job_context
from msingi.kernel.errors import NotPermitted

WEATHER = """
openapi: 3.0.3
info: {title: Weather of a place, version: '1'}
paths:
  /{place}:
    get:
      summary: The weather now
      responses:
        200:
          description: The weather
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Weather'}
components:
  schemas:
    Weather: {type: object, properties: {sky: {type: string}, wind_kmh: {type: integer}}}
"""


@pytest.fixture(scope="module", autouse=True)
async def open_exchange(stack, ctx_of):
    kept = dict(registry._offered)
    places.offer_services()
    yield await places.opened(stack, ctx_of)
    registry._offered.clear()
    registry._offered.update(kept)


def anybody():
    return context(ANYBODY, "data-exchange", "legal-obligation")


def order(code: str, **changes) -> ApplyOrder:
    made = ApplyOrder(
        code, "NGO", {"en": "A society"}, "it@society.example", "main", client.public_part(client.new_key())
    )
    return replace(made, **changes)


def named(ctx_of, name: str, roles=("governing-authority",), institution="rita"):
    ctx = governor(ctx_of, roles, institution)
    return replace(ctx, actor=replace(ctx.actor, id=name))


async def test_access_apply(stack, ctx_of):
    asked = order("msalaba")
    with pytest.raises(NotPermitted):
        await acts.apply(stack, replace(anybody(), purpose="payment"), asked, proved=False)
    made = await acts.apply(stack, anybody(), asked, proved=False)
    assert made.state is State.WAITING
    assert (await acts.apply(stack, anybody(), asked, proved=True)).application == made.application  # asked twice
    for wrong in ({"institution": "A"}, {"member_class": "gov"}, {"name": {}}, {"contact": ""}, {"subsystem": "a/b"}):
        with pytest.raises(BadCall):
            await acts.apply(stack, anybody(), order("other", **wrong), proved=False)
    with pytest.raises(BadKey):
        await acts.apply(stack, anybody(), order("other", key=client.new_key()), proved=False)
    with pytest.raises(InstitutionExists):
        await acts.apply(stack, anybody(), order("hospitali"), proved=False)
    shown = await acts.application(stack, made.application)
    assert shown.client == "XT/NGO/msalaba/main" and shown.fingerprint == made.kid
    with pytest.raises(ApplicationUnknown):
        await acts.application(stack, uuid4())


async def test_access_applications(stack, ctx_of):
    with pytest.raises(NotPermitted):
        await acts.applications(stack, governor(ctx_of, ("exchange-operator",)))
    await acts.apply(stack, anybody(), order("chama"), proved=False)
    found = await acts.applications(stack, governor(ctx_of))
    assert "chama" in [a.institution for a in found]
    assert len(await acts.applications(stack, governor(ctx_of), limit=1)) == 1


async def test_access_admit_member(stack, ctx_of):
    made = await acts.apply(stack, anybody(), order("redcross"), proved=True)
    with pytest.raises(NotPermitted):
        await acts.admit_member(stack, governor(ctx_of, ("operator",)), made.application)
    joined = await acts.admit_member(stack, governor(ctx_of), made.application)
    assert joined.standing is Standing.ACTIVE
    with pytest.raises(AlreadyDecided):
        await acts.admit_member(stack, governor(ctx_of), made.application)
    with pytest.raises(ApplicationUnknown):
        await acts.admit_member(stack, governor(ctx_of), uuid4())
    systems, keys = await acts.software(stack, "redcross")
    assert [s.subsystem for s in systems] == ["NGO/redcross/main"] and keys[0].kid == made.kid


async def test_access_decline_member(stack, ctx_of):
    made = await acts.apply(stack, anybody(), order("spammer"), proved=False)
    with pytest.raises(NotPermitted):
        await acts.decline_member(stack, governor(ctx_of, ("auditor",)), made.application, "no such law")
    with pytest.raises(ReasonMissing):
        await acts.decline_member(stack, governor(ctx_of), made.application, " ")
    await acts.decline_member(stack, governor(ctx_of), made.application, "no such law")
    shown = await acts.application(stack, made.application)
    assert (shown.state, shown.because) == (State.DECLINED, "no such law")


async def test_access_suspend_member(stack, ctx_of):
    with pytest.raises(NotPermitted):
        await acts.suspend_member(stack, governor(ctx_of, ("operator",)), "benki", "fraud found")
    with pytest.raises(ReasonMissing):
        await acts.suspend_member(stack, governor(ctx_of), "benki", "")
    found = await acts.suspend_member(stack, named(ctx_of, "one"), "benki", "fraud found")
    assert found.standing is Standing.SUSPENDED
    with pytest.raises(AlreadyDecided):
        await acts.suspend_member(stack, named(ctx_of, "one"), "benki", "again")
    with pytest.raises(InstitutionUnknown):
        await acts.suspend_member(stack, named(ctx_of, "one"), "nobody", "not here")


async def test_access_reinstate_member(stack, ctx_of):
    if (await exchange.institution(stack, "benki")).standing is Standing.ACTIVE:
        await acts.suspend_member(stack, named(ctx_of, "one"), "benki", "fraud found")
    with pytest.raises(NotPermitted):
        await acts.reinstate_member(stack, governor(ctx_of, ("operator",)), "benki", "cleared")
    with pytest.raises(SecondEyes):
        await acts.reinstate_member(stack, named(ctx_of, "one"), "benki", "cleared")
    assert (await acts.reinstate_member(stack, named(ctx_of, "two"), "benki", "cleared")).standing is Standing.ACTIVE
    told = await acts.changes(stack, "benki")
    assert [c.because for c in told[:2]] == ["cleared", "fraud found"] and told[0].by == "rita"


def software(subsystem: str):
    actor = Actor(Kind.CLIENT, subsystem, subsystem.split("/")[1], frozenset(), 2, "main")
    return context(actor, "data-exchange", "legal-obligation")


async def test_access_roll_key(stack, ctx_of):
    fresh = client.public_part(client.new_key())
    with pytest.raises(NotPermitted):
        await acts.roll_key(stack, governor(ctx_of), fresh)
    key = await acts.roll_key(stack, software(HOSPITAL), fresh)
    assert key.subsystem == HOSPITAL and key.active
    with pytest.raises(InstitutionExists):
        await acts.roll_key(stack, software(BANK), fresh)
    with pytest.raises(BadKey):
        await acts.roll_key(stack, software(HOSPITAL), client.new_key())


async def test_access_stop_own_key(stack, ctx_of):
    key = await acts.roll_key(stack, software(HOSPITAL), client.public_part(client.new_key()))
    with pytest.raises(NotPermitted):
        await acts.stop_own_key(stack, job_context("x"), key.kid)
    with pytest.raises(KeyNotOwn):
        await acts.stop_own_key(stack, software(BANK), key.kid)
    await acts.stop_own_key(stack, software(HOSPITAL), key.kid)
    assert not next(k for k in (await acts.software(stack, "hospitali"))[1] if k.kid == key.kid).active


def offer_order(**changes) -> OfferOrder:
    made = OfferOrder(
        "place-weather", SubsystemId(BANK), WEATHER, ("statistics",), ("public-task",), about_person=False
    )
    return replace(made, **changes)


async def test_access_describe_offer(stack, ctx_of):
    steward = governor(ctx_of, ("data-steward",), "benki")
    with pytest.raises(NotPermitted):
        await acts.describe_offer(stack, governor(ctx_of, ("data-steward",), "hospitali"), offer_order())
    made = await acts.describe_offer(stack, steward, offer_order(level="answers within a second, all day"))
    with pytest.raises(AddressNotNamed):  # law 6
        await acts.describe_offer(stack, steward, offer_order(url="http://127.0.0.1:5432/"))
    assert made.fields == ("sky", "wind_kmh") and made.title["en"] == "Weather of a place"
    found = await exchange.catalogue(stack, words="weather")
    assert "place-weather" in [o.service for o in found] and found[0].openapi
    with pytest.raises(InstitutionExists):  # another owner has the code
        await acts.describe_offer(stack, steward, offer_order(service="person"))
    with pytest.raises(InstitutionUnknown):
        await acts.describe_offer(stack, steward, offer_order(owner=SubsystemId("COM/benki/unknown")))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{", "line"), ("[]", ""), ("openapi: 2.0", "openapi"), ("openapi: 3.1.0", "info"),
        ("{openapi: 3.1.0, info: {title: A, version: 1}, paths: {}}", "paths"),
        ("{openapi: 3.1.0, info: {title: A, version: 1}, paths: {/: {get: {}}}}", "paths"),
        ("{openapi: 3.1.0, info: {title: A, version: 1}, paths: {/: 1}}", "paths./"),
        ("a: &a [1]\nb: *a", "line 2"), (WEATHER.replace("schemas/Weather'", "schemas/Rain'"), "paths./{place}.get"),
        ("x" * 1_000_001, "openapi"), ("a: !!python/object:os.system x", "line"),
    ],
)  # fmt: skip
def test_a_wrong_description_is_told_where(text, where):
    with pytest.raises(DescriptionWrong) as no:
        rules.offer_of(offer_order(openapi=text), wire.description(text))
    assert str(no.value.facts["field"]).startswith(where)


def test_json_and_yaml_say_the_same():
    import yaml

    text = json.dumps(yaml.safe_load(WEATHER), default=str)
    told = rules.offer_of(offer_order(openapi=text), wire.description(text))
    assert told.fields == rules.offer_of(offer_order(), wire.description(WEATHER)).fields
    assert "200" in told.openapi["paths"]["/{place}"]["get"]["responses"]


def ask(**changes) -> AskRight:
    made = AskRight(
        SubsystemId(BANK), "person", "identity-proofing", "contract", "Banking Act s.7", ("name", "birth_date"),
        "to open an account on the telephone", days=30,
    )  # fmt: skip
    return replace(made, **changes)


async def test_access_ask_right(stack, ctx_of):
    technician = named(ctx_of, "tech", ("exchange-operator",), "benki")
    with pytest.raises(NotPermitted):
        await acts.ask_right(stack, named(ctx_of, "tech", ("exchange-operator",), "hospitali"), ask())
    for subsystem in (BANK, HOSPITAL):  # software asks for itself, and for no other
        itself = ctx_of(
            Kind.CLIENT, subsystem, institution=subsystem.split("/")[1], purpose="data-exchange",
            basis="legal-obligation",
        )  # fmt: skip
        if subsystem == BANK:
            assert (await acts.ask_right(stack, itself, ask(days=2))).asked_by == BANK
        else:
            with pytest.raises(NotPermitted):
                await acts.ask_right(stack, itself, ask())
    made = await acts.ask_right(stack, technician, ask())
    assert (made.state, made.owner) == (State.WAITING, OWNER)
    with pytest.raises(RightExceedsOffer):
        await acts.ask_right(stack, technician, ask(fields=("secret",)))
    with pytest.raises(ReasonMissing):
        await acts.ask_right(stack, technician, ask(reason=""))
    with pytest.raises(BadCall):
        await acts.ask_right(stack, technician, ask(days=0))
    assert made.request in [r.request for r in await acts.requests(stack, "rita")]
    assert not await acts.requests(stack, "hospitali")


async def test_access_decide_right(stack, ctx_of):
    technician = named(ctx_of, "tech", ("exchange-operator",), "benki")
    made = await acts.ask_right(stack, technician, ask())
    steward = named(ctx_of, "steward", ("data-steward",), "rita")
    with pytest.raises(NotPermitted):
        await acts.decide_right(stack, named(ctx_of, "x", ("data-steward",), "hospitali"), made.request, True, "")
    with pytest.raises(ReasonMissing):
        await acts.decide_right(stack, steward, made.request, False, "")
    with pytest.raises(SecondEyes):  # the authority's officer with two hats
        await acts.decide_right(stack, named(ctx_of, "tech"), made.request, True, "")
    with pytest.raises(BadCall):
        await acts.decide_right(stack, steward, made.request, True, "", ("phone",))
    given = await acts.decide_right(stack, steward, made.request, True, "less is enough", ("birth_date",))
    assert given.until is not None and (given.until - given.decided_at).days == 30
    with pytest.raises(AlreadyDecided):
        await acts.decide_right(stack, steward, made.request, True, "")
    right = next(r for r, _ in await acts.rights(stack, "person", "benki") if r.purpose == "identity-proofing")
    assert right.fields == ("birth_date",) and right.until == given.until
    assert not await acts.rights(stack, "person", "benki", at=given.until)  # it ends by itself


async def test_the_doors_say_it_too(stack, client):
    found = await client.get("/v1/exchange/access-rights", params={"limit": 1})
    assert found.status_code == 200 and len(found.json()) == 1
    following = await client.get("/v1/exchange/access-rights", params={"after": found.json()[0]["after"]})
    assert found.json()[0] not in following.json()
    assert (await client.get("/v1/exchange/right-requests")).status_code == 200
    assert (await client.get("/v1/exchange/applications/nonsense")).status_code == 400
    assert (await client.get("/v1/exchange/applications")).status_code in (401, 403)
    assert (await client.post("/v1/exchange/applications", content=b"{")).status_code == 400
    assert (await client.post("/v1/exchange/own-keys", json={})).status_code == 401
    assert (await client.post("/v1/exchange/descriptions", json={})).status_code in (400, 401)


@settings(max_examples=40, deadline=None)
@given(st.from_regex(r"[a-z]{1,5}(:[0-9]{1,3})?", fullmatch=True), st.sampled_from(["", "a@", "x.", "%61"]))
def test_law_6_only_hosts_that_the_operator_named(host, before):
    rules.address_named(f"https://{host}/any/{before}", ("", "other", f" {host.upper()} "))
    rules.address_named("", ())
    for url, named in (
        (f"http://{host}/", (host + "x", "")),
        (f"http://{before}{host}/", () if not before else (host,)),
    ):
        with pytest.raises(AddressNotNamed):
            rules.address_named(url, named)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(["name", "birth_date", "phone"])), st.booleans(), st.sampled_from(["a", "b"]))
def test_law_5_never_more_than_was_asked_and_law_3_never_by_who_asked(fields, yes, by):
    from msingi.exchange.membership.model import RightAsked
    from msingi.kernel import clock

    at = clock.now()
    asked = RightAsked(uuid4(), ask(), OWNER, "a", at, State.WAITING, "")
    try:
        now = rules.answered(asked, yes, "because", by, at, tuple(fields))
    except (SecondEyes, BadCall):
        assert by == "a" or "phone" in fields
    else:
        assert by != "a" and set(now.order.fields) <= set(asked.order.fields)
        assert (now.until is not None) == yes
