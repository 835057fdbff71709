"""Time stamps of an authority over our heads, with `openssl ts` as the authority; and heads that grow old."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest
from tests.kernel_log.authority import Authority
from tests.kernel_log.conftest import put
from tests.kernel_log.test_outsider import ENTRIES_OF, VKEY, head, run, write

from msingi.kernel.log import jobs, note, sequencer, store, timestamps
from msingi.kernel.log.audit import check_log


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    made = Authority(tmp_path_factory.mktemp("tsa"))
    yield made
    made.close()


@pytest.fixture
async def stamped(stack, authority: Authority) -> AsyncIterator[object]:
    """The stack with the authority in its settings."""
    kept = stack.settings
    stack.settings = msgspec.structs.replace(
        kept, timestamp_url=authority.url, timestamp_root=str(authority.root), timestamp_s=1
    )
    yield stack
    stack.settings = kept


async def _grown(stack, owner: asyncpg.Connection, count: int) -> store.Head:
    await put(owner, count)
    await sequencer.catch_up(stack)
    async with stack.db.plumbing() as conn:
        newest = await store.newest(conn)
    assert newest is not None
    return newest


async def test_a_head_is_stamped_kept_and_shown(stamped, owner, client, authority, tmp_path: Path) -> None:
    newest = await _grown(stamped, owner, 3)
    trusted = timestamps.roots(str(authority.root))
    async with httpx.AsyncClient() as out:
        assert await timestamps.stamp_due(stamped, out, trusted) == 1
        assert await timestamps.stamp_due(stamped, out, trusted) == 0
    token = (await client.get(f"/log/timestamp/{newest.size}")).content
    at = timestamps.verify(token, newest.note, trusted)
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=2)
    assert (await client.get("/log/timestamp/999999")).status_code == 404
    # Other people's code reads it, too.
    (tmp_path / "token.tsr").write_bytes(token)
    (tmp_path / "head.txt").write_text(note.parse_note(newest.note).text)
    words = ["openssl", "ts", "-verify", "-data", "head.txt", "-in", "token.tsr", "-CAfile", str(authority.root)]
    checked = subprocess.run(
        [*words, "-untrusted", str(authority.folder / "tsa.pem")], cwd=tmp_path, capture_output=True, text=True
    )
    assert "Verification: OK" in checked.stdout, checked.stderr
    # Another head, another authority, a changed token: refused.
    with pytest.raises(timestamps.TokenRefused):
        timestamps.verify(token, head(ENTRIES_OF[:5]), trusted)
    with pytest.raises(timestamps.TokenRefused):
        timestamps.verify(token[:-1] + bytes([token[-1] ^ 1]), newest.note, trusted)
    with pytest.raises(timestamps.TokenRefused):
        timestamps.verify(b"nonsense", newest.note, trusted)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    other.close()
    with pytest.raises(timestamps.TokenRefused):
        timestamps.verify(token, newest.note, timestamps.roots(str(other.root)))


async def test_an_authority_that_is_away_or_wrong_stops_nothing_and_is_made_up_for(stamped, owner, authority) -> None:
    await owner.execute("UPDATE log.checkpoint SET at = at - interval '3 hours'")
    older = await _grown(stamped, owner, 2)
    await owner.execute("UPDATE log.checkpoint SET at = at - interval '2 hours' WHERE size = $1", older.size)
    authority.broken = True
    loops = [asyncio.create_task(timestamps.run(stamped)), asyncio.create_task(sequencer.run(stamped))]
    try:
        newest = await _grown(stamped, owner, 2)
        assert newest.size > older.size and not any(loop.done() for loop in loops)
        authority.broken = False
        for _ in range(200):
            await asyncio.sleep(0.05)
            async with stamped.db.plumbing() as conn:
                if await store.timestamp_of(conn, newest.size) and await store.timestamp_of(conn, older.size):
                    break
        else:
            pytest.fail("what was missed was not stamped")
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def test_wrong_settings_fail_at_start(stack, tmp_path: Path) -> None:
    kept = stack.settings
    (tmp_path / "empty.pem").write_text("")
    for changes in (
        {"timestamp_url": "http://127.0.0.1:9", "timestamp_root": ""},
        {"timestamp_url": "http://127.0.0.1:9", "timestamp_root": str(tmp_path / "empty.pem")},
        {"witness_quorum": 1},
    ):
        stack.settings = msgspec.structs.replace(kept, **changes)
        with pytest.raises(ValueError, match=r"MSINGI_TIMESTAMP_ROOT|MSINGI_WITNESS_QUORUM"):
            await jobs.check_settings(stack)
    stack.settings = kept


def test_the_audit_checks_time_stamps(authority: Authority, tmp_path: Path) -> None:
    folder = write(tmp_path / "copy", ENTRIES_OF)
    (folder / "timestamp").mkdir()

    async def make(size: int) -> bytes:
        async with httpx.AsyncClient() as out:
            trusted = timestamps.roots(str(authority.root))
            return (await timestamps.stamp(out, authority.url, head(ENTRIES_OF[:size]), trusted))[0]

    for size in (300, 1_300):
        (folder / "timestamp" / str(size)).write_bytes(asyncio.run(make(size)))
    words = (str(folder), "--vkey", str(VKEY), "--authority", str(authority.root))
    told = run(*words, "--json")
    assert told.exit_code == 0 and set(json.loads(told.output)["stamped"]) == {"300", "1300"}
    assert "2 time stamps hold" in run(*words).output
    (folder / "timestamp" / "700").write_bytes((folder / "timestamp" / "300").read_bytes())
    told = run(*words)
    assert told.exit_code == 1 and "timestamp/700" in told.output


async def test_old_heads_are_thinned_by_the_sequencer_alone_and_the_log_stays_sound(stack, owner) -> None:
    """Of each minute stay the newest head and the newest cosigned one; young heads cannot be removed at all."""
    await owner.execute("TRUNCATE log.timestamp")
    sizes = [(await _grown(stack, owner, 1)).size for _ in range(9)]
    base = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=3)
    for n, size in enumerate(sizes[:8]):  # two minutes with four heads each; the ninth is young
        at = base + timedelta(seconds=10 * (n % 4), minutes=n // 4)
        await owner.execute("UPDATE log.checkpoint SET at = $2 WHERE size = $1", size, at)
    await owner.execute("UPDATE log.checkpoint SET at = $2 WHERE size < $1", sizes[0], base - timedelta(hours=1))
    line = "INSERT INTO log.cosignature (size, witness, line) VALUES ($1, 'w', 'x')"
    for size in (sizes[0], sizes[1]):
        await owner.execute(line, size)
    async with sequencer.connection(stack.db.dsn) as conn:
        await store.thin_heads(conn)
        left = [row["size"] for row in await conn.fetch("SELECT size FROM log.checkpoint ORDER BY size")]
        assert [size for size in left if size >= sizes[0]] == [sizes[1], sizes[3], sizes[7], sizes[8]]
        assert left[0] == 0
        await conn.execute("DELETE FROM log.checkpoint")
        young = [row["size"] for row in await conn.fetch("SELECT size FROM log.checkpoint ORDER BY size")]
    assert young == [0, sizes[8]]
    assert await owner.fetch("SELECT size FROM log.cosignature WHERE witness = 'w'") == [(sizes[1],)]
    assert (await check_log(stack)).ok
