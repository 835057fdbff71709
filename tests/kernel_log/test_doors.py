"""The log's doors, read as any client of C2SP tlog-tiles would: without trust, and with nothing but HTTP."""

import os

import httpx
import pytest

from msingi.kernel.ids import uuid7
from msingi.kernel.log import merkle, note, sequencer, tiles
from msingi.kernel.log.tiles import Tile


@pytest.fixture(scope="module", autouse=True)
async def filled(stack, owner_url):
    import asyncpg

    conn = await asyncpg.connect(owner_url)
    for count in (300, 1, 299):
        await conn.execute("INSERT INTO log.pending (id, entries) VALUES ($1, $2)", uuid7(), os.urandom(32 * count))
        await sequencer.catch_up(stack)
    await conn.close()


async def read(client: httpx.AsyncClient, tile: Tile) -> bytes:
    answer = await client.get("/log/" + tiles.path(tile))
    assert answer.status_code == 200, tile
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert len(answer.content) == tiles.tile_size(tile)
    return answer.content


async def test_a_stranger_reads_and_verifies_the_whole_log(client):
    keys = (await client.get("/log/vkeys")).text.splitlines()
    answer = await client.get("/log/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=1"
    point, signatures = note.check(answer.content, [note.parse_vkey(key) for key in keys])
    assert point.size == 600 and point.origin == "127.0.0.1:8080/log" and len(signatures) == 1
    stored = {}
    for tile in tiles.changed(0, point.size):
        stored[tile.level, tile.n] = await read(client, tile)
    entries = b"".join(tiles.unbundle(stored[-1, n]) for n in range(3))
    edge, written = tiles.grow(tiles.Edge(), entries)
    assert edge.root() == point.root
    assert {(t.level, t.n): raw for t, raw in written} == stored


async def test_partial_tiles_of_earlier_sizes_stay(client):
    full = await read(client, Tile(0, 1, 256))
    assert await read(client, Tile(0, 1, 44)) == full[: 44 * 32]
    assert await read(client, Tile(-1, 0, 1)) == (await read(client, Tile(-1, 0, 256)))[:34]
    root = await read(client, Tile(1, 0, 1))
    assert root == merkle.perfect_root(await read(client, Tile(0, 0, 256)))


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/002", "tile/0/002.p/89", "tile/0/003.p/1", "tile/2/000.p/1", "tile/entries/002.p/89", "tile/0/0",
        "tile/00/000", "tile/0/000.p/256", "tile/0/000.p/0", "tile/0/x001/000", "tile/63/000", "tile/8/000.p/1",
        "tile/entries", "tile/0/x999/x999/x999/x999/x999/999",
    ],
)  # fmt: skip
async def test_what_the_tree_has_not_is_not_served(client, path):
    answer = await client.get(f"/log/{path}")
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
