"""The tree cut into tiles of 256 hashes: their paths, their bytes, and which of them change as it grows.

Clause: C2SP tlog-tiles. Level -1 stands for the entry bundles beside level 0; entries are 32 bytes each.
Pure functions: the sequencer asks `grow` what to write, the doors ask `parse_path` what is wanted, and a
proof asks `tile_of` and `node_in_tile` where its hashes stand.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from msingi.kernel.log.merkle import (
    HASH_SIZE,
    Node,
    fold,
    halve,
    leaf_hashes,
    perfect_root,
    span_nodes,
)

WIDTH = 256
HEIGHT = 8
ENTRIES = -1
ENTRY_SIZE = 32
_PREFIX = ENTRY_SIZE.to_bytes(2, "big")
_SLOT = len(_PREFIX) + ENTRY_SIZE
_PATH = re.compile(
    r"tile/(?P<level>entries|[0-9]|[1-5][0-9]|6[0-3])"
    r"/(?P<index>(x[0-9]{3}/){0,5}[0-9]{3})"
    r"(\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


class Tile(NamedTuple):
    """A tile: `level` (-1 for entries), index `n`, and how many hashes or entries it holds (1 to 256)."""

    level: int
    n: int
    width: int


def path(tile: Tile) -> str:
    """Where a tile is served below the log's prefix: `tile/0/x001/067.p/17` (tlog-tiles, Merkle Tree)."""
    groups = [f"{tile.n % 1000:03d}"]
    rest = tile.n // 1000
    while rest:
        groups.append(f"x{rest % 1000:03d}")
        rest //= 1000
    level = "entries" if tile.level == ENTRIES else str(tile.level)
    partial = "" if tile.width == WIDTH else f".p/{tile.width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def parse_path(text: str) -> Tile | None:
    """The tile a path names; None for a path that names none in its one correct spelling."""
    found = _PATH.fullmatch(text)
    if found is None:
        return None
    level = ENTRIES if found["level"] == "entries" else int(found["level"])
    tile = Tile(level, int(found["index"].replace("x", "").replace("/", "")), int(found["width"] or WIDTH))
    return tile if tile.width <= WIDTH and path(tile) == text else None


def tile_size(tile: Tile) -> int:
    """How many bytes the tile has."""
    return tile.width * (_SLOT if tile.level == ENTRIES else HASH_SIZE)


def bundle(entries: bytes) -> bytes:
    """An entry bundle out of 32-byte entries: each behind its length as big-endian uint16."""
    return b"".join([_PREFIX + entries[i : i + ENTRY_SIZE] for i in range(0, len(entries), ENTRY_SIZE)])


def unbundle(raw: bytes) -> bytes:
    """The 32-byte entries of a bundle, one after the other. Raises ValueError for any other bundle."""
    entries = b"".join([raw[i + 2 : i + _SLOT] for i in range(0, len(raw), _SLOT)])
    if len(raw) % _SLOT or bundle(entries) != raw:
        raise ValueError("the entry bundle is not a row of 32-byte entries")
    return entries


def changed(old: int, new: int) -> Iterator[Tile]:
    """The tiles that are new or longer in the tree of `new` leaves than in that of `old`, level by level.

    `changed(0, size)` gives all tiles of a tree.
    """
    yield from _changed_at(ENTRIES, old, new)
    level = 0
    while new:
        yield from _changed_at(level, old, new)
        level, old, new = level + 1, old // WIDTH, new // WIDTH


def _changed_at(level: int, old: int, new: int) -> Iterator[Tile]:
    for n in range(old // WIDTH, -(-new // WIDTH) if new > old else 0):
        yield Tile(level, n, min(WIDTH, new - n * WIDTH))


class Edge(Struct, frozen=True):
    """The right edge of a tree: its size, the partial bundle, each level's partial tile (maybe empty)."""

    size: int = 0
    entries: bytes = b""
    levels: tuple[bytes, ...] = ()

    def peaks(self) -> list[bytes]:
        """The perfect subtrees the tree consists of, from left to right (a compact range)."""
        return [
            node_in_tile(node, tile) for tile in reversed(self.levels) for node in span_nodes(0, len(tile) // HASH_SIZE)
        ]

    def root(self) -> bytes:
        """The root of the tree, from the partial tiles alone."""
        return fold(self.peaks())

    def tiles(self) -> Iterator[tuple[Tile, bytes]]:
        """The partial tiles of the edge that are not empty."""
        count = self.size
        if self.entries:
            yield Tile(ENTRIES, count // WIDTH, count % WIDTH), self.entries
        for level, raw in enumerate(self.levels):
            if raw:
                yield Tile(level, count // WIDTH, count % WIDTH), raw
            count //= WIDTH


def edge_tiles(size: int) -> Iterator[Tile]:
    """The partial tiles at the right edge of a tree of `size` leaves; empty ones are left out."""
    if size % WIDTH:
        yield Tile(ENTRIES, size // WIDTH, size % WIDTH)
    level = 0
    while size:
        if size % WIDTH:
            yield Tile(level, size // WIDTH, size % WIDTH)
        level, size = level + 1, size // WIDTH


def edge_of(size: int, raw: Mapping[tuple[int, int], bytes]) -> Edge:
    """The edge of a tree of `size` out of its stored tiles, by (level, n).

    Raises ValueError if one is missing or not as wide as it must be.
    """
    levels: dict[int, bytes] = {}
    for tile in edge_tiles(size):
        content = raw.get((tile.level, tile.n), b"")
        if len(content) != tile_size(tile):
            raise ValueError(f"{path(tile)} is missing or has the wrong size")
        levels[tile.level] = content
    top = max(levels, default=ENTRIES)
    height = max(top + 1, -(-max(size.bit_length() - 1, 0) // HEIGHT))
    return Edge(size, levels.get(ENTRIES, b""), tuple(levels.get(level, b"") for level in range(height)))


def grow(edge: Edge, entries: bytes) -> tuple[Edge, list[tuple[Tile, bytes]]]:
    """Add 32-byte entries to a tree: its new edge, and the tiles to write (full and partial ones).

    Raises ValueError unless `entries` is a whole number of entries.
    """
    if len(entries) % ENTRY_SIZE:
        raise ValueError("entries have 32 bytes each")
    size = edge.size + len(entries) // ENTRY_SIZE
    written: list[tuple[Tile, bytes]] = []
    full = WIDTH * _SLOT
    rest = edge.entries + bundle(entries)
    first = edge.size // WIDTH
    for offset in range(0, len(rest) // full):
        written.append((Tile(ENTRIES, first + offset, WIDTH), rest[offset * full : (offset + 1) * full]))
    partial_entries = rest[len(rest) // full * full :]
    levels: list[bytes] = []
    level, count, fresh = 0, edge.size, leaf_hashes(entries)
    while fresh or level < len(edge.levels):
        row = (edge.levels[level] if level < len(edge.levels) else b"") + fresh
        whole = len(row) // (WIDTH * HASH_SIZE)
        for offset in range(whole):
            start = offset * WIDTH * HASH_SIZE
            written.append((Tile(level, count // WIDTH + offset, WIDTH), row[start : start + WIDTH * HASH_SIZE]))
        levels.append(row[whole * WIDTH * HASH_SIZE :])
        fresh = row[: whole * WIDTH * HASH_SIZE]
        for _ in range(HEIGHT if fresh else 0):
            fresh = halve(fresh)
        level, count = level + 1, count // WIDTH
    grown = Edge(size, partial_entries, tuple(levels))
    todo = set(changed(edge.size, size))
    written += [(tile, raw) for tile, raw in grown.tiles() if tile in todo]
    return grown, written


def tile_of(node: Node) -> tuple[int, int]:
    """The (level, n) of the tile in which a perfect subtree's hash stands or can be computed."""
    height, index = node
    return height // HEIGHT, (index << height % HEIGHT) // WIDTH


def node_in_tile(node: Node, raw: bytes) -> bytes:
    """The hash of a perfect subtree out of its tile's bytes. Raises ValueError if the tile is too short."""
    height, index = node
    count = 1 << height % HEIGHT
    start = (index * count) % WIDTH * HASH_SIZE
    hashes = raw[start : start + count * HASH_SIZE]
    if len(hashes) != count * HASH_SIZE:
        raise ValueError("the tile is too short for this subtree")
    return perfect_root(hashes)
