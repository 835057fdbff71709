"""The witness protocol from both sides, with the answers that C2SP tlog-witness prescribes."""

import asyncio
import contextlib
import os
from hashlib import sha256

import asyncpg
import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.conftest import fresh_database
from tests.site import web_app

from msingi.kernel.ids import uuid7
from msingi.kernel.log import merkle, note, sequencer, store, witness
from msingi.kernel.log.note import Checkpoint, Note, Vkey
from msingi.kernel.postgres import as_app
from msingi.kernel.stack import Stack

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
ORIGIN = "other.example/log"
LEAVES = [merkle.leaf_hash(bytes([i])) for i in range(64)]
DOOR = "/log/witness/add-checkpoint"


def signed(size: int, root: bytes | None = None, origin: str = ORIGIN, key: Ed25519PrivateKey = KEY) -> Note:
    text = str(Checkpoint(origin, size, root or merkle.tree_root(LEAVES[:size])))
    return Note(text, (note.sign(text, origin, key, PUBLIC),))


def body(old: int, size: int, head: Note | None = None, path: list[bytes] | None = None) -> bytes:
    if path is None:
        path = [merkle.tree_root(LEAVES[a:b]) for a, b in merkle.consistency_spans(old, size)]
    return str(witness.Submission(old, tuple(path), head or signed(size))).encode()


@pytest.fixture(scope="module")
async def witnessing(server, template, stack, tmp_path_factory):
    """A second stack, on a database of its own, that follows a foreign log and the first stack's log."""
    url = await fresh_database(server, template)
    await sequencer.catch_up(stack)
    ours = sequencer.log_vkeys(stack.keys, stack.settings.origin)[0]
    settings = msgspec.structs.replace(
        stack.settings,
        home=tmp_path_factory.mktemp("witness"),
        base_url="https://witness.example",
        witnessed_logs=f"{Vkey(ORIGIN, note.ED25519, PUBLIC)}, {ours}",
    )
    made = await Stack.open(settings, as_app(url), stack.profile)
    yield made
    await made.close()


@pytest.fixture
async def door(witnessing):
    transport = httpx.ASGITransport(app=web_app(witnessing))
    async with httpx.AsyncClient(transport=transport, base_url="https://witness.example") as client:
        yield client


async def test_a_log_grows_before_the_eyes_of_a_witness(door, witnessing):
    vkeys = [note.parse_vkey(line) for line in (await door.get("/log/witness/vkey")).text.splitlines()]
    assert vkeys == witness.own_vkeys(witnessing.keys, "witness.example/log/witness")
    assert [vkey.kind for vkey in vkeys] == [note.COSIGNATURE, note.ML_DSA]
    monitor = f"/log/witness/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert (await door.get(monitor)).status_code == 404
    old = 0
    for size in (0, 3, 3, 8, 21):
        answer = await door.post(DOOR, content=body(old, size))
        assert answer.status_code == 200, answer.text
        verified = note.verify(Note(signed(size).text, note.parse_signatures(answer.text)), vkeys)
        assert len(verified) == 2 and all(v.at_s and v.at_s > 1_700_000_000 for v in verified)
        old = size
    shown = await door.get(monitor)
    point, signatures = note.check(shown.content, [*vkeys, Vkey(ORIGIN, note.ED25519, PUBLIC)])
    assert point.size == 21 and len(signatures) == 3


def wrong_submissions() -> dict[str, tuple[bytes, int]]:
    """Submissions to a witness that has cosigned 21 leaves, with the answers that the standard prescribes."""
    fork = [merkle.leaf_hash(b"fork" + bytes([i])) for i in range(30)]
    path = [merkle.tree_root(LEAVES[a:b]) for a, b in merkle.consistency_spans(21, 30)]
    other_key = Ed25519PrivateKey.generate()
    return {
        "unknown origin": (body(21, 30, signed(30, origin="unknown.example")), 404),
        "not signed by a known key": (body(21, 30, Note(signed(30).text, signed(30, origin="x").signatures)), 403),
        "signed wrongly": (body(21, 30, signed(30, key=other_key)), 403),
        "old above new": (body(21, 21).replace(b"old 21", b"old 22"), 400),
        "stale": (body(8, 30), 409),
        "from nothing": (body(0, 30), 409),
        "a forked tree": (body(21, 30, signed(30, merkle.tree_root(fork))), 422),
        "a proof too short": (body(21, 30, path=path[:-1]), 422),
        "a proof too long": (body(21, 30, path=[*path, path[0]]), 422),
        "the same size with another root": (body(21, 21, signed(21, b"r" * 32)), 422),
        "the same size with a proof": (body(21, 21, path=path[:1]), 422),
        "no body": (b"", 400),
        "no old line": (body(21, 30).replace(b"old 21\n", b""), 400),
        "a leading zero": (body(21, 30).replace(b"old 21", b"old 021"), 400),
        "64 hashes": (body(21, 30, path=[b"h" * 32] * 64), 400),
        "short hashes": (body(21, 30, path=[b"h" * 31]), 400),
        "no checkpoint": (body(21, 30).partition(b"\n\n")[0] + b"\n\n", 400),
        "not a checkpoint": (body(21, 30, Note("hello\n", signed(30).signatures)), 400),
        "not text": (b"\xff\xfe" + body(21, 30), 400),
    }


async def test_each_wrong_submission_gets_its_own_answer(door):
    await door.post(DOOR, content=body(21, 21))
    for name, (sent, status) in wrong_submissions().items():
        answer = await door.post(DOOR, content=sent)
        assert answer.status_code == status, (name, answer.text)
        if status == 409:
            assert answer.text == "21\n" and answer.headers["content-type"] == "text/x.tlog.size"
    assert (await door.post(DOOR, content=body(21, 30))).status_code == 200


async def test_an_empty_tree_has_one_root(door, witnessing):
    origin = "empty.example/log"
    allowed = f"{Vkey(origin, note.ED25519, PUBLIC)}"
    kept = witnessing.settings
    witnessing.settings = msgspec.structs.replace(kept, witnessed_logs=allowed)
    text = str(Checkpoint(origin, 0, b"r" * 32))
    wrong = Note(text, (note.sign(text, origin, KEY, PUBLIC),))
    assert (await door.post(DOOR, content=body(0, 0, wrong, []))).status_code == 422
    head = signed(4, origin=origin)
    assert (await door.post(DOOR, content=body(0, 4, head, [b"h" * 32]))).status_code == 422
    assert (await door.post(DOOR, content=body(0, 4, head, []))).status_code == 200
    witnessing.settings = kept


async def test_of_many_at_once_only_one_continues_a_size(door):
    answers = await asyncio.gather(*(door.post(DOOR, content=body(30, size)) for size in range(31, 41)))
    statuses = sorted(a.status_code for a in answers)
    assert statuses == [200] + [409] * 9
    [winner] = [size for size, a in zip(range(31, 41), answers, strict=True) if a.status_code == 200]
    assert (await door.post(DOOR, content=body(0, 41))).text == f"{winner}\n"


async def grow(stack, owner: asyncpg.Connection, count: int) -> store.Head:
    await owner.execute("INSERT INTO log.pending (id, entries) VALUES ($1, $2)", uuid7(), os.urandom(32 * count))
    await sequencer.catch_up(stack)
    async with stack.db.plumbing() as conn:
        head = await store.newest(conn)
    assert head is not None
    return head


async def test_our_own_heads_are_cosigned_and_served_so(stack, owner, client, door, witnessing):
    vkeys = witness.own_vkeys(witnessing.keys, witness.own_name(witnessing))
    asked = witness.Witness(tuple(vkeys), "https://witness.example/log/witness")
    for count in (5, 300):
        head = await grow(stack, owner, count)
        assert await witness.ask(stack, door, asked, head)
        point, signatures = note.check(
            (await client.get("/log/checkpoint")).content,
            [*sequencer.log_vkeys(stack.keys, stack.settings.origin), *vkeys],
        )
        assert point.size == head.size and len(signatures) == 3
    assert await witness.ask(stack, door, asked, head)  # asking again for the same head changes nothing
    # For ten seconds the cosigned head is shown rather than a newer one that nobody has cosigned yet.
    await grow(stack, owner, 1)
    shown = note.parse_checkpoint(note.parse_note((await client.get("/log/checkpoint")).text).text)
    assert shown.size == head.size
    # Our memory of what the witness has seen is lost: its 409 tells us, and we continue from there.
    await owner.execute("DELETE FROM log.cosignature")
    newest = await grow(stack, owner, 2)
    assert await witness.ask(stack, door, asked, newest)
    assert await witness.ask(stack, door, asked, head)  # the newer one is cosigned already
    # The witness has seen more than we have: our database was rolled back, and nothing is signed.
    await owner.execute("DELETE FROM log.cosignature")
    assert not await witness.ask(stack, door, asked, head)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(403),
        httpx.Response(200, text="— other.example YWJjZGVmZ2g=\n"),
        httpx.Response(200, text=""),
        httpx.Response(200, content=b"\xff"),
        httpx.Response(409, text="many\n"),
        httpx.Response(302, headers={"location": "http://elsewhere.example/"}),
    ],
)
async def test_a_strange_answer_is_not_kept(stack, owner, answer):
    head = await grow(stack, owner, 1)
    asked = witness.Witness((Vkey("w.example", note.COSIGNATURE, PUBLIC),), "http://w.example")
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as client:
        with contextlib.suppress(note.NoteBroken):
            assert not await witness.ask(stack, client, asked, head)
    assert not await owner.fetchval("SELECT count(*) FROM log.cosignature WHERE witness = 'w.example'")


async def test_an_unreachable_witness_stops_nothing(stack, owner, monkeypatch):
    monkeypatch.setattr(witness, "PAUSE_S", 0.01)
    vkey = Vkey("nowhere.example", note.COSIGNATURE, PUBLIC)
    kept = stack.settings
    stack.settings = msgspec.structs.replace(kept, witnesses=f"{vkey} http://127.0.0.1:9/")
    loops = [asyncio.create_task(witness.run(stack)), asyncio.create_task(sequencer.run(stack))]
    await owner.execute("INSERT INTO log.pending (id, entries) VALUES ($1, $2)", uuid7(), os.urandom(32))
    for _ in range(100):
        await asyncio.sleep(0.03)
        if not await owner.fetchval("SELECT count(*) FROM log.pending"):
            break
    assert not await owner.fetchval("SELECT count(*) FROM log.pending")
    assert not any(loop.done() for loop in loops)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    stack.settings = kept


WRONG_SETTINGS = {
    "no key": "x",
    "no verifier key": "a+b+c http://w",
    "no address": f"{Vkey('w', note.COSIGNATURE, PUBLIC)}",
    "two names": f"{Vkey('w', note.COSIGNATURE, PUBLIC)} {Vkey('v', note.COSIGNATURE, PUBLIC)} http://w",
    "one twice": ", ".join([f"{Vkey('w', note.COSIGNATURE, PUBLIC)} http://w"] * 2),
    "a log's key": f"{Vkey('w', note.ED25519, PUBLIC)} http://w",
}


@pytest.mark.parametrize("setting", WRONG_SETTINGS.values(), ids=WRONG_SETTINGS)
def test_a_wrong_setting_fails_at_start(setting):
    with pytest.raises(ValueError, match=r"witness|key"):
        witness.configured(setting)


def test_a_followed_log_signs_as_a_log():
    assert witness.followed_logs("") == [] and witness.configured(" ") == []
    with pytest.raises(ValueError, match="0x01"):
        witness.followed_logs(str(Vkey("w", note.COSIGNATURE, PUBLIC)))
