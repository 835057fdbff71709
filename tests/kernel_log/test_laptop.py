"""A witness of its own on somebody's laptop: its answers, its memory, and a log that needs it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner
from tests.kernel_log.test_witness import ORIGIN, PUBLIC, body, grow, signed, wrong_submissions

from msingi.cli.witness import witness as command
from msingi.kernel.log import errors, laptop, note, proof, sequencer, store, witness
from msingi.kernel.log.note import Note, Vkey


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> laptop.Laptop:
    """A witness that follows the foreign log of the witness tests."""
    made = laptop.Laptop.make(tmp_path_factory.mktemp("laptop") / "w", "press.example/w1")
    made.follow(Vkey(ORIGIN, note.ED25519, PUBLIC))
    return made


@pytest.fixture(scope="module")
def url(mine: laptop.Laptop) -> Iterator[str]:
    """Its address."""
    running = laptop.server(mine, "127.0.0.1", 0)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def test_a_log_grows_before_its_eyes_and_it_signs_with_both_keys(mine: laptop.Laptop, url: str) -> None:
    vkeys = [note.parse_vkey(line) for line in httpx.get(f"{url}/vkey").text.splitlines()]
    assert [v.kind for v in vkeys] == [note.COSIGNATURE, note.ML_DSA] and vkeys == mine.notary.vkeys()
    monitor = f"{url}/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert httpx.get(monitor).status_code == 404
    for old, size in ((0, 0), (0, 3), (3, 8), (8, 21), (21, 21)):
        answer = httpx.post(f"{url}/add-checkpoint", content=body(old, size))
        assert answer.status_code == 200, answer.text
        lines = note.parse_signatures(answer.text)
        assert len(note.verify(Note(signed(size).text, lines), vkeys)) == 2
        # A signature over another tree, or under another name, is none.
        with pytest.raises(note.WrongSignature):
            note.verify(Note(signed(size + 1).text, lines), vkeys[1:])
        stolen = msgspec.structs.replace(vkeys[1], name="thief.example")
        with pytest.raises(note.WrongSignature):
            renamed = note.Signature(stolen.name, stolen.key_id, lines[1].blob)
            note.verify(Note(signed(size).text, (renamed,)), [stolen])
    _, signatures = note.check(httpx.get(monitor).content, [*vkeys, Vkey(ORIGIN, note.ED25519, PUBLIC)])
    assert len(signatures) == 3 and mine.seen()[0].size == 21


def test_each_wrong_submission_gets_the_answer_of_the_standard(mine: laptop.Laptop, url: str) -> None:
    """Forks, rollbacks, foreign keys, broken proofs: the same table as for a whole stack that witnesses."""
    for name, (sent, status) in wrong_submissions().items():
        answer = httpx.post(f"{url}/add-checkpoint", content=sent)
        assert answer.status_code == status, (name, answer.text)
        if status == 409:
            assert answer.text == "21\n" and answer.headers["content-type"] == "text/x.tlog.size"
    assert mine.seen()[0].size == 21
    assert httpx.post(f"{url}/add-checkpoint", content=b"x" * 600_000).status_code == 404
    assert httpx.post(f"{url}/elsewhere", content=b"x").status_code == 404
    assert httpx.get(f"{url}/elsewhere").status_code == 404


def test_of_many_at_once_only_one_continues_a_size(mine: laptop.Laptop, url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        sent = [body(21, size) for size in range(22, 32)]
        answers = list(pool.map(lambda s: httpx.post(f"{url}/add-checkpoint", content=s).status_code, sent))
    assert sorted(answers) == [200] + [409] * 9


def test_what_it_signed_is_on_disk_before_it_is_told(tmp_path: Path) -> None:
    """A witness that is killed and started again refuses the fork of what it has signed."""
    first = laptop.Laptop.make(tmp_path, "press.example/w2")
    first.follow(Vkey(ORIGIN, note.ED25519, PUBLIC))
    first.add_checkpoint(body(0, 8))
    again = laptop.Laptop(tmp_path)
    assert again.notary.vkeys() == first.notary.vkeys()
    with pytest.raises(errors.InconsistentCheckpoint):
        again.add_checkpoint(body(8, 8, signed(8, b"r" * 32), []))
    with pytest.raises(laptop.notary.StaleSize):
        again.add_checkpoint(body(0, 9))
    with pytest.raises(ValueError, match="already"):
        laptop.Laptop.make(tmp_path, "press.example/w3")
    assert (tmp_path / laptop.KEY_FILE).stat().st_mode & 0o077 == 0


async def test_a_quorum_holds_back_heads_and_proofs_and_no_act(stack, owner, client, mine, url, monkeypatch):
    """With a quorum of one: no head is shown before the witness has signed it; acts go on all the while."""
    monkeypatch.setattr(proof, "WAIT_S", 0.05)
    head = await grow(stack, owner, 3)
    kept = stack.settings
    mine.follow(sequencer.log_vkeys(stack.keys, stack.settings.origin)[0])
    written = " ".join(map(str, mine.notary.vkeys())) + f" {url}"
    stack.settings = msgspec.structs.replace(kept, witnesses=written, witness_quorum=1)
    try:
        assert (await client.get("/log/checkpoint")).status_code == 503
        with pytest.raises(errors.NotYetInLog):
            await proof.way_to_head(stack, 0)
        async with httpx.AsyncClient() as out:
            [asked] = witness.configured(written)
            assert await witness.ask(stack, out, asked, head)
        shown = await client.get("/log/checkpoint")
        vkeys = await witness.published_vkeys(stack)
        point, signatures = note.check(shown.content, vkeys)
        assert point.size == head.size and {s.vkey.kind for s in signatures} == {1, 4, 6}
        await grow(stack, owner, 1)
        assert (await client.get("/log/checkpoint")).text == shown.text
        assert (await proof.way_to_head(stack, 0)).note == shown.text
        async with stack.db.plumbing() as conn:
            assert await store.served(conn, 0, quorum=2) is None
    finally:
        stack.settings = kept


def test_the_command_makes_follows_and_serves(tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(command, [words[0], "--folder", str(tmp_path / "w"), *words[1:]])
        assert done.exit_code == 0, done.output
        return done.output

    assert CliRunner().invoke(command, ["status", "--folder", str(tmp_path / "w")]).exit_code == 1
    *keys, _ = run("make", "uni.example/w").splitlines()[-1].split()
    run("follow", str(Vkey(ORIGIN, note.ED25519, PUBLIC)))
    assert f"{ORIGIN}  0 entries" in run("status")
    wrong = CliRunner().invoke(command, ["follow", "--folder", str(tmp_path / "w"), keys[0]])
    assert wrong.exit_code == 1 and "0x01" in wrong.output
    words = ["-m", "msingi", "witness", "serve", "--folder", str(tmp_path / "w"), "--port", "0"]
    running = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    try:
        assert running.stdout is not None
        address = running.stdout.readline().split()[-1]
        assert httpx.post(f"{address}/add-checkpoint", content=body(0, 5)).status_code == 200
    finally:
        running.terminate()
        running.wait(10)
    assert f"{ORIGIN}  5 entries" in run("status")
