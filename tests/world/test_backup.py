"""Backup while the stack runs, and restore: everything is there, and what was proved before is still proved."""

import tarfile
from io import BytesIO
from pathlib import Path

import asyncpg
import httpx
import pytest
from joserfc.jwk import ECKey
from tests.running import Running
from tests.world.callers import Caller

from msingi.cli.running import at_work


@pytest.fixture(scope="module")
async def proof_before(sandbox: Running, desk: ECKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A proof that a person downloaded from the running stack before anybody made a backup."""
    person = await Caller.sign_in(sandbox.url, desk, sandbox.sample["people"][5])
    line = (await person.http.get("/v1/consent/accesses")).json()["items"][-1]
    answer = await person.http.get(f"/v1/consent/accesses/{line['record_id']}/proof")
    answer.raise_for_status()
    file = tmp_path_factory.mktemp("proof") / "access.tlog-proof"
    file.write_bytes(answer.content)
    return file


@pytest.fixture(scope="module")
def restored(sandbox: Running, proof_before: Path, backup_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new home made from the backup, with the keystore's secret kept in another place."""
    home = tmp_path_factory.mktemp("restored") / "home"
    secret = str(sandbox.home / "keystore.secret")
    made = sandbox.run("restore", "--home", str(home), "--secret", secret, str(backup_file))
    assert made.returncode == 0, made.stdout + made.stderr
    return home


async def counts(url: str) -> dict[str, int]:
    """How many rows each table of the rooms holds."""
    conn = await asyncpg.connect(url)
    names = await conn.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname IN "
        "('identity', 'payments', 'health', 'consent', 'credentials', 'exchange', 'evidence')"
    )
    found = {row["name"]: await conn.fetchval(f"SELECT count(*) FROM {row['name']}") for row in names}
    await conn.close()
    return found


def test_backup_holds_no_passphrase(sandbox: Running, backup_file: Path) -> None:
    """The file can be stolen: it is readable for its owner only, and holds neither passphrase nor sample sign-ins."""
    assert backup_file.stat().st_mode & 0o077 == 0
    with tarfile.open(backup_file) as tar:
        names = tar.getnames()
    assert sorted(names) == ["choices.json", "database.dump", "keystore"]
    assert (sandbox.home / "keystore.secret").read_bytes().strip() not in backup_file.read_bytes()


def test_stack_answers_while_it_is_backed_up(sandbox: Running, backup_file: Path) -> None:
    """A backup stops nothing."""
    assert httpx.get(f"{sandbox.url}/readyz").status_code == 200


def test_restored_home_is_whole(sandbox: Running, restored: Path) -> None:
    """fsck finds no fault in what came back."""
    checked = sandbox.run("fsck", "--home", str(restored))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("no fault found") == 2


async def test_restored_rooms_hold_the_same_rows(sandbox: Running, backup_file: Path, restored: Path) -> None:
    """Every table of every room came back with as many rows; what nobody touched since has exactly as many."""
    async with at_work(sandbox.home) as stack:
        before = await counts(stack.db.dsn.replace("msingi_app@", "postgres:@"))
    async with at_work(restored) as stack:
        after = await counts(stack.db.dsn.replace("msingi_app@", "postgres:@"))
    assert before.keys() == after.keys() and sum(after.values()) > 500
    quiet = [n for n in before if n.partition(".")[0] in ("identity", "credentials", "health", "payments")]
    quiet.remove("payments.fraud_watch")  # whoever signs in on a new device is watched
    assert {n: after[n] for n in quiet} == {n: before[n] for n in quiet}


def test_proof_from_before_verifies_against_the_restored_stack(
    sandbox: Running, proof_before: Path, restored: Path
) -> None:
    """The restored stack's trust file accepts the proof; one changed byte is refused."""
    trust = str(restored / "trust.json")
    accepted = sandbox.run("verify", "--trust", trust, str(proof_before))
    assert accepted.returncode == 0 and accepted.stdout.startswith("genuine"), accepted.stdout + accepted.stderr
    raw = bytearray(proof_before.read_bytes())
    raw[len(raw) // 2] ^= 1
    changed = proof_before.with_suffix(".changed")
    changed.write_bytes(raw)
    refused = sandbox.run("verify", "--trust", trust, str(changed))
    assert refused.returncode == 1 and "Traceback" not in refused.stderr


def test_restored_stack_starts_and_goes_on(sandbox: Running, restored: Path) -> None:
    """The restored home runs; the log that it goes on with is the same log."""
    running = Running(restored, 0)
    try:
        running.start()
        mine = httpx.get(f"{running.url}/log/checkpoint").text.splitlines()
        theirs = httpx.get(f"{sandbox.url}/log/checkpoint").text.splitlines()
        assert mine[0] == theirs[0] and int(mine[1]) > 0
    finally:
        assert running.stop() == 0


def _refused(sandbox: Running, *args: str) -> str:
    """What a restore that is refused says: one or two sentences, and no stack trace."""
    ran = sandbox.run("restore", *args)
    said = ran.stdout + ran.stderr
    assert ran.returncode == 1 and "Traceback" not in said, said
    assert 0 < len(said.strip().splitlines()) <= 3, said
    return said


def test_restore_into_a_used_home_is_refused(sandbox: Running, backup_file: Path) -> None:
    """A stack is never overwritten."""
    before = (sandbox.home / "keystore").read_bytes()
    said = _refused(sandbox, "--home", str(sandbox.home), str(backup_file))
    assert "holds a stack already" in said and "--home" in said
    assert (sandbox.home / "keystore").read_bytes() == before


def test_restore_of_broken_files_is_refused(sandbox: Running, backup_file: Path, tmp_path: Path) -> None:
    """Not a tar, a tar cut off, a tar without its parts, a dump cut off: each is told, and leaves nothing behind."""
    secret = str(sandbox.home / "keystore.secret")
    noise = tmp_path / "noise.tar"
    noise.write_bytes(b"\x00\x01 no backup" * 100)
    cut = tmp_path / "cut.tar"
    cut.write_bytes(backup_file.read_bytes()[: backup_file.stat().st_size // 2])
    strange = tmp_path / "strange.tar"
    with tarfile.open(strange, "w") as tar:
        tar.addfile(tarfile.TarInfo("letter.txt"), BytesIO())
    broken = tmp_path / "broken.tar"
    with tarfile.open(backup_file) as whole, tarfile.open(broken, "w") as tar:
        for member in whole.getmembers():
            content = whole.extractfile(member)
            assert content is not None
            raw = content.read()
            raw = raw[: len(raw) // 2] if member.name == "database.dump" else raw
            member.size = len(raw)
            tar.addfile(member, BytesIO(raw))
    for file, sentence in (
        (noise, "is not a backup"),
        (cut, "not a whole one"),
        (strange, "it lacks database.dump, keystore"),
        (broken, "pg_restore failed"),
    ):
        home = tmp_path / file.stem
        said = _refused(sandbox, "--home", str(home), "--secret", secret, str(file))
        assert sentence in said, said
        # Nothing stands in the way of a second try with a good file.
        assert not (home / "keystore").exists() and not (home / "pg").exists(), sorted(home.iterdir())


def test_restore_without_the_right_secret_is_told(sandbox: Running, backup_file: Path, tmp_path: Path) -> None:
    """A wrong or missing passphrase is told before the database is written."""
    wrong = tmp_path / "wrong.secret"
    wrong.write_text("not the passphrase")
    said = _refused(sandbox, "--home", str(tmp_path / "a"), "--secret", str(wrong), str(backup_file))
    assert "passphrase" in said and "keystore" in said
    said = _refused(sandbox, "--home", str(tmp_path / "b"), str(backup_file))
    assert "passphrase" in said or "keystore.secret" in said
    assert not (tmp_path / "a" / "pg").exists() and not (tmp_path / "b" / "pg").exists()
