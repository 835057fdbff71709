"""Tiles: the examples of C2SP tlog-tiles, and growth in any steps gives one and the same tree."""

from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi.kernel.log import merkle, tiles
from msingi.kernel.log.tiles import Edge, Tile

COUNT = 70_000
ENTRIES = b"".join(sha256(i.to_bytes(4, "big")).digest() for i in range(COUNT))


def grown(steps: list[int]) -> tuple[Edge, dict[tuple[int, int], bytes]]:
    edge, stored = Edge(), {}
    for step in steps:
        before = edge.size
        edge, written = tiles.grow(edge, ENTRIES[before * 32 : (before + step) * 32])
        assert sorted(t for t, _ in written) == sorted(tiles.changed(before, edge.size))
        for tile, raw in written:
            assert len(raw) == tiles.tile_size(tile)
            assert raw.startswith(stored.get((tile.level, tile.n), b"")), "a tile only grows at its end"
            stored[tile.level, tile.n] = raw
    return edge, stored


def test_a_tree_of_70000_has_the_tiles_of_the_specification():
    edge, stored = grown([1, 255, 1, 44_743, 25_000])
    assert edge.size == COUNT
    assert Counter((t.level, t.width) for t in tiles.changed(0, COUNT)) == {
        (-1, 256): 273, (-1, 112): 1, (0, 256): 273, (0, 112): 1, (1, 256): 1, (1, 17): 1, (2, 1): 1,
    }  # fmt: skip
    leaves = [merkle.leaf_hash(ENTRIES[i * 32 : i * 32 + 32]) for i in range(COUNT)]
    root = merkle.tree_root(leaves)
    assert edge.root() == root
    assert tiles.edge_of(COUNT, stored) == edge

    def fetch(height: int, index: int) -> bytes:
        return tiles.node_in_tile((height, index), stored[tiles.tile_of((height, index))])

    for index in (0, 255, 256, 54_321, 65_535, 65_536, 69_999):
        path = merkle.inclusion_path(index, COUNT, fetch)
        merkle.verify_inclusion(leaves[index], index, COUNT, path, root)
    for old in (1, 255, 256, 300, 65_536, 65_537, 69_999):
        path = merkle.consistency_path(old, COUNT, fetch)
        merkle.verify_consistency(old, COUNT, path, merkle.tree_root(leaves[:old]), root)
    assert {(t.level, t.n) for t in tiles.edge_tiles(256)} == {(1, 0)}


@given(st.lists(st.integers(0, 700), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_law_4_any_steps_give_the_same_tree(steps):
    size = sum(steps)
    edge, stored = grown(steps)
    at_once, written = tiles.grow(Edge(), ENTRIES[: size * 32])
    assert edge == at_once
    assert stored == {(t.level, t.n): raw for t, raw in written}
    assert tiles.edge_of(size, stored) == edge
    assert edge.root() == merkle.tree_root([merkle.leaf_hash(ENTRIES[i * 32 : i * 32 + 32]) for i in range(size)])


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537])
def test_the_edge_reads_back_at_every_border(size):
    edge, stored = grown([size])
    assert tiles.edge_of(size, stored) == edge
    for tile in tiles.edge_tiles(size):
        lacking = {k: v for k, v in stored.items() if k != (tile.level, tile.n)}
        with pytest.raises(ValueError, match="missing"):
            tiles.edge_of(size, lacking)


@given(st.integers(-1, 63), st.integers(0, 10**18 - 1), st.integers(1, 256))
def test_paths_read_back(level, n, width):
    tile = Tile(level, n, width)
    assert tiles.parse_path(tiles.path(tile)) == tile


def test_a_path_has_one_spelling():
    assert tiles.path(Tile(0, 1_234_067, 256)) == "tile/0/x001/x234/067"
    assert tiles.path(Tile(-1, 5, 17)) == "tile/entries/005.p/17"
    for wrong in (
        "tile/00/000", "tile/64/000", "tile/-1/000", "tile/0/0", "tile/0/0000", "tile/0/x000/001", "tile/0/001/000",
        "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/999", "tile/0/000.p/01", "tile/0/000/", "tile/0/x001",
        "tile/0/000\n", "tile/data/000", "tile/0/\u0660\u0660\u0660", "", "tile/0/x001/x001/x001/x001/x001/x001/001",
    ):  # fmt: skip
        assert tiles.parse_path(wrong) is None, wrong


def test_a_bundle_holds_whole_entries_only():
    raw = tiles.bundle(ENTRIES[:96])
    assert raw[:2] == b"\x00\x20" and len(raw) == 3 * 34
    assert tiles.unbundle(raw) == ENTRIES[:96]
    for wrong in (raw[:-1], raw + b"\0", b"\x00\x21" + raw[2:], raw[1:]):
        with pytest.raises(ValueError, match="bundle"):
            tiles.unbundle(wrong)
    with pytest.raises(ValueError, match="32 bytes"):
        tiles.grow(Edge(), b"x" * 33)
    with pytest.raises(ValueError, match="too short"):
        tiles.node_in_tile((3, 0), b"x" * 7 * 32)
