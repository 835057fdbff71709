"""Messages over HTTP: refused, granted, answered, withdrawn, refused; and every attack that should fail."""

import gzip
from uuid import uuid4

import pytest
from tests.consent.people import agreement_order, newborn, oneself, steward
from tests.exchange import places
from tests.exchange.places import BANK, HOSPITAL, KEYS, Desk, governor, right_order

from msingi.consent import acts as consents
from msingi.consent.model import GrantOrder
from msingi.exchange import acts, registry, signature
from msingi.exchange import client as consumer
from msingi.exchange.errors import SignatureRefused
from msingi.kernel import clock
from msingi.kernel.ids import PersonId, uuid7


@pytest.fixture(scope="module", autouse=True)
async def open_exchange(stack, ctx_of):
    kept = dict(registry._offered)
    places.offer_services()
    yield await places.opened(stack, ctx_of)
    registry._offered.clear()
    registry._offered.update(kept)


@pytest.fixture
async def person(stack, owner_url):
    return await newborn(stack, owner_url)


@pytest.fixture
def desk(client, stack):
    return Desk(client, stack)


@pytest.fixture(scope="module")
async def agreement(stack, ctx_of, open_exchange):
    return await consents.publish_agreement(stack, steward(ctx_of), agreement_order("person-for-care"))


async def allow(stack, ctx_of, person, agreement, **more):
    order = GrantOrder(agreement.order.agreement, agreement.version, **more)
    return await consents.grant(stack, oneself(ctx_of, person), person, order)


async def lines(stack, ctx_of, person):
    page = await consents.accesses(stack, oneself(ctx_of, person, "subject-access"), person)
    return [(line.act, line.detail.get("reason", "")) for line in page.items if line.act.startswith("exchange.")]


async def test_refused_granted_answered_withdrawn_refused(stack, ctx_of, person, desk, agreement):
    no = await desk.ask(person)
    assert (no.status, no.problem, no.error) == (403, "consent.missing", "Server.ServerProxy.AccessDenied")
    receipt = await allow(stack, ctx_of, person, agreement)
    yes = await desk.ask(person)
    assert yes.status == 200 and yes.json == {"name": {"given": "Asha", "family": "Mrisho"}, "birth_date": "1990-02-03"}
    said = places.asked[-1]
    assert (said["ctx"].consent, said["ctx"].basis) == (str(receipt.consent_id), "consent")
    assert said["ctx"].actor.institution == "hospitali" and said["person"] == person
    await consents.withdraw(stack, oneself(ctx_of, person), person, receipt.consent_id)
    again = await desk.ask(person)
    assert again.problem == "consent.missing"
    assert await lines(stack, ctx_of, person) == [
        ("exchange.refused", "consent.missing"), ("exchange.answered", ""), ("exchange.refused", "consent.missing"),
    ]  # fmt: skip


async def test_the_person_sees_who_for_what_on_which_basis(stack, ctx_of, person, desk, agreement):
    await allow(stack, ctx_of, person, agreement)
    answer = await desk.ask(person, x_road_issue="case 7")
    page = await consents.accesses(stack, oneself(ctx_of, person, "subject-access"), person)
    line = page.items[0]
    assert (line.act, line.institution, line.purpose, line.basis) == (
        "exchange.answered", "hospitali", "health-care", "consent",
    )  # fmt: skip
    assert line.actor_kind == "client" and str(line.record_id) == answer.record
    assert line.detail["fields"] == "name birth_date" and line.detail["service"] == "person"


async def test_the_answer_has_only_what_was_asked_within_the_right(stack, ctx_of, person, desk, agreement):
    await allow(stack, ctx_of, person, agreement, fields=("person.name",))
    assert (await desk.ask(person)).problem == "consent.missing"  # the right gives more than the person allowed
    assert (await desk.ask(person, msingi_fields="name.given")).json == {"name": {"given": "Asha"}}
    assert (await desk.ask(person, msingi_fields="phone")).problem == "exchange.no-right"


async def test_headers_of_the_x_road_protocol(stack, ctx_of, person, desk, agreement):
    await allow(stack, ctx_of, person, agreement)
    prepared = desk.prepare(person, x_road_userid="TZ123", x_road_represented_party="COM/benki")
    got = await desk.raw(prepared)
    assert got.status_code == 200 and "x-road-error" not in got.headers
    assert got.headers["x-road-client"] == "XT/" + HOSPITAL
    assert got.headers["x-road-service"] == places.SERVICE
    assert got.headers["x-road-id"] == prepared.headers["x-road-id"]
    assert len(got.headers["x-road-request-id"]) == 36
    import base64

    assert len(base64.b64decode(got.headers["x-road-request-hash"])) == 64


async def test_errors_of_the_x_road_protocol(desk, person):
    got = await desk.raw(desk.prepare(person))
    body = got.json()
    assert set(body) == {"type", "message", "detail"} and body["type"] == got.headers["x-road-error"]
    assert body["detail"] == got.headers["x-road-request-id"]


async def test_a_message_counts_once(stack, ctx_of, person, desk, agreement):
    await allow(stack, ctx_of, person, agreement)
    prepared = desk.prepare(person)
    assert (await desk.send(prepared)).status == 200
    before = len(places.asked)
    again = await desk.send(prepared)
    assert (again.status, again.problem) == (409, "exchange.message-seen") and len(places.asked) == before
    assert (await lines(stack, ctx_of, person))[0] == ("exchange.refused", "exchange.message-seen")


async def test_tampering_on_the_way_is_refused(stack, ctx_of, person, desk, agreement, owner_url):
    await allow(stack, ctx_of, person, agreement)
    other = stack.pseudonym.of("hospitali", await newborn(stack, owner_url))
    before = len(places.asked)
    changes = [
        {"url": desk.prepare(other).url},
        {"url": desk.prepare(person).url + "?all=1"},
        {"method": "POST"},
        {"body": b"x"},
        {"headers": {"msingi-purpose": "payment"}},
        {"headers": {"msingi-basis": "vital-interest"}},
        {"headers": {"msingi-fields": "phone"}},
        {"headers": {"x-road-client": "XT/" + BANK}},
        {"headers": {"x-road-id": str(uuid4())}},
        {"headers": {"host": "elsewhere"}},
        {"headers": {"content-digest": signature.content_digest(b"x")}, "body": b"x"},
        {"headers": {"signature-input": ""}},
    ]
    for change in changes:
        got = await desk.raw(desk.prepare(person), **change)
        assert (got.status_code, got.headers["msingi-problem"]) == (401, "exchange.signature-refused"), change
    assert len(places.asked) == before


async def test_another_institutions_key_name_and_pseudonym_do_not_help(client, stack, ctx_of, person, desk, agreement):
    await allow(stack, ctx_of, person, agreement)
    bank = Desk(client, stack, BANK)
    assert (await bank.ask(person)).problem == "exchange.no-right"  # no right of its own
    bank.subsystem = HOSPITAL  # claims to be the hospital, with its own key
    got = await bank.raw(bank.prepare(person))
    assert got.headers["msingi-problem"] == "exchange.signature-refused"
    bank.subsystem = BANK
    stolen = stack.pseudonym.of("hospitali", person)  # means somebody else, or nobody, at the bank
    await acts.grant_right(stack, governor(ctx_of), right_order(BANK, "contract", purpose="payment"))
    assert (await bank.ask(stolen, purpose="payment")).problem == "exchange.person-unknown"


async def test_an_unknown_key_is_refused(desk, person):
    desk.key = consumer.new_key()
    got = await desk.raw(desk.prepare(person))
    assert got.status_code == 401 and "step 5" in got.json()["message"]


async def test_an_old_message_is_refused(desk, person):
    from datetime import timedelta

    with clock.freeze(clock.now() - timedelta(seconds=signature.WINDOW_S + 5)):
        prepared = desk.prepare(person)
    assert (await desk.raw(prepared)).status_code == 401


async def test_suspension_key_stop_and_right_end_work_at_once(client, stack, ctx_of, person, agreement):
    desk = Desk(client, stack)
    await allow(stack, ctx_of, person, agreement)
    assert (await desk.ask(person)).status == 200
    await acts.suspend(stack, governor(ctx_of), "hospitali")
    assert (await desk.ask(person)).problem == "exchange.not-standing"
    await acts.approve(stack, governor(ctx_of), "hospitali")
    assert (await desk.ask(person)).status == 200
    await acts.end_right(stack, governor(ctx_of), HOSPITAL, "person", "health-care", "consent")
    assert (await desk.ask(person)).problem == "exchange.no-right"
    await acts.grant_right(stack, governor(ctx_of), right_order())
    assert (await desk.ask(person)).status == 200
    fresh = consumer.new_key()
    key = await acts.add_key(stack, governor(ctx_of), acts_key(fresh))
    old, desk.key = desk.key, fresh
    assert (await desk.ask(person)).status == 200
    await acts.stop_key(stack, governor(ctx_of), key.kid)
    assert (await desk.ask(person)).problem == "exchange.not-standing"
    desk.key = old
    assert (await desk.ask(person)).status == 200


def acts_key(jwk):
    from msingi.exchange.model import KeyOrder, SubsystemId

    return KeyOrder(SubsystemId(HOSPITAL), consumer.public_part(jwk))


async def test_another_basis_needs_no_consent_but_its_own_right(stack, ctx_of, person, desk):
    emergency = right_order(basis="vital-interest", law="Health Services Act s.9")
    await acts.grant_right(stack, governor(ctx_of), emergency)
    assert (await desk.ask(person)).problem == "exchange.basis-unclear"
    answer = await desk.ask(person, msingi_basis="vital-interest")
    assert answer.status == 200 and places.asked[-1]["ctx"].consent == ""
    await acts.end_right(stack, governor(ctx_of), HOSPITAL, "person", "health-care", "vital-interest")


async def test_identity_numbers_only_where_the_right_says_so(stack, ctx_of, person, desk, agreement, monkeypatch):
    async def by_number(stack, ctx, number):
        from msingi.kernel.errors import NotFound

        if number != "123456789012":
            raise NotFound()
        return person

    monkeypatch.setattr(consents, "person_by_number", by_number)
    await allow(stack, ctx_of, person, agreement)
    assert (await desk.ask("123456789012")).problem == "exchange.no-right"
    assert (await lines(stack, ctx_of, person))[0] == ("exchange.refused", "exchange.no-right")
    await acts.grant_right(stack, governor(ctx_of), right_order(by_number=True))
    try:
        assert (await desk.ask("123456789012")).status == 200
        assert (await desk.ask("999999999999")).problem == "consent.missing"  # not: there is no such number
    finally:
        await acts.grant_right(stack, governor(ctx_of), right_order())


async def test_nobody_behind_a_pseudonym_is_no_person(stack, desk):
    assert (await desk.ask(PersonId(uuid7()))).problem == "consent.missing"
    assert (await desk.ask("")).problem == "consent.missing"


async def test_bad_calls_are_told_what_is_wrong(desk, person, client):
    for change in (
        {"purpose": "curiosity"}, {"msingi_basis": "whim"}, {"msingi_fields": "a;b"}, {"x_road_id": "7"},
        {"service": "ZZ/GOV/rita/identity/person"}, {"service": "XT/GOV/rita/identity/-Person"},
    ):  # fmt: skip
        got = await desk.raw(desk.prepare(person, **change))
        assert (got.status_code, got.headers["x-road-error"]) == (400, "Client.BadRequest"), change
    unknown = await desk.ask(person, service="XT/GOV/rita/identity/nothing")
    assert (unknown.status, unknown.problem) == (404, "exchange.service-unknown")
    elsewhere = await desk.ask(person, service="XT/GOV/benki/identity/person")  # the code, but another owner
    assert elsewhere.problem == "exchange.service-unknown"
    for path in ("/r1", "/r1/", "/r1/XT/GOV", "/r1/XT/GOV/rita/identity/person/%ff%fe"):
        assert (await client.get(path)).status_code in (400, 401, 404)


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(desk, person):
    from msingi.exchange.gateway import MOST_BODY_BYTES

    got = await desk.raw(desk.prepare(person, method="POST", body=b"x" * (MOST_BODY_BYTES + 1)))
    assert got.status_code == 413


async def test_a_posted_body_reaches_the_service_where_the_right_allows(stack, ctx_of, person, desk, agreement):
    await allow(stack, ctx_of, person, agreement)
    body = gzip.compress(b"binary")
    assert (await desk.ask(person, method="POST", body=body)).problem == "exchange.no-right"
    await acts.grant_right(stack, governor(ctx_of), right_order(endpoints=("GET /**", "POST /notes/*")))
    answer = await desk.ask(person, method="POST", rest="notes/7", body=body, content_type="application/gzip")
    assert answer.status == 200 and places.asked[-1]["body"] == body and places.asked[-1]["path"] == "/notes/7"


async def test_an_answer_that_was_changed_on_the_way_back_is_not_believed(stack, ctx_of, person, desk, agreement):
    await allow(stack, ctx_of, person, agreement)
    prepared = desk.prepare(person)
    got = await desk.raw(prepared)
    keys = stack.keys.public("exchange")
    consumer.opened(prepared, got.status_code, list(got.headers.items()), got.content, keys)
    for status, headers, body in (
        (404, {}, got.content), (200, {}, got.content + b" "), (200, {"content-type": "text/html"}, got.content),
        (200, {"x-road-service": "XT/a/b/c/d"}, got.content),
    ):  # fmt: skip
        with pytest.raises(SignatureRefused):
            consumer.opened(prepared, status, list((dict(got.headers) | headers).items()), body, keys)
    with pytest.raises(SignatureRefused):  # an answer to another request
        consumer.opened(desk.prepare(person), 200, list(got.headers.items()), got.content, keys)


async def test_the_services_own_refusal_passes_unchanged(stack, ctx_of, person, desk, agreement, monkeypatch):
    from msingi.kernel.errors import NotFound

    async def nothing(stack, ctx, person_id, **asked):
        raise NotFound("no record yet")

    async def broken(stack, ctx, person_id, **asked):
        raise ZeroDivisionError

    await allow(stack, ctx_of, person, agreement)
    offer = registry._offered["person"][0]
    monkeypatch.setitem(registry._offered, "person", (offer, nothing))
    answer = await desk.ask(person)
    assert (answer.status, answer.error, answer.json["code"]) == (404, "", "not-found")
    monkeypatch.setitem(registry._offered, "person", (offer, broken))
    answer = await desk.ask(person)
    assert (answer.status, answer.error) == (500, "Server.ServerProxy.InternalError")


async def test_a_service_about_nobody(stack, ctx_of, desk):
    order = right_order(basis="public-task", purpose="statistics", fields=("sky",), law="Meteorology Act")
    order = __import__("msgspec").structs.replace(order, service="weather")
    await acts.grant_right(stack, governor(ctx_of), order)
    answer = await desk.ask("", service="XT/GOV/rita/identity/weather", purpose="statistics")
    assert answer.json == {"sky": "clear"}


async def test_metaservices(client, desk):
    base = "/r1/XT/GOV/rita/identity/"
    listed = (await client.get(base + "listMethods")).json()["service"]
    listed = [s for s in listed if s["service_code"] in ("person", "weather")]
    assert [s["service_code"] for s in listed] == ["person", "weather"]
    assert listed[0]["endpoint_list"] == [{"method": "*", "path": "/**"}] and listed[0]["object_type"] == "SERVICE"
    allowed = await client.get(base + "allowedMethods", headers={"X-Road-Client": "XT/" + BANK})
    assert "health-care" not in allowed.text
    openapi = (await client.get(base + "getOpenAPI?serviceCode=person")).json()
    assert openapi["info"]["title"] == "Person"
    assert (await client.get(base + "getOpenAPI?serviceCode=no")).status_code == 404
    members = (await client.get("/listClients", headers={"Accept": "application/json"})).json()["member"]
    assert {"name": "Benki", "id": {"member_class": "COM", "member_code": "benki", "xroad_instance": "XT",
            "object_type": "MEMBER"}} in members  # fmt: skip
    xml = await client.get("/listClients")
    assert xml.headers["content-type"].startswith("text/xml") and "<id:memberCode>benki</id:memberCode>" in xml.text
    assert (await client.get("/listClients?xRoadInstance=ZZ", headers={"Accept": "application/json"})).json() == {
        "member": []
    }


async def test_a_signed_request_opens_other_doors_too(client, stack, ctx_of, person, agreement):
    import msgspec

    name = stack.pseudonym.of("hospitali", person)
    body = msgspec.json.encode({"person": name, "agreement": agreement.order.agreement, "reason": "for care"})
    prepared = consumer.prepare(
        stack.settings.url, "XT/" + HOSPITAL, KEYS[HOSPITAL], "/v1/consent/requests", method="POST", body=body,
        headers={"content-type": "application/json"},
    )  # fmt: skip
    got = await client.request("POST", prepared.url, content=prepared.body, headers=prepared.headers)
    assert got.status_code == 201 and got.json()["institution"] == "hospitali"
    replayed = await client.request("POST", prepared.url, content=prepared.body, headers=prepared.headers)
    assert (replayed.status_code, replayed.json()["code"]) == (409, "exchange.message-seen")
    asked = await consents.requests_of(stack, oneself(ctx_of, person), person)
    assert asked.items[0].reason == "for care"
