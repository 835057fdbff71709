"""The auditor outside: public keys and a copy of the log, and nothing else, to check the whole history.

A copy is a folder or an address in the layout of C2SP tlog-tiles: `checkpoint`, `tile/<L>/<N>`, `tile/entries/<N>`; and
beside it signed heads of earlier days: `checkpoints/<size>` in a folder, `/checkpoints` at an address, and whatever
heads and proofs people carry. Every entry is hashed, every tile compared with those below it, every head with the
root over all entries before it. So what was changed, removed or moved is found, and where it stands, as long as one
signed head of the time before is known; and two signed histories are a fork, whoever holds the second one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import msgspec
from cryptography.x509 import Certificate
from msgspec import Struct, field

from msingi.kernel.log import merkle, note
from msingi.kernel.log.audit import MAX_PROBLEMS, Problem
from msingi.kernel.log.note import Checkpoint, Vkey
from msingi.kernel.log.tiles import ENTRIES, WIDTH, Tile, path, tile_size, unbundle

MAX_ANSWER = 8_000_000
Progress = Callable[[int, int], object]


class NoCopy(Exception):
    """There is nothing to audit: no head that the given keys signed, or no answer."""


class Copy(Protocol):
    """Where a copy of a log is read from."""

    def read(self, where: str) -> bytes | None:
        """The bytes of a file of the copy; None if it has none of this name."""
        ...

    def heads(self) -> list[str]:
        """The earlier signed heads that the copy keeps."""
        ...


class Folder:
    """A copy in a folder, such as one that `msingi audit --keep` wrote."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, where: str) -> bytes | None:
        """The file of this name."""
        try:
            return (self.root / where).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def heads(self) -> list[str]:
        """The notes under `checkpoints/`."""
        kept = self.root / "checkpoints"
        return [file.read_text("utf-8") for file in sorted(kept.iterdir())] if kept.is_dir() else []

    def kept(self, tile: Tile) -> bytes:
        """What was kept of a tile before: the widest of it."""
        whole = self.root / path(Tile(tile.level, tile.n, WIDTH))
        if whole.exists():
            return whole.read_bytes()
        parts = whole.with_name(f"{whole.name}.p")
        widths = [file for file in parts.iterdir() if file.name.isdecimal()] if parts.is_dir() else []
        return max(widths, key=lambda file: int(file.name)).read_bytes() if widths else b""

    def write(self, where: str, raw: bytes) -> None:
        """Keep a file, whole or not at all; what stands there already stays if it is the same."""
        file = self.root / where
        if file.exists() and file.read_bytes() == raw:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(file.name + ".new")
        draft.write_bytes(raw)
        draft.replace(file)


class Address:
    """A log at an address, read as its doors give it. Raises NoCopy if it does not answer."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._open = build_opener(ProxyHandler({})).open

    def read(self, where: str) -> bytes | None:
        """What the address answers."""
        try:
            with self._open(f"{self.url}/{where}", timeout=30) as answer:
                return answer.read(MAX_ANSWER)
        except HTTPError as refused:
            if refused.code == 404:
                return None
            raise NoCopy(f"{self.url}/{where} answers {refused.code}") from None
        except (URLError, OSError) as lost:
            raise NoCopy(f"{self.url} does not answer: {lost}") from None

    def heads(self) -> list[str]:
        """All heads that `/checkpoints` lists."""
        found: list[str] = []
        after = -1
        while raw := self.read(f"checkpoints?after={after}"):
            page = msgspec.json.decode(raw, type=list[str])
            if not page:
                break
            found += page
            after = note.parse_checkpoint(note.parse_note(page[-1]).text).size
        return found


class Report(Struct):
    """What was checked, and what is wrong; `forks` are two signed heads each that contradict one another.

    `stamped` says of which size a time-stamping authority saw the head, and when (RFC 3339).
    """

    origin: str = ""
    size: int = 0
    root: bytes = b""
    heads: int = 0
    cosigned: tuple[str, ...] = ()
    stamped: dict[int, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unlisted: int = 0
    forks: list[tuple[str, str]] = field(default_factory=list)

    def add(self, code: str, where: str, text: str) -> None:
        """Note something that is wrong."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(code, where, text))
        else:
            self.unlisted += 1


class _Audit:
    def __init__(self, copy: Copy, report: Report, heads: Mapping[int, tuple[bytes, str]], keep: Folder | None) -> None:
        self.copy, self.report, self.keep = copy, report, keep
        self.heads = dict(heads)
        self.waiting = sorted(size for size in heads if 0 < size <= report.size)
        self.sound = 0  # the largest size at which the entries gave a signed root
        self.broken = 0  # the first at which they did not
        self.moved_up = False  # an entry was found to be gone, so that all bundles behind it begin one entry late
        self.frontier = merkle.Frontier()
        self.rows: list[bytes] = []
        self.done: list[int] = []

    def tile(self, tile: Tile) -> bytes:
        """A tile, or the beginning of the wider one that has replaced it; empty if the copy lacks it."""
        raw = self.copy.read(path(tile))
        if raw is None and tile.width < WIDTH:
            raw = self.copy.read(path(Tile(tile.level, tile.n, WIDTH)))
        raw = (raw or b"")[: tile_size(tile)]
        if len(raw) != tile_size(tile):
            self.report.add("tile-missing", path(tile), "The copy lacks this tile, or has too little of it.")
            return b""
        if self.keep is not None:
            self._keep(self.keep, tile, raw)
        return raw

    def _keep(self, keep: Folder, tile: Tile, raw: bytes) -> None:
        """Keep a tile. What was kept before stays: where the two differ both are there, and the entries are named."""
        before = keep.kept(tile)
        both = min(len(before), len(raw))
        if before[:both] == raw[:both]:
            keep.write(path(tile), raw)
            return
        keep.write(f"differs/{path(tile)}", raw)
        if tile.level == ENTRIES:
            step = len(raw) // tile.width
            at = [tile.n * WIDTH + i // step for i in range(0, both, step) if before[i : i + step] != raw[i : i + step]]
            where = f"entry {at[0]}" if len(at) == 1 else f"entries {at[0]} to {at[-1]}"
            self.report.add("not-as-kept", where, f"Not what the kept copy says, for {len(at)} of them.")

    def bundle(self, n: int) -> None:
        """256 entries: each against its hash in level 0, then into the tree."""
        width = min(WIDTH, self.report.size - n * WIDTH)
        hashes, raw = self.tile(Tile(0, n, width)), self.tile(Tile(ENTRIES, n, width))
        try:
            entries = unbundle(raw)
        except ValueError:
            self.report.add("bundle-broken", path(Tile(ENTRIES, n, width)), "The bundle is not a row of entries.")
            entries = b""
        own = merkle.leaf_hashes(entries)
        if own and hashes and own != hashes:
            differ = [n * WIDTH + i for i in range(width) if own[i * 32 : i * 32 + 32] != hashes[i * 32 : i * 32 + 32]]
            self._tell(own, hashes, n, differ)
        for i in range(width):
            self.frontier.push((hashes or own or bytes(width * 32))[i * 32 : i * 32 + 32])
            while self.waiting and self.waiting[0] == self.frontier.size:
                self._compare(self.waiting.pop(0))
        if width == WIDTH and (hashes or own):
            self._carry(0, merkle.perfect_root(hashes or own))

    def _tell(self, own: bytes, hashes: bytes, n: int, differ: list[int]) -> None:
        """Say what seems to have happened to the entries of a bundle that are not what their tile says."""
        rows = [{raw[i : i + 32] for i in range(0, len(raw), 32)} for raw in (own, hashes)]
        if len(differ) > 1 and rows[0] == rows[1]:
            places = ", ".join(map(str, differ[:8]))
            self.report.add("reordered", f"entries {places}", "The same entries stand here in another order.")
            return
        first = differ[0] - n * WIDTH
        if own[first * 32 : -32] == hashes[(first + 1) * 32 :] and (len(differ) > 1 or self.moved_up):
            if not (self.moved_up and first == 0):
                self.report.add("deleted", f"entry {differ[0]}", "The entry is gone, and all behind it moved up.")
            self.moved_up = True
            return
        for index in differ:
            self.report.add("changed", f"entry {index}", "The entry is not the one that the tree commits to.")

    def _compare(self, size: int) -> None:
        if self.frontier.root() == self.heads[size][0]:
            self.sound = max(self.sound, size)
        elif not self.broken:
            self.broken = size
            self.report.add(
                "history-changed",
                f"entries {self.sound} to {size - 1}",
                f"One of them is not as it was when the head of {size} entries was signed; up to {self.sound} all is.",
            )

    def _carry(self, level: int, root: bytes) -> None:
        if len(self.rows) == level:
            self.rows.append(b"")
            self.done.append(0)
        self.rows[level] += root
        if len(self.rows[level]) == WIDTH * 32:
            full, self.rows[level] = self.rows[level], b""
            self._upper(level + 1, self.done[level], full)
            self.done[level] += 1
            self._carry(level + 1, merkle.perfect_root(full))

    def _upper(self, level: int, n: int, wanted: bytes) -> None:
        tile = Tile(level, n, len(wanted) // 32)
        stored = self.tile(tile)
        for i in range(0, len(wanted) if stored else 0, 32):
            if stored[i : i + 32] != wanted[i : i + 32]:
                first = (n * WIDTH + i // 32) * WIDTH**level
                where = f"entries {first} to {first + WIDTH**level - 1}"
                self.report.add("tree-changed", where, f"{path(tile)} does not commit to them as they are.")

    def upper_edge(self) -> None:
        """The partial tiles above level 0."""
        for level, row in enumerate(self.rows, start=1):
            if row:
                self._upper(level, self.done[level - 1], row)


def _signed_heads(report: Report, texts: Iterable[str], vkeys: list[Vkey]) -> dict[int, tuple[bytes, str]]:
    """The heads of this log that it signed, by size; two roots for one size are a fork."""
    heads: dict[int, tuple[bytes, str]] = {}
    for text in texts:
        try:
            point, _ = note.check(text, vkeys)
        except note.NoteBroken as why:
            report.add("head-broken", text.partition("\n")[0][:80] or "a head", f"A kept head does not verify: {why}.")
            continue
        if point.origin != report.origin:
            continue
        report.heads += point.size not in heads
        known = heads.setdefault(point.size, (point.root, text))
        if known[0] != point.root:
            report.forks.append((known[1], text))
            report.add("fork", f"size {point.size}", "The log signed two different trees of this size.")
    return heads


def audit(
    copy: Copy,
    vkeys: list[Vkey],
    seen: Iterable[str] = (),
    keep: Folder | None = None,
    quorum: int = 0,
    authority: Sequence[Certificate] = (),
    progress: Progress | None = None,
) -> Report:
    """Check a whole copy: entries, tiles, heads, and that it contains every head of `seen` (notes that others hold).

    With the certificates of a time-stamping `authority`, its tokens over the heads are checked, too.

    With `keep`, what was read is kept there as a copy of its own. Raises NoCopy without a head by one of `vkeys`.
    """
    raw = copy.read("checkpoint")
    if raw is None:
        raise NoCopy("the copy has no checkpoint")
    try:
        point, verified = note.check(raw, vkeys)
    except note.NoteBroken as why:
        raise NoCopy(f"the checkpoint does not verify: {why}") from None
    report = Report(point.origin, point.size, point.root)
    report.cosigned = tuple(sorted({v.vkey.name for v in verified if v.vkey.kind in note.COSIGNS}))
    if len(report.cosigned) < quorum:
        report.add("quorum", f"size {point.size}", f"{len(report.cosigned)} witnesses cosigned it, not {quorum}.")
    own = raw.decode()
    mine = keep.heads() if keep is not None else []
    heads = _signed_heads(report, [own, *copy.heads(), *mine, *seen], vkeys)
    _newer_heads(report, point, heads)
    if keep is not None:
        for size, (_, text) in heads.items():
            keep.write(f"checkpoints/{size:019d}", text.encode())
    work = _Audit(copy, report, heads, keep)
    for n in range(-(-point.size // WIDTH)):
        work.bundle(n)
        if progress is not None:
            progress(min((n + 1) * WIDTH, point.size), point.size)
    work.upper_edge()
    if authority:
        _check_stamps(copy, report, heads, list(authority), keep)
    if keep is not None and not report.problems:
        keep.write("checkpoint", raw)
    return report


def _check_stamps(
    copy: Copy,
    report: Report,
    heads: Mapping[int, tuple[bytes, str]],
    authority: list[Certificate],
    keep: Folder | None,
) -> None:
    from msingi.kernel.log import timestamps

    for size, (_, text) in sorted(heads.items()):
        token = copy.read(f"timestamp/{size}") if size else None
        if token is None:
            continue
        try:
            report.stamped[size] = timestamps.verify(token, text, authority).isoformat()
        except timestamps.TokenRefused as why:
            report.add("timestamp-wrong", f"timestamp/{size}", f"The token does not stamp this head: {why}.")
            continue
        if keep is not None:
            keep.write(f"timestamp/{size}", token)


def _newer_heads(report: Report, point: Checkpoint, heads: Mapping[int, tuple[bytes, str]]) -> None:
    """Heads of larger trees than the copy has: it was cut off, or is older than they are."""
    newest = max(heads)
    if newest > point.size:
        where = f"entries {point.size} to {newest - 1}"
        report.add("cut-off", where, f"A head of {newest} entries is known; the copy ends before these.")
