"""News and answers for later: rights, own names, mailboxes, callbacks, dead letters."""

import asyncio
import json
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.consent.people import newborn, oneself
from tests.exchange import places
from tests.exchange.places import BANK, HOSPITAL, KEYS, OWNER, Desk, governor, right_order
from tests.running import free_port

from msingi.consent import acts as consents
from msingi.exchange import acts as exchange
from msingi.exchange import client as light
from msingi.exchange import registry, signature
from msingi.exchange.federation import outbound
from msingi.exchange.governance import public_key
from msingi.exchange.model import Right, ServiceCode, SubsystemId
from msingi.exchange.news import acts, jobs, rules
from msingi.exchange.news.errors import CallbackRefused, EventTypeUnknown, NoEventRight, NotPublisher
from msingi.exchange.news.model import ANSWERS, PublishOrder, SubscribeOrder, TypeOrder
from msingi.exchange.signature import Message
from msingi.identity.model import StatusChanged
from msingi.kernel import clock
from msingi.kernel.context import Actor, Context, Kind, context, job_context
from msingi.kernel.errors import NotPermitted

MOVED = "moved"


@pytest.fixture(scope="module", autouse=True)
async def open_exchange(stack, ctx_of):
    kept = dict(registry._offered)
    places.offer_services()
    await places.opened(stack, ctx_of)
    await exchange.join_institution(stack, governor(ctx_of), places.join_order(OWNER, light.new_key()))
    await exchange.approve(stack, governor(ctx_of), "rita")
    order = right_order(basis="vital-interest", law="Health Services Act s.9", fields=("birth_date",))
    await exchange.grant_right(stack, governor(ctx_of), order)
    yield
    registry._offered.clear()
    registry._offered.update(kept)


def software(subsystem: str) -> Context:
    actor = Actor(Kind.CLIENT, subsystem, subsystem.split("/")[1], frozenset(), 2, "main")
    return context(actor, "data-exchange", "legal-obligation", channel="exchange")


def news() -> Context:
    return job_context("news", "data-exchange", "legal-obligation")


async def described(stack, name: str) -> str:
    await acts.describe_event(stack, software(OWNER), OWNER, TypeOrder(name, "person", "Somebody moved"))
    return name


async def test_access_describe_event(stack, ctx_of):
    order = TypeOrder(MOVED, "person")
    with pytest.raises(NotPermitted):
        await acts.describe_event(stack, governor(ctx_of), OWNER, order)
    with pytest.raises(NotPublisher):
        await acts.describe_event(stack, software(HOSPITAL), OWNER, order)
    with pytest.raises(EventTypeUnknown):
        await acts.describe_event(stack, software(OWNER), OWNER, TypeOrder(MOVED, "no-such"))
    await acts.describe_event(stack, software(OWNER), OWNER, order)
    assert MOVED in [t.event_type for t in await acts.types_of(stack, OWNER)]
    await acts.describe_event(stack, software(OWNER), OWNER, order, end=True)
    with pytest.raises(EventTypeUnknown):
        await acts.describe_event(stack, software(OWNER), OWNER, order, end=True)


async def test_access_subscribe(stack, ctx_of):
    name = await described(stack, "subscribed")
    with pytest.raises(NotPermitted):
        await acts.subscribe(stack, governor(ctx_of), OWNER, name, SubscribeOrder())
    with pytest.raises(NoEventRight):
        await acts.subscribe(stack, software(BANK), OWNER, name, SubscribeOrder())
    with pytest.raises(EventTypeUnknown):
        await acts.subscribe(stack, software(HOSPITAL), OWNER, "other", SubscribeOrder())
    for wrong in ("http://10.0.0.1/x", "ftp://a", "http://user@127.0.0.1:1/"):
        with pytest.raises(CallbackRefused):
            await acts.subscribe(stack, software(HOSPITAL), OWNER, name, SubscribeOrder(wrong))
    made = await acts.subscribe(stack, software(HOSPITAL), OWNER, name, SubscribeOrder())
    assert await acts.subscriptions(stack, HOSPITAL, OWNER) == [made]


async def test_access_unsubscribe(stack, ctx_of):
    name = await described(stack, "unsubscribed")
    await acts.subscribe(stack, software(HOSPITAL), OWNER, name, SubscribeOrder())
    with pytest.raises(NotPermitted):
        await acts.unsubscribe(stack, job_context("news"), OWNER, name)
    await acts.unsubscribe(stack, software(HOSPITAL), OWNER, name)
    with pytest.raises(EventTypeUnknown):
        await acts.unsubscribe(stack, software(HOSPITAL), OWNER, name)


async def test_access_publish(stack, ctx_of, owner_url):
    """Only those who follow the person, only the fields of their right, each under its own name, with a leaf."""
    name = await described(stack, "published")
    person, other = await newborn(stack, owner_url), await newborn(stack, owner_url)
    mine, theirs = (stack.pseudonym.of(i, person) for i in ("hospitali", "rita"))
    await acts.subscribe(stack, software(HOSPITAL), OWNER, name, SubscribeOrder(follow=(mine,)))
    with pytest.raises(NotPermitted):
        await acts.publish(stack, governor(ctx_of), OWNER, name, PublishOrder({}))
    with pytest.raises(NotPublisher):
        await acts.publish(stack, software(HOSPITAL), OWNER, name, PublishOrder({}))
    order = PublishOrder({"birth_date": "1990-02-03", "phone": "+255700000001"}, theirs)
    assert (await acts.publish(stack, software(OWNER), OWNER, name, order)).readers == 1
    unheard = replace(order, subject=stack.pseudonym.of("rita", other))
    assert (await acts.publish(stack, software(OWNER), OWNER, name, unheard)).readers == 0
    box = await acts.fetch(stack, software(HOSPITAL), OWNER, name)
    event = box.events[0]
    assert (event.subject, event.data, event.specversion) == (mine, {"birth_date": "1990-02-03"}, "1.0")
    assert event.source == f"/XT/{OWNER}" and event.type == name and len(box.events) == 1
    page = await consents.accesses(stack, oneself(ctx_of, person, "subject-access"), person)
    told = [line for line in page.items if line.act == "exchange.publish"]
    assert told[0].detail["to"] == HOSPITAL and told[0].detail["law"] == "Health Services Act s.9"
    # Without the right, nothing more: the same subscription, the same person.
    right = ("person", "health-care", "vital-interest")
    await exchange.end_right(stack, governor(ctx_of), HOSPITAL, *right)
    assert (await acts.publish(stack, software(OWNER), OWNER, name, order)).readers == 0
    grant = right_order(basis="vital-interest", law="Health Services Act s.9", fields=("birth_date",))
    await exchange.grant_right(stack, governor(ctx_of), grant)


async def test_access_fetch(stack, ctx_of):
    name = await described(stack, "paged")
    await acts.subscribe(stack, software(HOSPITAL), OWNER, name, SubscribeOrder())
    with pytest.raises(NotPermitted):
        await acts.fetch(stack, governor(ctx_of), OWNER, name)
    for number in range(5):
        await acts.publish(stack, software(OWNER), OWNER, name, PublishOrder({"birth_date": str(number)}))
    seen, after = [], ""
    while True:
        box = await acts.fetch(stack, software(HOSPITAL), OWNER, name, after=after, limit=2)
        seen += [event.data["birth_date"] for event in box.events]
        if not box.next:
            break
        after = box.next
    assert seen == ["0", "1", "2", "3", "4"]
    assert not (await acts.fetch(stack, software(BANK), OWNER, name)).events  # another's mailbox is not shown


async def test_access_acknowledge(stack, ctx_of):
    name = await described(stack, "read")
    await acts.subscribe(stack, software(HOSPITAL), OWNER, name, SubscribeOrder())
    made = await acts.publish(stack, software(OWNER), OWNER, name, PublishOrder({"birth_date": "x"}))
    with pytest.raises(NotPermitted):
        await acts.acknowledge(stack, governor(ctx_of), made.id)
    assert not await acts.acknowledge(stack, software(BANK), made.id)
    assert await acts.acknowledge(stack, software(HOSPITAL), made.id)
    assert not (await acts.fetch(stack, software(HOSPITAL), OWNER, name)).events


class Listener:
    """A subscriber's callback: it takes events, or is out of order."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.broken, self.port = False, free_port()

    async def __aenter__(self) -> "Listener":
        self.server = await asyncio.start_server(self._answer, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = {n.lower(): v for n, _, v in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(fields["content-length"]))
        if not self.broken:
            self.got.append((fields, body))
        status = b"500 Broken" if self.broken else b"204 No Content"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


async def test_access_deliver(stack, ctx_of):
    """Events go to a callback, signed; one that is broken is tried again, later each time, and then rests."""
    name = await described(stack, "called")
    with pytest.raises(NotPermitted):
        await acts.deliver(stack, job_context("other"))
    async with Listener() as listener:
        stack.settings = replace(stack.settings, callback_hosts=f"127.0.0.1:{listener.port}")
        url = f"http://127.0.0.1:{listener.port}/events"
        await acts.subscribe(stack, software(HOSPITAL), OWNER, name, SubscribeOrder(url))
        await acts.publish(stack, software(OWNER), OWNER, name, PublishOrder({"birth_date": "one"}))
        assert await acts.deliver(stack, news()) == 1 and await acts.deliver(stack, news()) == 0
        fields, body = listener.got[0]
        assert json.loads(body)["data"] == {"birth_date": "one"}
        message = Message("POST", f"127.0.0.1:{listener.port}", "/events", "", fields)
        known = {k["kid"]: public_key(k["x"]) for k in stack.keys.public("exchange")}
        signature.verify(message, body, known.get, int(clock.now().timestamp()))

        listener.broken = True
        await acts.publish(stack, software(OWNER), OWNER, name, PublishOrder({"birth_date": "two"}))
        at = clock.now()
        for tries in range(1, rules.MOST_TRIES + 1):
            with clock.freeze(at):
                assert await acts.deliver(stack, news()) == 0
                assert await acts.deliver(stack, news()) == 0  # not before its time
            at += timedelta(seconds=2.0**tries + 1)
        listener.broken = False
        with clock.freeze(at + timedelta(days=1)):
            assert await acts.deliver(stack, news()) == 0  # a dead letter is not sent
    dead = await acts.fetch(stack, software(HOSPITAL), OWNER, name, dead=True)
    assert [e.data for e in dead.events] == [{"birth_date": "two"}] and len(listener.got) == 1
    await outbound.close(stack)
    stack.settings = replace(stack.settings, callback_hosts="")


async def test_access_forget_mail(stack):
    with pytest.raises(NotPermitted):
        await acts.forget_mail(stack, job_context("sweeper"))
    assert await acts.forget_mail(stack, news()) == 0
    later = replace(news(), at=clock.now() + timedelta(days=31))
    name = await described(stack, "old")
    await acts.subscribe(stack, software(HOSPITAL), OWNER, name, SubscribeOrder())
    await acts.publish(stack, software(OWNER), OWNER, name, PublishOrder({"birth_date": "x"}))
    assert await acts.forget_mail(stack, later) >= 1


@pytest.fixture
async def desks(stack, client: httpx.AsyncClient):
    return Desk(client, stack, HOSPITAL), Desk(client, stack, BANK)


async def send(desk: Desk, method: str, path: str, value=None, query: str = "", **headers: str) -> light.Answered:
    body = b"" if value is None else json.dumps(value).encode()
    prepared = light.prepare(
        desk.stack.settings.url, "XT/" + desk.subsystem, KEYS[desk.subsystem], path, method=method, body=body,
        query=query, headers={n.replace("_", "-"): v for n, v in headers.items()},
    )  # fmt: skip
    return await desk.send(prepared)


async def test_the_doors_of_the_information_mediator(stack, desks, ctx_of):
    hospital, bank = desks
    here, name = f"/r1/XT/{HOSPITAL}", "bed-free"
    order = {"eventType": name, "service": "person"}
    assert (await send(hospital, "POST", f"{here}/api/v1/eventType", order)).status == 201
    assert (await send(bank, "POST", f"{here}/api/v1/eventType", order)).problem == "exchange.not-publisher"
    listed = await send(bank, "GET", f"{here}/api/v1/eventType")
    assert [t["event_type"] for t in listed.json["eventTypes"]] == [name]
    assert (await send(bank, "GET", f"{here}/api/v1/eventType/{name}")).json["service"] == "person"
    no = await send(bank, "POST", f"{here}/api/v1/subs/{name}", {})
    assert no.problem == "exchange.no-event-right"
    assert (await send(hospital, "POST", f"{here}/api/v1/subs/{name}", {})).status == 201
    assert len((await send(hospital, "GET", f"{here}/api/v1/subs")).json["subscriptions"]) == 1
    published = await send(hospital, "POST", f"{here}/pub/v1/{name}", {"data": {"birth_date": "today"}})
    assert published.status == 202 and published.json["readers"] == 1
    pulled = await send(hospital, "GET", f"{here}/pull/v1/{name}", query="limit=10")
    event = pulled.json["events"][0]
    assert event["id"] == published.json["id"] and event["specversion"] == "1.0"
    assert (await send(hospital, "DELETE", f"{here}/pull/v1/{name}/{event['id']}")).status == 204
    assert (await send(hospital, "GET", f"{here}/pull/v1/{name}")).json["events"] == []
    assert (await send(hospital, "DELETE", f"{here}/api/v1/subs/{name}")).status == 204
    assert (await send(hospital, "DELETE", f"{here}/api/v1/eventType/{name}")).status == 204
    for method, path, value in (
        ("GET", "/pull/v1", None), ("PATCH", "/api/v1/subs/x", {}), ("POST", "/pub/v2/x", {}), ("POST", "/pub/v1/x", 7),
        ("DELETE", f"/pull/v1/{name}/7", None), ("POST", "/api/v1/eventType", {"eventType": "X", "service": "person"}),
    ):  # fmt: skip
        assert (await send(hospital, method, here + path, value)).status in (400, 404), path


async def test_access_ask_later(stack, desks, ctx_of, owner_url):
    """A request is taken now and answered later, by the same rules; the answer and the refusal lie in the mailbox."""
    hospital, _ = desks
    person = await newborn(stack, owner_url)
    with pytest.raises(NotPermitted):
        await acts.ask_later(stack, governor(ctx_of), None, None, "")
    asked = {}
    for basis in ("vital-interest", "consent"):
        prepared = hospital.prepare(person, msingi_basis=basis, msingi_reply="mailbox")
        taken = await hospital.send(prepared)
        assert taken.status == 202 and taken.json["mailbox"].endswith(f"/{HOSPITAL}/pull/v1/{ANSWERS}")
        asked[basis] = taken.json["id"]
        assert (await hospital.send(hospital.prepare(person, msingi_reply="http://10.1.1.1/"))).status == 400
    await stack.outbox.drain(stack)
    box = await send(hospital, "GET", taken.json["mailbox"])
    found = {event["id"]: event["data"] for event in box.json["events"]}
    good = found[asked["vital-interest"]]
    assert good["status"] == 200 and json.loads(good["body"]) == {"birth_date": "1990-02-03"}
    assert found[asked["consent"]]["problem"]["code"] == "consent.missing"
    again = await hospital.send(prepared)
    assert again.status == 202  # taken, and then refused like any message that was sent before
    await stack.outbox.drain(stack)


async def test_access_put_answer(stack):
    later = acts.Later(None, None, "")  # type: ignore[arg-type]
    with pytest.raises(NotPermitted):
        await acts.put_answer(stack, job_context("other"), later, {})


async def test_relying_institutions_hear_that_an_identity_was_suspended(stack, ctx_of, owner_url):
    await jobs.describe_own(stack)
    publisher = jobs._publisher()
    order = right_order(purpose="identity-proofing", basis="legal-obligation", fields=("change",))
    order = replace(order, service=ServiceCode("identity-changes"))
    await exchange.grant_right(stack, governor(ctx_of), order)
    person, other = await newborn(stack, owner_url), await newborn(stack, owner_url)
    follow = SubscribeOrder(follow=(stack.pseudonym.of("hospitali", person),))
    await acts.subscribe(stack, software(HOSPITAL), publisher, jobs.OFFER, follow)
    for who in (person, other):
        doer = next(d for d in stack.outbox._doers[StatusChanged.kind] if "news" in d.__module__)
        await doer(stack, json.dumps({"person_id": str(who), "status": "suspended"}).encode())
    box = await acts.fetch(stack, software(HOSPITAL), publisher, jobs.OFFER)
    assert [(e.subject, e.data) for e in box.events] == [(follow.follow[0], {"change": "suspended"})]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from("abcd")), st.lists(st.sets(st.sampled_from("abcd"), min_size=1), max_size=3))
def test_law_1_never_more_than_a_right_gives(data, rights):
    made = [
        Right(SubsystemId(HOSPITAL), ServiceCode("person"), "payment", "contract", "x", tuple(fields), (), False, 1)
        for fields in rights
    ]
    told = rules.readable(made, dict.fromkeys(data, 1))
    for right, seen in told:
        assert seen and set(seen) <= set(right.fields) & data
    assert len(told) == sum(bool(fields & data) for fields in rights)


@given(st.integers(0, 40))
def test_law_3_later_each_time_and_then_a_dead_letter(tries):
    at = clock.now()
    when = rules.due(tries, at)
    assert when is None if tries >= rules.MOST_TRIES else when > at
    assert uuid4()


async def test_a_large_body_reaches_a_room_of_this_stack_whole(stack, desks, ctx_of, owner_url):
    hospital, _ = desks
    person = await newborn(stack, owner_url)
    grant = right_order(
        basis="vital-interest", law="Health Services Act s.9", fields=("birth_date",), endpoints=("GET /**", "POST /**")
    )
    await exchange.grant_right(stack, governor(ctx_of), grant)
    body = json.dumps({"lines": ["x" * 100] * 5_000}).encode()
    answer = await hospital.ask(person, method="POST", body=body, msingi_basis="vital-interest")
    assert answer.status == 200 and places.asked[-1]["body"] == body
