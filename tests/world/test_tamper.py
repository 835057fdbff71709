"""A database administrator changes something from behind: `msingi fsck` ends with exit code 1 and names it."""

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner
from tests.running import Running

from msingi.cli import cli
from msingi.kernel.postgres import EmbeddedServer, rewritten

FLIP = "set_byte({0}, {1}, get_byte({0}, {1}) # 1)"
LAST_PAID = "(SELECT max(seq) FROM payments.journal WHERE status = 1)"

# what is done -> (the statement, the codes of which fsck must name at least one)
CHANGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "entry bundle, one bit": (
        f"UPDATE log.tile SET bytes = {FLIP.format('bytes', 40)} WHERE level = -1 AND n = 0",
        ("entry-changed", "tile-size"),
    ),
    "tile of the leaves, one bit": (
        f"UPDATE log.tile SET bytes = {FLIP.format('bytes', 65)} WHERE level = 0 AND n = 0",
        ("entry-changed",),
    ),
    "newest tile, one bit": (
        f"UPDATE log.tile SET bytes = {FLIP.format('bytes', 1)} WHERE level = 0 AND n = "
        "(SELECT max(n) FROM log.tile WHERE level = 0)",
        ("entry-changed",),
    ),
    "tile above the leaves, one bit": (
        f"UPDATE log.tile SET bytes = {FLIP.format('bytes', 3)} WHERE level = 1 AND n = 0",
        ("tile-changed",),
    ),
    "tile removed": ("DELETE FROM log.tile WHERE level = 0 AND n = 0", ("tile-count", "tile-size")),
    "record's content, one bit": (
        f"UPDATE log.record SET sealed = {FLIP.format('sealed', 60)} WHERE record_id = "
        "(SELECT record_id FROM log.record ORDER BY at LIMIT 1)",
        ("record-changed",),
    ),
    "record removed": (
        "DELETE FROM log.record WHERE record_id = (SELECT record_id FROM log.record ORDER BY at DESC LIMIT 1 OFFSET 9)",
        ("record-missing",),
    ),
    "record given to somebody else": (
        "UPDATE log.record SET person_id = (SELECT person_id FROM identity.person ORDER BY person_id DESC LIMIT 1) "
        "WHERE record_id = (SELECT record_id FROM log.record WHERE person_id = "
        "(SELECT person_id FROM identity.person ORDER BY person_id LIMIT 1) LIMIT 1)",
        ("record-changed",),
    ),
    "signed head, another root": (
        f"UPDATE log.checkpoint SET root = {FLIP.format('root', 0)} WHERE size = "
        "(SELECT max(size) FROM log.checkpoint)",
        ("checkpoint-row", "checkpoint-root"),
    ),
    "signed head, another note": (
        "UPDATE log.checkpoint SET note = replace(note, size::text, (size + 1)::text) WHERE size = "
        "(SELECT min(size) FROM log.checkpoint WHERE size > 99)",
        ("checkpoint-signature",),
    ),
    "places exchanged": (
        "UPDATE log.placed SET first_index = first_index + 1 WHERE first_index = "
        "(SELECT first_index FROM log.placed ORDER BY first_index LIMIT 1 OFFSET 3)",
        ("place-gap",),
    ),
    "commitments under an entry": (
        f"UPDATE log.inner SET commitments = {FLIP.format('commitments', 2)} WHERE pending_id = "
        "(SELECT pending_id FROM log.inner LIMIT 1)",
        ("commitments-changed",),
    ),
    "amount of a posting": (
        f"UPDATE payments.journal SET amount = amount + 1 WHERE seq = {LAST_PAID}",
        ("root-differs", "body-differs", "balance-after"),
    ),
    "payee of a posting": (
        f"UPDATE payments.journal SET credit = credit + 256 WHERE seq = {LAST_PAID}",
        ("root-differs",),
    ),
    "who ordered a posting": (
        f"UPDATE payments.journal SET permit = permit || ' ' WHERE seq = {LAST_PAID}",
        ("root-differs",),
    ),
    "posting removed": (f"DELETE FROM payments.journal WHERE seq = {LAST_PAID}", ("row-missing",)),
    "posting rewritten with its whole chain": (
        f"UPDATE payments.batch SET root = {FLIP.format('root', 5)} WHERE first_seq = "
        "(SELECT max(first_seq) FROM payments.batch)",
        ("root-differs",),
    ),
    "id of a transfer removed": ("DELETE FROM payments.transfer_id", ("id-not-listed", "id-count")),
    "balance of an account": (
        "UPDATE payments.account SET posted = posted + 100 WHERE id = (SELECT account_id FROM payments.holder LIMIT 1)",
        ("balance", "sum"),
    ),
    "money moved between accounts": (
        "UPDATE payments.account SET posted = posted + CASE WHEN id = (SELECT min(account_id) FROM payments.holder) "
        "THEN 100 ELSE -100 END WHERE id IN (SELECT min(account_id) FROM payments.holder UNION ALL "
        "SELECT max(account_id) FROM payments.holder)",
        ("balance",),
    ),
    "money reserved from behind": (
        "UPDATE payments.account SET reserved = 5 WHERE id = (SELECT account_id FROM payments.holder LIMIT 1)",
        ("reserved", "floor"),
    ),
}


@pytest.fixture(scope="module")
def untouched(
    sandbox: Running, backup_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str]]:
    """A copy of the sandbox that nobody uses, and its owner URL."""
    home = tmp_path_factory.mktemp("tamper") / "home"
    secret = str(sandbox.home / "keystore.secret")
    made = sandbox.run("restore", "--home", str(home), "--secret", secret, str(backup_file))
    assert made.returncode == 0, made.stderr
    server = EmbeddedServer(home / "pg")
    yield home, server.url
    server.stop()


async def _copy(url: str, name: str, statement: str) -> str:
    """A copy of the database in which the statement was run as superuser; the owner URL of it."""
    conn = await asyncpg.connect(rewritten(url, database="template1"))
    await conn.execute(f'CREATE DATABASE "{name}" TEMPLATE postgres STRATEGY file_copy')
    await conn.close()
    mine = rewritten(url, database=name)
    conn = await asyncpg.connect(mine)
    changed = await conn.execute(statement) if statement else "UPDATE 1"
    await conn.close()
    assert not changed.endswith(" 0"), f"nothing was changed: {statement}"
    return mine


def _fsck(home: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.setenv("MSINGI_DATABASE_URL", url)
    ran = CliRunner().invoke(cli, ["fsck", "--home", str(home)], catch_exceptions=False)
    return ran.exit_code, ran.output


@pytest.fixture
async def tampered(untouched: tuple[Path, str], request: pytest.FixtureRequest) -> tuple[Path, str]:
    """The home, and the URL of a copy in which the change of the test was made."""
    home, url = untouched
    name = f"t{list(CHANGES).index(request.param)}"
    return home, await _copy(url, name, CHANGES[request.param][0])


def test_untouched_copy_has_no_fault(untouched: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the others change was in order before."""
    code, said = _fsck(*untouched, monkeypatch)
    assert code == 0 and said.count("no fault found") == 2, said


@pytest.mark.parametrize(
    ("tampered", "codes"),
    [(name, codes) for name, (_, codes) in CHANGES.items()],
    ids=list(CHANGES),
    indirect=["tampered"],
)
def test_change_is_found_and_named(
    tampered: tuple[Path, str], codes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, and a line that names the kind of change and its place."""
    code, said = _fsck(*tampered, monkeypatch)
    assert code == 1, said
    named = [line for line in said.splitlines() if any(f"({wanted})" in line for wanted in codes)]
    assert named, said
    assert "Traceback" not in said


async def test_fsck_in_a_process_of_its_own(sandbox: Running, untouched: tuple[Path, str]) -> None:
    """The exit code and the sentence as an operator's script gets them."""
    home, url = untouched
    mine = await _copy(url, "own", CHANGES["balance of an account"][0])
    ran = sandbox.run("fsck", "--home", str(home), MSINGI_DATABASE_URL=mine)
    assert ran.returncode == 1 and "(balance)" in ran.stdout, ran.stdout + ran.stderr
