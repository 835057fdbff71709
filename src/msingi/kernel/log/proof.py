"""Proofs that a citizen can carry: one text file that proves, offline, that an act was logged as it is shown.

Clause: C2SP tlog-proof. The `extra` line is canonical JSON (RFC 8785) in base64:

    {"inner": {"index", "path", "size"}, "record": {...}, "salt": base64, "sum": base64}

`record` and `salt` give the commitment SHA-256(salt || record); `inner` leads from it to the entry (RFC 9162,
section 2.1.3.2); the rest of the file leads from the entry to the tree head that the log signed. `sum` is the
SHA-256 of the file without this member. It guards against damage only, where no signature reaches: lines of
witnesses that the reader does not know must be ignored, and are still covered.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from msgspec import Struct

from msingi.kernel.ids import PersonId
from msingi.kernel.log import errors, merkle, note, store
from msingi.kernel.log.leaf import SALT_BYTES, commitment
from msingi.kernel.log.note import Checkpoint, Vkey, b64
from msingi.kernel.log.sequencer import bell, log_vkeys

if TYPE_CHECKING:
    from msingi.kernel.db import Connection
    from msingi.kernel.stack import Stack

HEADER = "c2sp.org/tlog-proof@v1"
MAX_SIZE = 2_000_000
MAX_PATH = 63
WAIT_S = 3.0


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    """The way from a commitment to its entry: number `index` among `size` commitments, hashes in base64."""

    index: int
    path: list[str]
    size: int


class Extra(Struct, frozen=True, forbid_unknown_fields=True):
    """What the extra line holds; `sum` is empty while the sum is taken."""

    inner: Inner
    record: dict[str, Any]
    salt: str
    sum: str


class VerifiedRecord(Struct, frozen=True):
    """A record that a proof was verified for: which log, where in its tree, whose keys signed the tree head.

    `cosigned` names the witnesses whose keys were given, with POSIX seconds.
    """

    record: dict[str, Any]
    origin: str
    index: int
    size: int
    log_key: str
    cosigned: tuple[tuple[str, int], ...]


class Way(Struct, frozen=True):
    """From an entry to a signed tree head: `index`, hashes, and the note of the head."""

    index: int
    path: tuple[bytes, ...]
    note: str


def canonical(value: Any) -> bytes:
    """Canonical JSON (RFC 8785) of values without fractions: members sorted, no blanks."""
    return msgspec.json.encode(value, order="sorted")


def _extra_line(members: dict[str, Any]) -> str:
    return f"extra {b64(canonical(members))}"


def compose(body: bytes, salt: bytes, inner: tuple[int, int, Sequence[bytes]], way: Way) -> str:
    """The proof file for a record with canonical JSON `body`; `inner` is (index, size, path) below the entry."""
    index, size, path = inner
    members: dict[str, Any] = {
        "inner": {"index": index, "path": [b64(p) for p in path], "size": size},
        "record": msgspec.json.decode(body),
        "salt": b64(salt),
    }
    rest = "\n".join([f"index {way.index}", *(b64(p) for p in way.path), "", way.note])
    members["sum"] = b64(_sum(members, rest))
    return f"{HEADER}\n{_extra_line(members)}\n{rest}"


def _sum(members: dict[str, Any], rest: str) -> bytes:
    """SHA-256 of the file without the member `sum`."""
    bare = {name: value for name, value in members.items() if name != "sum"}
    return hashlib.sha256(f"{HEADER}\n{_extra_line(bare)}\n{rest}".encode()).digest()


def _refuse(step: int, what: str, why: object) -> errors.ProofRefused:
    return errors.ProofRefused(f"Step {step}, {what}: {why}.", step=step)


def _split(raw: str | bytes) -> tuple[str, int, list[bytes], str, str]:
    """Step 1: the file as (extra line, index, path, note, everything behind the extra line)."""
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        text.encode("utf-8")
        head, gap, signed = text.partition("\n\n")
        lines = head.split("\n")
        if len(raw) > MAX_SIZE or not gap or len(lines) < 3 or lines[0] != HEADER:
            raise note.NoteBroken(f"the file does not begin as a {HEADER}")
        if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
            raise note.NoteBroken("the extra line or the index line is missing")
        index = note.number(lines[2].removeprefix("index "), "the index")
        if len(lines) - 3 > MAX_PATH:
            raise note.NoteBroken("the path is too long")
        path = [note.hash_line(line, f"hash {n} of the path") for n, line in enumerate(lines[3:])]
        return lines[1], index, path, signed, "\n".join(lines[2:]) + gap + signed
    except ValueError as why:
        raise _refuse(1, "form of the file", why) from None


def _read_extra(line: str) -> tuple[Extra, dict[str, Any], bytes]:
    """Step 2: the extra line as (its members, the same as plain JSON, the salt)."""
    try:
        raw = note.unb64(line.removeprefix("extra "), "the extra line")
        members = msgspec.json.decode(raw)
        if canonical(members) != raw:
            raise note.NoteBroken("the JSON is not canonical (RFC 8785)")
        extra = msgspec.convert(members, Extra)
        salt = note.unb64(extra.salt, "the salt")
        if len(salt) != SALT_BYTES:
            raise note.NoteBroken("the salt does not have 32 bytes")
        return extra, members, salt
    except (ValueError, msgspec.MsgspecError, RecursionError) as why:
        raise _refuse(2, "form of the extra line", why) from None


def verify(raw: str | bytes, vkeys: Iterable[Vkey | str]) -> VerifiedRecord:
    """The record that a proof file proves, with nothing but the file and the verifier keys of the log and of any
    witnesses (C2SP tlog-proof, Verifying). Every other spelling of the same proof is refused, too.

    Raises ProofRefused, naming the step; NoteBroken if one of `vkeys` is not a verifier key.
    """
    trusted = [note.parse_vkey(v) if isinstance(v, str) else v for v in vkeys]
    # 1. The file has the form of C2SP tlog-proof.
    line, index, path, signed, rest = _split(raw)
    # 2. The extra line holds a record, its salt, and the way to its entry, in their one spelling.
    extra, members, salt = _read_extra(line)
    # 3. The file is as it was made.
    if extra.sum != b64(_sum(members, rest)):
        raise _refuse(3, "file undamaged", "the sum of the file is another: it was damaged or changed")
    # 4. The record and its salt give the commitment, and this gives the entry (RFC 9162, section 2.1.3.2).
    leaf = merkle.leaf_hash(commitment(salt, canonical(members["record"])))
    try:
        inner_path = [note.hash_line(p, "a hash of the inner path") for p in extra.inner.path]
        entry = merkle.root_from_path(leaf, extra.inner.index, extra.inner.size, inner_path)
    except ValueError as why:
        raise _refuse(4, "record to entry", why) from None
    # 5. The tree head is of a log that the reader trusts, and this log signed it.
    try:
        note_ = note.parse_note(signed)
        point = note.parse_checkpoint(note_.text)
        by_log = note.verify(note_, note.log_keys(trusted, point.origin))
    except note.NoteBroken as why:
        raise _refuse(5, "signature of the log", why) from None
    # 6. All cosignatures by witnesses that the reader knows verify; others are ignored.
    try:
        cosigned = [v for v in note.verify(note_, trusted) if v.at_s is not None]
    except note.NoteBroken as why:
        raise _refuse(6, "signatures of witnesses", why) from None
    # 7. The entry stands at this index of the tree (RFC 9162, section 2.1.3.2).
    try:
        merkle.verify_inclusion(merkle.leaf_hash(entry), index, point.size, path, point.root)
    except merkle.ProofBroken as why:
        raise _refuse(7, "entry to tree", why) from None
    names = tuple((v.vkey.name, v.at_s or 0) for v in cosigned)
    return VerifiedRecord(members["record"], point.origin, index, point.size, str(by_log[0].vkey), names)


async def way_to_head(stack: "Stack", index: int) -> Way:
    """The inclusion proof of entry `index` in the newest tree head, or in one that witnesses cosigned just before.

    Raises NotYetInLog if no signed tree reaches so far.
    """
    async with stack.db.glance() as conn:  # tiles only grow: two reads need no snapshot
        text = await store.served(conn, index + 1, stack.settings.witness_quorum)
        if text is None:
            raise errors.NotYetInLog()
        point: Checkpoint = note.parse_checkpoint(note.parse_note(text).text)
        known = stack.local.setdefault("log.nodes", {})
        assert isinstance(known, dict)
        path = await store.path(conn, merkle.inclusion_spans(index, point.size), known)
    return Way(index, tuple(path), text)


async def way_of_root(stack: "Stack", root: bytes) -> Way:
    """The way from the batch root that a room left (`log.append_root`) to a signed tree head.

    Raises NoSuchRecord if no room left it, NotYetInLog after WAIT_S seconds.
    """

    async def place(conn: "Connection") -> int | None:
        try:
            return await store.place_of_root(conn, root)
        except LookupError:
            raise errors.NoSuchRecord() from None

    return await way_to_head(stack, await _when_placed(stack, place))


async def proof_of(stack: "Stack", person_id: PersonId, record_id: UUID, unsealed: bytes) -> str:
    """The proof file of a record; `unsealed` is what the person's key opened: the salt and the canonical record.

    Only who was permitted to open the record can ask, because the record itself goes into the file.
    Raises NoSuchRecord, NotYetInLog (after WAIT_S seconds), LogDisagrees if the tree holds something else.
    """
    salt, body = unsealed[:SALT_BYTES], unsealed[SALT_BYTES:]
    found: list[store.Place] = []

    async def look(conn: "Connection") -> int | None:
        place = await store.place_of(conn, person_id, record_id)
        if place is None:
            raise errors.NoSuchRecord()
        found.append(place)
        return place.index

    index = await _when_placed(stack, look)
    place = found[-1]
    mine = commitment(salt, body)
    row = [place.commitments[i : i + 32] for i in range(0, len(place.commitments), 32)] or [mine]
    if place.inner_no >= len(row) or row[place.inner_no] != mine:
        raise errors.LogDisagrees("The commitments beside the entry are not those of the record.")
    leaves = [merkle.leaf_hash(c) for c in row]
    inner = (place.inner_no, len(row), merkle.path_among(place.inner_no, leaves))
    way = await way_to_head(stack, index)
    text = compose(body, salt, inner, way)
    origin = note.parse_checkpoint(note.parse_note(way.note).text).origin
    try:
        verify(text, log_vkeys(stack.keys, origin))
    except errors.ProofRefused as broken:
        raise errors.LogDisagrees(broken.detail) from None
    return text


async def _when_placed(stack: "Stack", place: "Callable[[Connection], Awaitable[int | None]]") -> int:
    """The index that `place` finds, waiting a little for the sequencer."""
    ring = bell(stack)
    ends = asyncio.get_running_loop().time() + WAIT_S
    while True:
        async with stack.db.plumbing() as conn:
            index = await place(conn)
        if index is not None:
            return index
        if asyncio.get_running_loop().time() > ends:
            raise errors.NotYetInLog()
        ring.rung.set()
        await asyncio.sleep(0.05)
