"""Proof files: what they prove, to whom, and that every change of every byte is refused."""

import random

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from msingi.kernel import log, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Erased
from msingi.kernel.ids import uuid7
from msingi.kernel.log import errors, merkle, note, proof, sequencer, store
from msingi.kernel.log.audit import check_log
from msingi.kernel.log.note import Vkey
from msingi.kernel.log.proof import proof_of, verify


@pytest.fixture(scope="module")
async def made(stack, person, act, unsealed):
    """A proof of one of three records of a transaction, in a log with some other entries."""
    people = [await person() for _ in range(3)]
    for p in people:
        await act(p, what="before")
    records = await act(*people, what="read the summary")
    await act(None, what="after")
    await sequencer.catch_up(stack)
    plain = await unsealed(people[1], records[1])
    return await proof_of(stack, people[1], records[1], plain)


@pytest.fixture(scope="module")
def vkeys(stack) -> list[Vkey]:
    return sequencer.log_vkeys(stack.keys, stack.settings.origin)


async def test_a_proof_shows_the_record_and_its_place(stack, made, vkeys):
    assert made.startswith("c2sp.org/tlog-proof@v1\nextra ")
    seen = verify(made, [str(v) for v in vkeys])
    assert seen.record["act"] == "demo.sweep" and seen.record["detail"] == {"what": "read the summary"}
    assert seen.record["purpose"] == "operations" and seen.record["basis"] == "public-task"
    assert seen.origin == stack.settings.origin and seen.index < seen.size
    assert seen.log_key == str(vkeys[0]) and seen.cosigned == ()
    assert verify(made.encode(), vkeys) == seen


async def test_law_5_a_proof_outlives_the_key_of_the_person(stack, person, act, unsealed, vkeys):
    someone = await person()
    [record_id] = await act(someone, what="alone in its transaction")
    await sequencer.catch_up(stack)
    text = await proof_of(stack, someone, record_id, await unsealed(someone, record_id))
    permit = policy.decide(job_context("sweeper"), "demo.sweep", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        await stack.seal.erase(tx, someone)
        log.append(tx, permit)
    with pytest.raises(Erased):
        await unsealed(someone, record_id)
    await sequencer.catch_up(stack)
    assert verify(text, vkeys).record["detail"] == {"what": "alone in its transaction"}
    found = await check_log(stack)
    assert found.ok and found.erased == 3 and found.opened == found.records - 3


async def test_every_change_of_every_byte_is_refused(made, vkeys):
    raw = made.encode()
    changes = random.Random(6962)
    for at, byte in enumerate(raw):
        others = {byte ^ 1, byte ^ 0x20, byte ^ 0x80, changes.randrange(256), 0x0A, 0x20, 0x3D} - {byte}
        for other in sorted(others):
            with pytest.raises(errors.ProofRefused):
                verify(raw[:at] + bytes([other]) + raw[at + 1 :], vkeys)
        for bad in (raw[:at] + raw[at + 1 :], raw[:at], raw[:at] + bytes([changes.randrange(256)]) + raw[at:]):
            if bad != raw:
                with pytest.raises(errors.ProofRefused):
                    verify(bad, vkeys)
    for tail in (b"\n", b" ", b"\0", raw):
        with pytest.raises(errors.ProofRefused):
            verify(raw + tail, vkeys)


async def test_a_line_of_an_unknown_witness_is_ignored_but_covered(stack, made, vkeys):
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    witness = Vkey("witness.example/w1", note.COSIGNATURE, public)
    head, signed = made.split("\n\n", 1)
    body = note.parse_note(signed)
    line = note.cosign(body.text, witness.name, key, public, 1_800_000_000)
    lines = head.split("\n")
    plain = msgspec.json.decode(note.unb64(lines[1].removeprefix("extra "), "extra"))
    inner = plain["inner"]
    way = proof.Way(
        int(lines[2].removeprefix("index ")),
        tuple(note.unb64(p, "hash") for p in lines[3:]),
        str(note.Note(body.text, (*body.signatures, line))),
    )
    text = proof.compose(
        proof.canonical(plain["record"]),
        note.unb64(plain["salt"], "salt"),
        (inner["index"], inner["size"], [note.unb64(p, "hash") for p in inner["path"]]),
        way,
    )
    assert verify(text, vkeys).cosigned == ()
    assert verify(text, [*vkeys, witness]).cosigned == (("witness.example/w1", 1_800_000_000),)
    raw = text.encode()
    for at in range(raw.rindex(b"witness"), len(raw)):
        with pytest.raises(errors.ProofRefused):
            verify(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :], vkeys)
    stranger = Vkey(witness.name, note.COSIGNATURE, vkeys[0].public)
    assert verify(text, [*vkeys, stranger]).cosigned == ()  # the same name with another key is somebody else


def resummed(text: str, change) -> str:
    """The proof with its members changed by a forger who also knows how the sum is made."""
    lines = text.split("\n")
    members = msgspec.json.decode(note.unb64(lines[1].removeprefix("extra "), "extra"))
    rest = "\n".join(lines[2:])
    members, rest = change(members, rest)
    members["sum"] = note.b64(proof._sum(members, rest))
    return f"{lines[0]}\n{proof._extra_line(members)}\n{rest}"


def test_a_forger_who_mends_the_sum_fails_at_the_step_that_matters(made, vkeys):
    def record(m, rest):
        m["record"]["detail"]["what"] = "nothing"
        return m, rest

    def inner(m, rest):
        m["inner"]["index"] += 5
        return m, rest

    def index(m, rest):
        return m, rest.replace("index ", "index 1", 1)

    def root(m, rest):
        before, gap, signed = rest.partition("\n\n")
        lines = signed.split("\n")
        lines[2] = note.b64(b"r" * 32)
        return m, before + gap + "\n".join(lines)

    def witness_gone_wrong(m, rest):
        vkey = Vkey("w.example", note.COSIGNATURE, vkeys[0].public)
        return m, f"{rest}{note.Signature(vkey.name, vkey.key_id, b'x' * 72)}"

    def unknown_member(m, rest):
        return m | {"more": 1}, rest

    def short_salt(m, rest):
        return m | {"salt": "AAAA"}, rest

    extra_witness = Vkey("w.example", note.COSIGNATURE, vkeys[0].public)
    for change, step in [
        (record, 7), (inner, 4), (index, 7), (root, 5), (witness_gone_wrong, 6), (unknown_member, 2), (short_salt, 2),
    ]:  # fmt: skip
        with pytest.raises(errors.ProofRefused) as raised:
            verify(resummed(made, change), [*vkeys, extra_witness])
        assert raised.value.facts["step"] == step, (change.__name__, raised.value.detail)


def test_a_reader_chooses_whom_to_trust(made, vkeys):
    key = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for wrong in ([], [Vkey(vkeys[0].name, note.ED25519, key)], [Vkey("other", note.ED25519, vkeys[0].public)]):
        with pytest.raises(errors.ProofRefused, match="Step 5"):
            verify(made, wrong)
    with pytest.raises(note.NoteBroken):
        verify(made, ["not a key"])
    for nonsense in ("", "x", "\ud800" + made, made.replace("\n", "\r\n"), b"\xff", "\ufeff" + made):
        with pytest.raises(errors.ProofRefused):
            verify(nonsense, vkeys)


async def test_what_does_not_exist_or_does_not_stand_in_the_tree_has_no_proof(stack, person, act, monkeypatch):
    someone, other = await person(), await person()
    [record_id] = await act(someone)
    monkeypatch.setattr(proof, "WAIT_S", 0.1)
    with pytest.raises(errors.NoSuchRecord):
        await proof_of(stack, someone, uuid7(), b"s" * 32 + b"{}")
    with pytest.raises(errors.NoSuchRecord):
        await proof_of(stack, other, record_id, b"s" * 32 + b"{}")
    with pytest.raises(errors.NotYetInLog):
        await proof_of(stack, someone, record_id, b"s" * 32 + b"{}")
    await sequencer.catch_up(stack)
    with pytest.raises(errors.LogDisagrees):
        await proof_of(stack, someone, record_id, b"s" * 32 + b"{}")


async def test_a_record_beside_others_must_be_one_of_them(stack, person, act):
    one, two = await person(), await person()
    records = await act(one, two)
    await sequencer.catch_up(stack)
    with pytest.raises(errors.LogDisagrees):
        await proof_of(stack, one, records[0], b"s" * 32 + b"{}")


async def test_a_batch_leads_from_its_own_root_to_the_head(stack, person, act, vkeys, monkeypatch):
    monkeypatch.setattr(proof, "WAIT_S", 0.1)
    leaves = [merkle.leaf_hash(bytes([i])) for i in range(5)]
    root = merkle.tree_root(leaves)
    with pytest.raises(errors.NoSuchRecord):
        await proof.way_of_root(stack, root)
    await act(await person(), roots=(b"1" * 32, root))
    with pytest.raises(errors.NotYetInLog):
        await proof.way_of_root(stack, root)
    await sequencer.catch_up(stack)
    way = await proof.way_of_root(stack, root)
    point, _ = note.check(way.note, vkeys)
    entry = merkle.root_from_path(leaves[3], 3, 5, merkle.path_among(3, leaves))
    merkle.verify_inclusion(merkle.leaf_hash(entry), way.index, point.size, way.path, point.root)


async def test_the_path_is_that_of_the_rfc(stack, owner):
    async with stack.db.plumbing() as conn:
        head = await store.newest(conn)
        assert head is not None
        entries = [await store.entry(conn, i) for i in range(head.size)]
        leaves = [merkle.leaf_hash(e) for e in entries]
        for index in range(head.size):
            path = await store.path(conn, merkle.inclusion_spans(index, head.size))
            assert path == merkle.path_among(index, leaves)
        with pytest.raises(IndexError):
            await store.entry(conn, head.size)
