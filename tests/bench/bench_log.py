"""How fast the log takes entries, and how fast it proves one: `python tests/bench/bench_log.py [--entries N]`.

A writer in a process of its own commits batches of 1,000 entries, durably, while the sequencer integrates them;
the clock stops when the last entry stands under a signed head. The yardstick is the same server taking the same
bytes by durable COPY into a plain table, with no log at all. Proofs are whole ways from an entry to a signed
head, read from the database's tiles in random places.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from msingi import countries
from msingi.kernel.ids import uuid7
from msingi.kernel.log import merkle, note, proof, sequencer, store
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate, rewritten
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

BATCH = 1_000
TARGET_PER_S = 40_000
TARGET_PROOF_MS = 5.0


async def write(dsn: str, entries: int, rows: bool) -> None:
    """Commit batches as fast as one connection can: a batch in one row, or as a thousand rows by COPY."""
    conn = await asyncpg.connect(dsn)
    columns = ("id", "entries")
    for _ in range(entries // BATCH):
        raw = os.urandom(32 * BATCH)
        batch = [(uuid7(), raw[i : i + 32]) for i in range(0, len(raw), 32)] if rows else [(uuid7(), raw)]
        await conn.copy_records_to_table("pending", schema_name="log", columns=columns, records=batch)
    await conn.close()


async def append(stack: Stack, entries: int, rows: bool) -> float:
    """Seconds until `entries` new entries stand under a signed head."""
    async with stack.db.plumbing() as conn:
        before = await store.newest(conn)
    assert before is not None
    began = time.perf_counter()
    writer = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--write", str(entries), *(["--rows"] if rows else []), "--dsn", stack.db.dsn
    )
    loop = asyncio.create_task(sequencer.run(stack))
    while True:
        await asyncio.sleep(0.02)
        async with stack.db.plumbing() as conn:
            head = await store.newest(conn)
        if head is not None and head.size == before.size + entries:
            break
        if writer.returncode:
            raise SystemExit("the writer failed")
    took = time.perf_counter() - began
    loop.cancel()
    await asyncio.gather(loop, writer.wait(), return_exceptions=True)
    return took


async def yardstick(url: str, entries: int) -> float:
    """Seconds for the same bytes by durable COPY into a plain table."""
    conn = await asyncpg.connect(url)
    await conn.execute("CREATE TABLE plain (id uuid PRIMARY KEY, entries bytea STORAGE EXTERNAL NOT NULL)")
    began = time.perf_counter()
    for _ in range(entries // BATCH):
        batch = [(uuid7(), os.urandom(32 * BATCH))]
        await conn.copy_records_to_table("plain", columns=("id", "entries"), records=batch)
    took = time.perf_counter() - began
    await conn.close()
    return took


async def prove(stack: Stack, count: int) -> list[float]:
    """Milliseconds for each of `count` ways from a random entry to the newest head, all verified."""
    async with stack.db.plumbing() as conn:
        head = await store.newest(conn)
        assert head is not None
        known = {i: await store.entry(conn, i) for i in random.Random(1).sample(range(head.size), count)}
    took = []
    for index, entry in known.items():
        began = time.perf_counter()
        way = await proof.way_to_head(stack, index)
        took.append((time.perf_counter() - began) * 1000)
        point = note.parse_checkpoint(note.parse_note(way.note).text)
        merkle.verify_inclusion(merkle.leaf_hash(entry), index, point.size, way.path, point.root)
    return sorted(took)


def verdict(good: bool) -> str:
    """The word behind a measured figure."""
    return "reached" if good else "MISSED"


async def measure(entries: int) -> None:
    """Run everything in a fresh database and print what came out."""
    with tempfile.TemporaryDirectory() as home:
        server = EmbeddedServer(Path(home) / "pg")
        try:
            conn = await asyncpg.connect(server.url)
            await conn.execute("CREATE DATABASE bench")
            await conn.close()
            url = rewritten(server.url, database="bench")
            await migrate(url)
            stack = await Stack.open(Settings(home=Path(home)), as_app(url), countries.load("taifa"))
            await sequencer.catch_up(stack)
            sample = min(entries, 200_000)
            plain = sample / await yardstick(url, sample)
            few = min(entries, 100_000)
            by_rows = few / await append(stack, few, rows=True)
            whole = entries - few
            per_s = whole / await append(stack, whole, rows=False) if whole >= BATCH else 0.0
            took = await prove(stack, 300)
            await stack.close()
        finally:
            server.stop()
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    print(f"yardstick: durable COPY of the same bytes        {plain:10,.0f} entries/s")
    if per_s:
        print(f"append + integrate, batches of 1,000 in a row    {per_s:10,.0f} entries/s, {per_s / plain:.2f} of it")
    print(f"append + integrate, 1,000 rows of one entry      {by_rows:10,.0f} entries/s, {by_rows / plain:.2f} of it")
    if per_s:
        print(f"  goal {TARGET_PER_S:,} in batches of 1,000: {verdict(per_s >= TARGET_PER_S)}")
    print(f"proof at {entries:,} entries: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    print(f"  goal under {TARGET_PROOF_MS:.0f} ms: {verdict(p50 < TARGET_PROOF_MS)}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--entries", type=int, default=1_000_000, help="size of the tree (default 1,000,000)")
    options.add_argument("--write", type=int, help=argparse.SUPPRESS)
    options.add_argument("--rows", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--dsn", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.write:
        asyncio.run(write(chosen.dsn, chosen.write, chosen.rows))
    else:
        asyncio.run(measure(chosen.entries))
