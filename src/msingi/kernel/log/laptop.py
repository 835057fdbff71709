"""A witness on a laptop: a key file, a small state file, and an HTTP server; no database, no stack, no other people.

Clause: C2SP tlog-witness. The state is SQLite with full synchronisation: what was signed is on disk before it is told.
"""

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from msgspec import Struct

from msingi.kernel.errors import Refusal
from msingi.kernel.log import notary, note
from msingi.kernel.log.notary import Notary
from msingi.kernel.log.note import ED25519, Vkey

KEY_FILE = "witness.key"
STATE_FILE = "witness.db"
TABLES = """
CREATE TABLE IF NOT EXISTS log (vkey TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS seen (
  origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, at REAL NOT NULL);
"""


class Seen(Struct, frozen=True):
    """What was cosigned last for a log: `origin`, `size`, 32-byte `root`, the signed `note`, POSIX seconds `at`."""

    origin: str
    size: int
    root: bytes
    note: str
    at: float


class Laptop:
    """The witness in a folder. Raises ValueError if there is none."""

    def __init__(self, folder: Path) -> None:
        try:
            known = json.loads((folder / KEY_FILE).read_text("utf-8"))
            seeds = [bytes.fromhex(known[kind]) for kind in ("ed25519", "ml-dsa-44")]
        except (OSError, ValueError, KeyError) as why:
            raise ValueError(f"{folder} holds no witness's key: {type(why).__name__}") from None
        key = Ed25519PrivateKey.from_private_bytes(seeds[0])
        public = key.public_key().public_bytes_raw()
        self.notary = Notary(known["name"], key, public, MLDSA44PrivateKey.from_seed_bytes(seeds[1]))
        self._state = folder / STATE_FILE
        with self._atom() as db:
            db.executescript(TABLES)

    @classmethod
    def make(cls, folder: Path, name: str) -> "Laptop":
        """A new witness called `name`, with keys of its own. Raises ValueError if there is one, or for a bad name."""
        note.check_name(name)
        folder.mkdir(parents=True, exist_ok=True)
        seeds = {kind: secrets.token_hex(32) for kind in ("ed25519", "ml-dsa-44")}
        try:
            descriptor = os.open(folder / KEY_FILE, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            raise ValueError(f"{folder} holds a witness's key already") from None
        with os.fdopen(descriptor, "w") as file:
            json.dump({"name": name} | seeds, file)
            file.flush()
            os.fsync(file.fileno())
        return cls(folder)

    @contextmanager
    def _atom(self) -> Iterator[sqlite3.Connection]:
        """A transaction that has the file for itself until it is on disk."""
        db = sqlite3.connect(self._state, timeout=10, isolation_level=None)
        try:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
            yield db
            if db.in_transaction:
                db.execute("COMMIT")
        finally:
            db.close()

    def follow(self, vkey: Vkey) -> None:
        """Witness the log with this key from now on. Raises ValueError for a key that is no log's."""
        if vkey.kind != ED25519:
            raise ValueError("a log signs with a key of type 0x01")
        with self._atom() as db:
            db.execute("INSERT OR IGNORE INTO log (vkey) VALUES (?)", (str(vkey),))

    def logs(self) -> list[Vkey]:
        """The keys of the logs that are witnessed."""
        with self._atom() as db:
            return [note.parse_vkey(text) for (text,) in db.execute("SELECT vkey FROM log ORDER BY vkey")]

    def seen(self) -> list[Seen]:
        """What was cosigned last for each log."""
        with self._atom() as db:
            rows = db.execute("SELECT origin, size, root, note, at FROM seen ORDER BY origin")
            return [Seen(*row) for row in rows]

    def add_checkpoint(self, raw: bytes) -> str:
        """The cosignature lines for a submission. Raises as `notary.examine` and `notary.compare`."""
        examined = notary.examine(raw, self.logs())
        point = examined.point
        with self._atom() as db:
            row = db.execute("SELECT size, root FROM seen WHERE origin = ?", (point.origin,)).fetchone()
            notary.compare(examined, row[0] if row else 0, row[1] if row else b"")
            now = time()
            lines, shown = notary.sign(examined, self.notary, int(now))
            db.execute(
                "INSERT OR REPLACE INTO seen (origin, size, root, note, at) VALUES (?, ?, ?, ?, ?)",
                (point.origin, point.size, point.root, shown, now),
            )
        return lines


class Doors(BaseHTTPRequestHandler):
    """POST /add-checkpoint, GET /<origin hash>/checkpoint, GET /vkey; a slow caller is left alone after ten seconds."""

    laptop: ClassVar[Laptop]
    timeout = 10
    protocol_version = "HTTP/1.1"
    server_version = "msingi-witness"
    sys_version = ""

    def _answer(self, status: int, text: str, media_type: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """C2SP tlog-witness, add-checkpoint."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/add-checkpoint" or not length.isdecimal() or int(length) > notary.MAX_BODY:
            self.close_connection = True  # what was not read must not be taken for the next request
            return self._answer(404 if length.isdecimal() else 411, "POST /add-checkpoint with a Content-Length.\n")
        try:
            self._answer(200, self.laptop.add_checkpoint(self.rfile.read(int(length))))
        except notary.StaleSize as stale:
            self._answer(409, f"{stale.size}\n", "text/x.tlog.size")
        except Refusal as refusal:
            self._answer(refusal.status, f"{refusal.title}. {refusal.detail}\n")

    def do_GET(self) -> None:
        """C2SP tlog-witness, Monitor Retrieval Mechanism; and the verifier keys."""
        if self.path == "/vkey":
            return self._answer(200, "".join(f"{key}\n" for key in self.laptop.notary.vkeys()))
        for seen in self.laptop.seen():
            if self.path == f"/{sha256(seen.origin.encode()).hexdigest()}/checkpoint":
                return self._answer(200, seen.note)
        self._answer(404, "This witness has cosigned nothing under this address.\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the state file says what was cosigned, and callers are nobody's business."""


def server(laptop: Laptop, host: str, port: int) -> ThreadingHTTPServer:
    """The witness's doors, ready to serve."""
    made = ThreadingHTTPServer((host, port), type("OwnDoors", (Doors,), {"laptop": laptop}))
    made.daemon_threads = True
    return made
