"""G2P Connect: messages answered at once and by signed callbacks, senders and signatures, the way of a disbursement."""

import asyncio
import base64
import json
import time
from types import SimpleNamespace

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.payments import kit
from tests.site import web_app

from msingi.kernel import clock, web
from msingi.kernel.context import Actor, Kind
from msingi.kernel.errors import Malformed, NotPermitted, Outage
from msingi.payments import files, working
from msingi.payments.connect import g2p, messages, peers, routes
from msingi.payments.connect.errors import NotThePeer

CLERK = kit.as_staff("payment-clerk", id="clerk", purpose="social-protection")
BOSS = kit.as_staff("payment-approver", id="boss", purpose="social-protection")
SENDER = "spp.example.org"
OWN = Ed25519PrivateKey.generate()
KEY = base64.b64encode(OWN.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack, 10**9)


@pytest.fixture(scope="module")
async def people(stack):
    return [await kit.enrolled(stack) for _ in range(3)]


@pytest.fixture
async def heard(stack):
    """Somebody who listens for callbacks: what came, and the status that is answered; the stack knows them."""
    listener = SimpleNamespace(came=[], status=200)

    async def serve(reader, writer):
        while head := await reader.readline():
            length = 0
            while (line := await reader.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = await reader.readexactly(length)
            listener.came.append((head.split()[1].decode(), json.loads(body)))
            writer.write(f"HTTP/1.1 {listener.status} OK\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/callback"
    stack.local["payments.connect.peers"] = peers.configured(
        f"{SENDER} hazina {url}, signing.example.org hazina {url} {KEY}, other.example.org zahanati {url}"
    )
    yield listener
    del stack.local["payments.connect.peers"]
    server.close()


@pytest.fixture
async def doors(stack):
    who = {"clerk": Actor(Kind.CLIENT, "ministry-software", "hazina", frozenset({"payment-clerk"}), 2)}

    async def by_header(_, request):
        return who.get(request.headers.get("X-Test-Actor", ""))

    running = web_app(stack)
    web.register([by_header], routes.dialects)
    base = f"http://127.0.0.1:8080{routes.routes_g2p.PREFIX}"
    transport = httpx.ASGITransport(app=running)
    async with httpx.AsyncClient(transport=transport, base_url=base, headers={"X-Test-Actor": "clerk"}) as client:
        yield client


def said(action, message, sender=SENDER, **header):
    head = {"message_id": "m-1", "message_ts": "2026-11-22T08:00:00Z", "action": action, "sender_id": sender}
    return {"header": head | {"total_count": 1} | header, "message": message}


def mapping(action, *wanted):
    made = [{"reference_id": f"r{n}", "timestamp": "2026-11-22T08:00:00Z"} | one for n, one in enumerate(wanted)]
    return {"transaction_id": "t-1", f"{action}_request": made}


def disbursing(transaction, *wanted, member="disbursements"):
    made = [
        {"reference_id": f"d{n}", "payer_fa": "account:ministry@msingi", "payee_fa": payee, "amount": amount}
        for n, (payee, amount) in enumerate(wanted)
    ]
    return {"transaction_id": transaction, member: made}


def signed(body, created=None, sender="signing.example.org"):
    """A message as its sender signs it."""
    created = created or int(time.time())
    header, message = json.dumps(body["header"]).encode(), json.dumps(body["message"]).encode()
    text = g2p.signed_text(header, message, created, created + 300)
    signature = g2p.signature_text(sender, "k1", created, created + 300, OWN.sign(text))
    return b'{"signature":' + json.dumps(signature).encode() + b',"header":' + header + b',"message":' + message + b"}"


async def test_the_mapper_answers_each_request_at_once(doors, people):
    fa = f"mobile:{people[0].phone}@anybody"
    wanted = mapping("link", {"id": "token:G-1@nid", "fa": fa}, {"id": "no id", "fa": fa}, {"id": "G-2@nid", "fa": ""})
    told = (await doors.post("/mapper/sync/link", json=said("link", wanted))).json()
    assert told["header"]["status"] == "succ" and told["header"]["receiver_id"] == SENDER
    states = [(one["status"], one.get("status_reason_code")) for one in told["message"]["link_response"]]
    assert states == [("succ", None), ("rjct", "rjct.id.invalid"), ("rjct", "rjct.fa.invalid")]
    wanted = mapping("resolve", {"id": "token:g-1@nid", "scope": "details"}, {"id": "G-1@nid"}, {"id": "G-9@nid"})
    found = (await doors.post("/mapper/sync/resolve", json=said("resolve", wanted))).json()["message"]
    codes = [one["status_reason_code"] for one in found["resolve_response"]]
    assert codes == ["succ.id.active", "succ.id.active", "succ.id.not_found"]
    assert (
        found["resolve_response"][0]["fa"] == f"{people[0].phone}@msingi" and "fa" not in found["resolve_response"][1]
    )
    wanted = mapping("update", {"id": "token:G-1@nid", "fa": f"id:{people[1].number}@nid"})
    assert (await doors.post("/mapper/sync/update", json=said("update", wanted))).status_code == 200
    gone = mapping("unlink", {"id": "token:G-1@nid"}, {"id": "token:G-1@nid"}, {"id": "G-9@nid"})
    told = (await doors.post("/mapper/sync/unlink", json=said("unlink", gone))).json()["message"]["unlink_response"]
    assert [one["status"] for one in told] == ["succ", "succ", "rjct"]


async def test_disbursements_wait_for_an_official_and_the_sender_is_told_how_they_ended(
    doors, heard, stack, source, people
):
    wanted = disbursing("TXN-1", (f"id:{people[0].number}@nid", "70.00"), ("token:nobody@nid", "5"))
    ack = await doors.post("/disburse", json=said("disburse", wanted))
    assert ack.status_code == 202 and ack.json()["message"]["ack_status"] == "ACK"
    again = await doors.post("/disburse", json=said("disburse", wanted))
    assert again.status_code == 202
    asked = {"reference_id": "s1", "txn_type": "disburse", "attribute_type": "transaction_id"}
    question = {"transaction_id": "q-1", "txnstatus_request": asked | {"attribute_value": "TXN-1"}}
    told = (await doors.post("/disburse/sync/txn/status", json=said("status", question))).json()["message"]
    states = told["txnstatus_response"]["txn_status"]["disbursements_status"]
    assert [one["status"] for one in states] == ["rcvd", "rcvd"]
    found = await messages.acts.batch(stack, BOSS, "TXN-1")
    await files.approve_payment_file(stack, BOSS, found.file_id)
    await working.run_file(stack, found.file_id)
    await stack.outbox.drain(stack)
    await messages.on_finished(stack, await _finished(stack, found.file_id))
    await _sent(stack)
    path, body = heard.came[-1]
    assert path == "/callback/on-disburse" and body["message"]["transaction_id"] == "TXN-1"
    ended = {one["reference_id"]: one for one in body["message"]["disbursements_status"]}
    assert ended["d0"]["status"] == "succ" and ended["d1"]["status_reason_code"] == "rjct.payee_fa.invalid"
    jwk = stack.keys.public("exchange")[0]
    public = base64.urlsafe_b64decode(jwk["x"] + "==")
    envelope = g2p.Envelope(_raw(body["header"]), _raw(body["message"]), body["signature"])
    assert g2p.is_signed(envelope, "msingi", public, int(time.time()))
    Ed25519PublicKey.from_public_bytes(public)
    one = {"transaction_id": "TXN-1", "txnstatus_request": asked | {"attribute_type": "reference_id_list"}}
    one["txnstatus_request"]["attribute_value"] = ["d1"]
    told = (await doors.post("/disburse/sync/txn/status", json=said("status", one))).json()["message"]
    assert [s["status"] for s in told["txnstatus_response"]["txn_status"]["disbursements_status"]] == ["rjct"]


def _raw(value):
    import msgspec

    return msgspec.Raw(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


async def _finished(stack, file_id):
    import msgspec

    file = await files.payment_file(stack, BOSS, file_id)
    told = (file.file_id, file.institution, file.paid, file.rejected, file.paid_minor, file.currency)
    return msgspec.json.encode(messages.FileFinished(*told))


async def _sent(stack):
    """Send the answers that wait, as the outbox does where the rooms' doers are at work."""
    async with stack.db.plumbing() as conn:
        rows = await conn.fetch("SELECT payload FROM kernel.outbox WHERE kind = $1 ORDER BY id", messages.ANSWER)
    for row in rows:
        await messages.on_answer(stack, bytes(row["payload"]))


async def test_an_answer_by_callback_is_sent_again_until_it_is_taken(doors, heard, stack, people):
    wanted = mapping("link", {"id": "token:CB-1@nid", "fa": f"id:{people[2].number}@nid"})
    assert (await doors.post("/mapper/link", json=said("link", wanted))).status_code == 202
    async with stack.db.plumbing() as conn:
        payload = await conn.fetchval(
            "SELECT payload FROM kernel.outbox WHERE kind = $1 ORDER BY id DESC", messages.ANSWER
        )
    assert payload is not None and people[2].number.encode() not in bytes(payload)
    heard.status = 503
    with pytest.raises(Outage):
        await messages.on_answer(stack, bytes(payload))
    heard.status = 202
    (url,) = {peer.url for peer in peers.known(stack).values() if peer.url} & set(stack.local["payments.connect.ways"])
    silent = stack.local["payments.connect.silent"]
    silent[url] = float("inf")  # it did not answer a moment ago, so it is not waited for again
    with pytest.raises(Outage):
        await messages.on_answer(stack, bytes(payload))
    assert len(heard.came) == 1
    silent.clear()
    await messages.on_answer(stack, bytes(payload))
    assert [path for path, _ in heard.came] == ["/callback/on-link"] * 2
    assert heard.came[0] == heard.came[1]
    stack.local["payments.connect.peers"] = {}  # the operator takes the peer out: nothing is sent any more
    await messages.on_answer(stack, bytes(payload))
    assert len(heard.came) == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (
            "/mapper/link",
            said("link", mapping("link", {"id": "a@b", "fa": "c@d"}), sender="evil.example"),
            401,
            "err.s",
        ),
        (
            "/mapper/link",
            said("link", mapping("link", {"id": "a@b", "fa": "c@d"}), sender="other.example.org"),
            401,
            "err.s",
        ),
        (
            "/mapper/sync/link",
            said("link", mapping("link", {"id": "a@b", "fa": "c@d"}), "signing.example.org"),
            401,
            "err.s",
        ),
        ("/mapper/sync/link", said("link", mapping("link")), 400, "err.request.bad"),
        ("/mapper/sync/link", {"header": {}, "message": {}}, 400, "err.request.bad"),
        ("/mapper/sync/resolve", said("resolve", {}, is_msg_encrypted=True), 400, "err.request.bad"),
        ("/disburse", said("disburse", {"transaction_id": "T"}), 400, "err.request.bad"),
        ("/disburse", said("disburse", disbursing("T", ("a@b", "-5"))), 400, "err.request.bad"),
        ("/disburse", said("disburse", disbursing("T", ("a@b", "5.5"))), 400, "err.request.bad"),
        ("/disburse/sync/txn/status", said("status", {}), 400, "err.request.bad"),
    ],
    ids=[
        *("stranger", "other-institution", "unsigned", "nothing", "no-header", "encrypted", "no-payments", "negative"),
        *("decimals", "no-question"),
    ],
)
async def test_what_cannot_be_is_refused_as_an_error_of_the_envelope(doors, heard, source, path, body, status, code):
    told = await doors.post(path, json=body)
    assert told.status_code == status and told.json()["message"]["ack_status"] == "ERR"
    assert told.json()["message"]["error"]["code"].startswith(code)
    assert heard.came == []


async def test_a_signature_counts_for_its_own_message_its_own_sender_and_its_time(doors, heard, people):
    body = said("resolve", mapping("resolve", {"id": "G-9@nid"}), sender="signing.example.org")
    good = signed(body)
    assert (await doors.post("/mapper/sync/resolve", content=good)).status_code == 200
    assert (await doors.post("/mapper/sync/resolve", content=good.replace(b"G-9", b"G-8"))).status_code == 401
    assert (await doors.post("/mapper/sync/resolve", content=signed(body, int(time.time()) - 900))).status_code == 401
    assert (await doors.post("/mapper/sync/resolve", content=signed(body, sender=SENDER))).status_code == 401


async def test_nobody_is_heard_without_signing_in(doors):
    told = await doors.post("/mapper/sync/resolve", json=said("resolve", {}), headers={"X-Test-Actor": ""})
    assert told.status_code == 401 and told.json()["message"]["error"]["code"] == "err.request.unauthorized"


async def test_access_disburse(stack, source, people):
    import msgspec

    raw = msgspec.Raw(json.dumps(disbursing("ACC-1", (people[0].number, "5"), member="disburemsents")).encode())
    header = g2p.Header("m", "t", "disburse", SENDER, 1)
    told = await messages.disburse(stack, CLERK, header, raw)  # the misspelling of the published schema
    assert [one["status"] for one in told["disbursements_status"]] == ["rcvd"]
    with pytest.raises(NotPermitted):
        await messages.disburse(stack, BOSS, header, raw)


async def test_access_status(stack, source, people):
    import msgspec

    header = g2p.Header("m", "t", "disburse", SENDER, 1)
    raw = msgspec.Raw(json.dumps(disbursing("ACC-2", (people[0].number, "5"))).encode())
    await messages.disburse(stack, CLERK, header, raw)
    asked = {
        "reference_id": "s",
        "txn_type": "disburse",
        "attribute_type": "transaction_id",
        "attribute_value": "ACC-2",
    }
    question = msgspec.Raw(json.dumps({"transaction_id": "q", "txnstatus_request": asked}).encode())
    assert (await messages.status(stack, BOSS, question))["transaction_id"] == "q"
    with pytest.raises(NotPermitted):
        await messages.status(stack, kit.as_person(people[0].id), question)


async def test_access_carry_out(stack, people):
    import msgspec

    header = g2p.Header("m", "t", "resolve", SENDER, 1)
    raw = msgspec.Raw(json.dumps(mapping("resolve", {"id": "G-9@nid"})).encode())
    assert (await messages.carry_out(stack, CLERK, "resolve", header, raw))["resolve_response"]
    with pytest.raises(NotPermitted):
        await messages.carry_out(stack, BOSS, "resolve", header, raw)


async def test_access_promise(stack, heard):
    peer = peers.known(stack)[SENDER]
    await messages.promise(stack, CLERK, "link", peer, {"transaction_id": "P-1", "link_response": []})
    with pytest.raises(NotThePeer):  # what is promised goes to a sender that the operator has set up, or nowhere
        envelope = g2p.Envelope(_raw({}), _raw({}))
        peers.sender_of(stack, CLERK, envelope, g2p.Header("m", "t", "link", "evil.example", 1), True)


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_address_is_read_or_refused(text):
    try:
        found = g2p.plain(text)
    except Malformed:
        return
    assert 1 <= len(found) <= 80 and "@" not in found and not any(letter.isspace() for letter in found)


def test_peers_are_set_up_well_or_not_at_all():
    found = peers.configured(f" a hazina https://a.example/x/ , b rita http://127.0.0.1:1 {KEY}")
    assert found["a"].url == "https://a.example/x" and len(found["b"].key) == 32
    for bad in (
        "a hazina",
        "a hazina ftp://x",
        "a h https://x, a h https://y",
        "a h https://x AAAA",
        "a h https://x ???",
    ):
        with pytest.raises(ValueError):
            peers.configured(bad)
    assert clock.now()
