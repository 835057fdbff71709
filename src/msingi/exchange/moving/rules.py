"""The laws of moving as pure functions: who may take a room, and whether what was taken is what was sent."""

import hashlib
from collections.abc import Iterable

import msgspec

from msingi.exchange.federation.model import Peer, PeerStanding
from msingi.exchange.moving.errors import NotTheSame, PackageWrong, RoomNotClosed, RoomStays
from msingi.exchange.moving.model import FORMAT, Cells, Manifest, Move, Sum

_encode = msgspec.msgpack.Encoder().encode


class Tally:
    """Counts rows and hashes them, in their order."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()

    def add(self, rows: Iterable[Cells]) -> None:
        """Some more rows."""
        for row in rows:
            self._hash.update(_encode(row))
            self.rows += 1

    def sum(self, tab: str, cols: Iterable[str], parts: int = 0) -> Sum:
        """What was counted."""
        return Sum(tab, tuple(cols), self.rows, self._hash.hexdigest(), parts)


def check_reader(peer: Peer | None, room: str, movable: Iterable[str]) -> Peer:
    """The peer that may take a room: one that runs it, and was carried nothing yet (law 4). Raises RoomStays."""
    if room not in movable:
        raise RoomStays(f"one of: {', '.join(sorted(movable))}", room=room[:40])
    if peer is None or room not in peer.rooms:
        raise RoomStays("no peer of this name runs this room", room=room)
    if peer.standing is not PeerStanding.PROPOSED and not peer.same_names:
        raise RoomStays("it is active, so it knows people by other names than the records do", room=room)
    return peer


def check_closed(move: Move | None, peer: str) -> Move:
    """The room on its way to this peer, closed (law 1). Raises RoomNotClosed."""
    if move is None or move.side != "out" or move.other != peer:
        raise RoomNotClosed()
    return move


def check_manifest(told: Manifest, instance: str, here: Iterable[str], own_kids: Iterable[str]) -> None:
    """The package is for this machine (law 3). Raises PackageWrong."""
    if told.format != FORMAT or told.instance != instance or told.to not in set(own_kids):
        raise PackageWrong("it is for another machine")
    if told.room not in set(here):
        raise PackageWrong("this machine was not started for this room")


def check_same(sent: Iterable[Sum], found: Iterable[Sum]) -> None:
    """What stands here is what was sent, table by table (law 2). Raises NotTheSame naming the first table."""
    here = {table.tab: table for table in found}
    for table in sent:
        own = here.pop(table.tab, None)
        if own is None or (own.cols, own.rows, own.sha256) != (table.cols, table.rows, table.sha256):
            rows = "missing" if own is None else f"{own.rows} rows"
            raise NotTheSame(f"{table.tab}: {table.rows} rows were sent, here: {rows}", table=table.tab)
    if here:
        raise NotTheSame("there are tables that were not sent", table=sorted(here)[0])
