"""Verbs of moving: close a room, send it, take it, compare, confirm; or open it again."""

import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from msingi.exchange.federation import acts as federation
from msingi.exchange.federation import rooms
from msingi.exchange.federation import store as peers
from msingi.exchange.federation.model import Peer
from msingi.exchange.moving import rules, store, wire
from msingi.exchange.moving.errors import PackageWrong, RoomStays
from msingi.exchange.moving.model import Cells, Manifest, Move, Raw, Sum, Table, Taken
from msingi.kernel import crossing, log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

WAIT_MS = 10_000
SECRETS = ("blind", "room")
Told = Callable[[str], None]
Roots = Callable[[Stack], AsyncIterator[list[tuple[bytes, int]]]]
# A room that left entries of its own in the log registers what gives them again, in their order, some at a time.
roots_of: dict[str, Roots] = {}


def _movable() -> frozenset[str]:
    return crossing.rooms() - {"identity"}


async def _reader(tx: Tx, name: str, room: str) -> Peer:
    return rules.check_reader(await peers.peer(tx, name), room, _movable())


async def close_room(stack: Stack, ctx: Context, room: str, peer: str, wait_ms: int = WAIT_MS) -> Move:
    """Close a room that is to move to `peer`: from now on whatever would change it is an Outage (law 1).

    Raises RoomStays, and RoomBusy while somebody writes. Safe to repeat.
    """
    permit = policy.decide(ctx, "exchange.close_room", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await _reader(tx, peer, room)
        before = await store.move_of(tx, room)
        if before is not None and before.other != peer:
            raise RoomStays(f"it is on its way to {before.other}", room=room)
        made = before or Move(room, "out", found.peer, "closed", ctx.at)
        await store.close(tx, room, wait_ms)
        await store.put_move(tx, made)
        log.append(tx, permit, detail={"room": room, "to": peer})
    return made


async def reopen_room(stack: Stack, ctx: Context, room: str) -> None:
    """Open a room again that did not move after all. Raises RoomNotClosed, and RoomStays once the move is confirmed."""
    permit = policy.decide(ctx, "exchange.reopen_room", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.move_of(tx, room)
        rules.check_closed(found, found.other if found else "")
        if found is not None and found.state == "confirmed":
            raise RoomStays("it has moved: the other machine's records count now", room=room)
        await store.reopen(tx, room)
        await store.drop_move(tx, room)
        log.append(tx, permit, detail={"room": room})


async def send_room(stack: Stack, ctx: Context, room: str, peer: str, folder: Path, told: Told = print) -> Manifest:
    """Write a closed room as a package for `peer` into a folder; parts that are there already stay (laws 1, 3).

    Raises RoomStays, RoomNotClosed.
    """
    permit = policy.decide(ctx, "exchange.send_room", policy.ANYONE)
    folder.mkdir(parents=True, exist_ok=True)
    async with stack.db.transaction(permit) as tx:
        tx.stand_still()
        found = await _reader(tx, peer, room)
        move = rules.check_closed(await store.move_of(tx, room), peer)
        key = stack.keys.mac("room", f"move/{room}/{peer}/{move.since.isoformat()}")
        sums, number = [], 0
        for table in await store.tables(tx, room):
            tally, first = rules.Tally(), number
            async for page in _plain(stack, tx, room, table):
                tally.add(page)
                if not (folder / wire.part_name(number)).exists():
                    wire.write(folder, wire.part_name(number), wire.part(key, number, page))
                number += 1
            sums.append(tally.sum(table.tab, table.cols, number - first))
            told(f"{table.tab}: {tally.rows} rows")
        manifest = Manifest(
            room, stack.profile.alpha2, found.keys[0].kid, wire.boxed(key, found.keys[0]), _secrets(stack, key, room),
            tuple(sums), await store.counters(tx, room),
        )  # fmt: skip
        raw = wire.signed(manifest, stack.keys.signer("exchange"))
        _, root = wire.opened(raw, Manifest, federation.own_keys(stack))
        wire.write(folder, wire.MANIFEST, raw)
        await store.put_move(tx, replace(move, state="sent", root=root))
        await store.same_names(tx, peer)
        log.append(tx, permit, detail={"room": room, "to": peer, "rows": manifest.rows, "manifest": root})
    return manifest


def _secrets(stack: Stack, key: bytes, room: str) -> str:
    own = {name: stack.keys.mac(name, room) for name in SECRETS}
    return base64.b64encode(wire.enciphered(key, "secrets", msgspec.msgpack.encode(own))).decode()


async def _plain(stack: Stack, tx: Tx, room: str, table: Table) -> AsyncIterator[list[Cells]]:
    """The rows of a table, what is sealed for people unsealed; what nobody can read any more stays as it is."""
    async for page in store.rows(tx, room, table.tab):
        if table.sealed:
            await stack.seal.fetch(tx, {PersonId(raw.person) for raw in page if raw.person is not None})
        yield [await _unsealed(stack, tx, table, raw) for raw in page]


async def _unsealed(stack: Stack, tx: Tx, table: Table, raw: Raw) -> Cells:
    cells: Cells = list(raw.cells)
    if raw.person is not None and PersonId(raw.person) in tx.person_keys:
        at = table.cols.index(table.sealed)
        blob = raw.cells[at]
        if blob is not None:
            plain = await stack.seal.unseal(tx, PersonId(raw.person), bytes.fromhex(blob[2:]), raw.label or "")
            cells[at] = f"{raw.person}/{raw.label}".encode() + b"\0" + plain
    return cells


async def take_room(stack: Stack, ctx: Context, folder: Path, told: Told = print) -> Taken:
    """Take a package: every part once, then compare (laws 2 to 6). Goes on where an earlier try was cut off.

    Raises PackageWrong, RoomStays if this machine has served anybody in this room, NotTheSame.
    """
    permit = policy.decide(ctx, "exchange.take_room", policy.ANYONE)
    try:
        raw = (folder / wire.MANIFEST).read_bytes()
    except OSError:
        raise PackageWrong("the folder holds no manifest") from None
    known = [p for p in await federation.peers(stack, fresh=True) if p.instance == stack.profile.alpha2 and not p.rooms]
    manifest, root = wire.opened(raw, Manifest, [key for peer in known for key in peer.keys])
    own = federation.own_keys(stack)
    rules.check_manifest(manifest, stack.profile.alpha2, federation.rooms_here(stack), [key.kid for key in own])
    key = wire.unboxed(manifest.box, stack.keys.signer("exchange"))
    again = await _begin(stack, ctx, manifest, root, known[0], key) == "taken"
    async with stack.db.reading("exchange") as tx:
        done = await store.parts(tx, manifest.room)
        tables = {table.tab: table for table in await store.tables(tx, manifest.room)}
    first = 0
    for sent in manifest.tables:
        if sent.tab not in tables or tuple(tables[sent.tab].cols) != sent.cols:
            raise PackageWrong(f"{sent.tab} is of another version of the software")
        for number in range(first, first + sent.parts):
            if number not in done:
                await _take_part(stack, ctx, manifest.room, tables[sent.tab], number, key, folder)
        first += sent.parts
        told(f"{sent.tab}: {sent.rows} rows")
    async with stack.db.transaction(permit) as tx:
        found = await _sums(stack, tx, manifest)
        rules.check_same(manifest.tables, found)
        await store.put_counters(tx, manifest.room, manifest.counters)
        await store.put_move(tx, Move(manifest.room, "in", known[0].peer, "taken", ctx.at, root))
        log.append(tx, permit, detail={"room": manifest.room, "rows": manifest.rows, "manifest": root})
    if not again:
        await _leave_roots(stack, ctx, manifest.room)
    taken = Taken(manifest.room, root, tuple(found))
    wire.write(folder, wire.ANSWER, wire.signed(taken, stack.keys.signer("exchange")))
    return taken


async def _begin(stack: Stack, ctx: Context, manifest: Manifest, root: str, sender: Peer, key: bytes) -> str:
    """Make room for what comes, and inherit its secrets (laws 4, 6); how far an earlier try had come."""
    permit, room = policy.decide(ctx, "exchange.begin_taking", policy.ANYONE), manifest.room
    async with stack.db.transaction(permit) as tx:
        before = await store.move_of(tx, room)
        if before is not None and before.root != root:
            raise RoomStays("another package of this room was taken before", room=room)
        if before is None and not await store.empty(tx, room):
            raise RoomStays("this machine has served people in this room already", room=room)
        if before is None:
            await store.put_move(tx, Move(room, "in", sender.peer, "taking", ctx.at, root))
        log.append(tx, permit, detail={"room": room, "manifest": root, "again": before is not None})
    told = msgspec.msgpack.decode(wire.deciphered(key, "secrets", base64.b64decode(manifest.secrets)))
    for name in SECRETS:
        stack.keys.inherit(name, room, told[name])
    return before.state if before else ""


async def _take_part(
    stack: Stack, ctx: Context, room: str, table: Table, number: int, key: bytes, folder: Path
) -> None:
    permit = policy.decide(ctx, "exchange.take_part", policy.ANYONE)
    try:
        raw = (folder / wire.part_name(number)).read_bytes()
    except OSError:
        raise PackageWrong(f"{wire.part_name(number)} is missing") from None
    page = wire.rows_of(key, number, raw)
    named = table.person or "person_id"
    people = {row[table.cols.index(named)] for row in page} - {None} if named in table.cols else set()
    await rooms.acquaint(stack, [msgspec.convert(person, PersonId) for person in people])
    async with stack.db.transaction(permit) as tx:
        for row in page:
            for at, value in enumerate(row):
                if isinstance(value, bytes):
                    row[at] = await _sealed(stack, tx, value)
        await store.put_rows(tx, room, table.tab, page)
        await store.put_part(tx, room, number)
        log.append(tx, permit, detail={"room": room, "part": number, "rows": len(page)})


async def _sealed(stack: Stack, tx: Tx, value: bytes) -> str:
    name, _, plain = value.partition(b"\0")
    person, _, label = name.decode().partition("/")
    return "\\x" + (await stack.seal.seal(tx, msgspec.convert(person, PersonId), plain, label)).hex()


async def _sums(stack: Stack, tx: Tx, manifest: Manifest) -> list[Sum]:
    """What stands here, computed from the rows as the sender computed it."""
    found = []
    for table in await store.tables(tx, manifest.room):
        tally = rules.Tally()
        async for page in _plain(stack, tx, manifest.room, table):
            tally.add(page)
        found.append(tally.sum(table.tab, table.cols))
    return found


async def _leave_roots(stack: Stack, ctx: Context, room: str) -> None:
    """The entries that the room left in the old machine's log stand in this one's, too (law 5)."""
    if room not in roots_of:
        return
    permit = policy.decide(ctx, "exchange.take_room", policy.ANYONE)
    async for some in roots_of[room](stack):
        async with stack.db.transaction(permit) as tx:
            for root, count in some:
                log.append_root(tx, permit, root=root, count=count)
            log.append(tx, permit, detail={"room": room, "roots": len(some)})


async def confirm_move(stack: Stack, ctx: Context, room: str, folder: Path) -> Move:
    """Believe the new machine that it has the room: its sums are those of the package (law 2).

    From now on the room cannot be opened here again. Raises RoomNotClosed, PackageWrong, NotTheSame.
    """
    permit = policy.decide(ctx, "exchange.confirm_move", policy.ANYONE)
    try:
        package, answer = (folder / wire.MANIFEST).read_bytes(), (folder / wire.ANSWER).read_bytes()
    except OSError:
        raise PackageWrong(f"the folder holds no {wire.MANIFEST} with its {wire.ANSWER}") from None
    async with stack.db.transaction(permit) as tx:
        found = await store.move_of(tx, room)
        move = rules.check_closed(found, found.other if found else "")
        peer = await peers.peer(tx, move.other)
        sent, root = wire.opened(package, Manifest, federation.own_keys(stack))
        taken, _ = wire.opened(answer, Taken, peer.keys if peer else ())
        if (taken.room, taken.manifest, root) != (room, move.root, move.root):
            raise PackageWrong("it answers to another package")
        rules.check_same(sent.tables, taken.tables)
        done = replace(move, state="confirmed")
        await store.put_move(tx, done)
        log.append(tx, permit, detail={"room": room, "to": move.other, "rows": sent.rows, "manifest": root})
    return done
