"""Witnesses: outsiders who sign that our tree only grew, and we as such an outsider for other logs.

Clauses: C2SP tlog-witness (add-checkpoint, monitor retrieval) and tlog-cosignature (Ed25519, type 0x04).
A witness that does not answer never stops anything: tree heads are published without it.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from msingi.kernel import clock
from msingi.kernel.log import errors, merkle, note, store
from msingi.kernel.log.note import COSIGNATURE, ED25519, Note, Vkey, b64
from msingi.kernel.log.sequencer import bell, log_vkeys, public_bytes

if TYPE_CHECKING:
    import httpx

    from msingi.kernel.keys import Keystore
    from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.log")
MAX_PATH = 63
TIMEOUT_S = 5.0
PAUSE_S = 1.0
MAX_PAUSE_S = 300.0


class StaleSize(Exception):
    """The submission continues another tree than the one that was cosigned last: 409 with that `size`."""

    def __init__(self, size: int) -> None:
        super().__init__(str(size))
        self.size = size


class Submission(Struct, frozen=True):
    """What a log sends to a witness: the size it had, a consistency proof, and its new signed tree head."""

    old: int
    path: tuple[bytes, ...]
    note: Note

    def __str__(self) -> str:
        return "\n".join([f"old {self.old}", *map(b64, self.path), "", str(self.note)])


class Witness(Struct, frozen=True):
    """A witness that is asked for cosignatures: its verifier key (type 0x04) and submission prefix."""

    vkey: Vkey
    url: str


def parse_submission(raw: bytes) -> Submission:
    """The body of add-checkpoint. Raises MalformedSubmission."""
    try:
        text = raw.decode("utf-8")
        head, gap, signed = text.partition("\n\n")
        first, *hashes = head.split("\n")
        if not gap or not first.startswith("old ") or len(hashes) > MAX_PATH:
            raise note.NoteBroken("the body does not begin with `old <size>`, at most 63 hashes, an empty line")
        old = note.number(first.removeprefix("old "), "the old size")
        path = tuple(note.hash_line(line, f"hash {n}") for n, line in enumerate(hashes))
        made = Submission(old, path, note.parse_note(signed))
        note.parse_checkpoint(made.note.text)
        return made
    except (note.NoteBroken, UnicodeError) as why:
        raise errors.MalformedSubmission(str(why), field="body", rule="C2SP tlog-witness") from None


def followed_logs(setting: str) -> list[Vkey]:
    """The keys of the logs that this stack witnesses. Raises ValueError for one that is no log's key."""
    vkeys = [note.parse_vkey(text.strip()) for text in setting.split(",") if text.strip()]
    if any(vkey.kind != ED25519 for vkey in vkeys):
        raise ValueError("witnessed_logs: a log signs with a key of type 0x01")
    return vkeys


def configured(setting: str) -> list[Witness]:
    """The witnesses to ask. Raises ValueError for a pair that is not `vkey url` with a cosigner's key."""
    found = []
    for pair in filter(None, (part.strip() for part in setting.split(","))):
        vkey, _, url = pair.partition(" ")
        witness = Witness(note.parse_vkey(vkey), url.strip().rstrip("/"))
        if witness.vkey.kind != COSIGNATURE or not witness.url.startswith(("http://", "https://")):
            raise ValueError("witnesses: write `vkey url`, with a vkey of type 0x04 and an http(s) address")
        found.append(witness)
    return found


def own_name(stack: "Stack") -> str:
    """The key name under which this stack cosigns."""
    return stack.settings.url.partition("://")[2] + "/log/witness"


def own_vkey(keystore: "Keystore", name: str) -> Vkey:
    """The verifier key of this stack as a witness."""
    return Vkey(name, COSIGNATURE, public_bytes(keystore.signer("witness")))


async def add_checkpoint(stack: "Stack", raw: bytes) -> str:
    """Cosign the tree head of another log if it continues what was cosigned before; gives the signature line.

    Compare, remember and sign are one transaction, committed before the answer (add-checkpoint, last paragraph).
    Raises MalformedSubmission (400), UnknownLog (404), UntrustedCheckpoint (403), StaleSize (409),
    InconsistentCheckpoint (422).
    """
    sent = parse_submission(raw)
    point = note.parse_checkpoint(sent.note.text)
    # 1. The origin is known.
    trusted = note.log_keys(followed_logs(stack.settings.witnessed_logs), point.origin)
    if not trusted:
        raise errors.UnknownLog()
    # 2. A trusted key of this origin signed, and no line of such a key is wrong.
    try:
        by_log = {v.vkey.key_id for v in note.verify(sent.note, trusted)}
    except note.NoteBroken as why:
        raise errors.UntrustedCheckpoint(str(why)) from None
    # 3. The old size is not larger than the new one.
    if sent.old > point.size:
        raise errors.MalformedSubmission(
            "The old size is larger than the checkpoint's.", field="old", rule="old <= size"
        )
    async with stack.db.plumbing() as conn:
        # 4. The old size is that of the newest tree head cosigned here.
        last = await store.lock_followed(conn, point.origin)
        if sent.old != last.size:
            raise StaleSize(last.size)
        # 5. The new tree continues the old one; the empty tree has the root of the empty tree.
        old_root = last.root or merkle.EMPTY_ROOT
        try:
            if point.size == 0 and point.root != merkle.EMPTY_ROOT:
                raise merkle.ProofBroken("empty tree", "its root is the hash of nothing")
            merkle.verify_consistency(sent.old, point.size, sent.path, old_root, point.root)
        except merkle.ProofBroken as why:
            logger.error("a witnessed log is inconsistent", extra={"origin": point.origin, "size": point.size})
            raise errors.InconsistentCheckpoint(str(why)) from None
        # 6. Remember, sign, and answer after the commit.
        signer, name = stack.keys.signer("witness"), own_name(stack)
        now_s = int(clock.now().timestamp())
        line = note.cosign(sent.note.text, name, signer, public_bytes(signer), now_s)
        kept = tuple(s for s in sent.note.signatures if s.name == point.origin and s.key_id in by_log)
        await store.follow(
            conn, point.origin, store.Head(point.size, point.root, str(Note(sent.note.text, (*kept, line))))
        )
    return str(line)


async def submission(stack: "Stack", head: store.Head, old: int) -> Submission:
    """What to send for a tree head to a witness that has seen the tree of `old` leaves."""
    async with stack.db.plumbing() as conn:
        path = await store.path(conn, merkle.consistency_spans(old, head.size))
    return Submission(old, tuple(path), note.parse_note(head.note))


def accept(head: store.Head, witness: Witness, answer: str) -> str:
    """The line of this witness in its answer, verified against the tree head. Raises NoteBroken."""
    body = note.parse_note(head.note)
    lines = note.parse_signatures(answer)
    note.verify(Note(body.text, lines), [witness.vkey])
    mine = (witness.vkey.name, witness.vkey.key_id)
    return next(str(line) for line in lines if (line.name, line.key_id) == mine)


async def ask(stack: "Stack", client: "httpx.AsyncClient", witness: Witness, head: store.Head) -> bool:
    """Have one witness cosign a tree head and keep its line; False (and a warning in the log) if it did not."""
    async with stack.db.plumbing() as conn:
        old = await store.cosigned_size(conn, witness.vkey.name)
    if old > head.size:
        return True  # it has cosigned a newer head already
    sent = await submission(stack, head, old)
    answer = await client.post(f"{witness.url}/add-checkpoint", content=str(sent).encode())
    if answer.status_code == 409:
        # The witness has seen another size, for example before our database was restored from a copy.
        old = note.number(answer.text.removesuffix("\n"), "the size in the witness's answer")
        if old > head.size:
            logger.critical("a witness has seen a larger tree of this log", extra={"witness": witness.vkey.name})
            return False
        sent = await submission(stack, head, old)
        answer = await client.post(f"{witness.url}/add-checkpoint", content=str(sent).encode())
    if answer.status_code != 200:
        logger.warning("a witness refused", extra={"witness": witness.vkey.name, "status": answer.status_code})
        return False
    line = accept(head, witness, answer.text)
    async with stack.db.plumbing() as conn:
        await store.add_cosignature(conn, head.size, witness.vkey.name, line)
    return True


async def run(stack: "Stack") -> None:
    """Ask every configured witness after each new tree head, for ever; without witnesses, end at once."""
    witnesses = configured(stack.settings.witnesses)
    if not witnesses:
        return
    import httpx  # only a stack with witnesses opens connections to the outside

    async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as client:
        await asyncio.gather(*(_court(stack, client, witness) for witness in witnesses))


async def _court(stack: "Stack", client: "httpx.AsyncClient", witness: Witness) -> None:
    """Keep one witness up to date; a witness that fails is asked less and less often, to MAX_PAUSE_S."""
    import httpx

    seen, pause = -1, PAUSE_S
    while True:
        try:
            async with stack.db.plumbing() as conn:
                head = await store.newest(conn)
            if head is not None and head.size != seen:
                if await ask(stack, client, witness, head):
                    seen, pause = head.size, PAUSE_S
                else:
                    pause = min(pause * 2, MAX_PAUSE_S)
        except (httpx.HTTPError, note.NoteBroken) as failure:
            logger.warning(
                "a witness is out of reach: %s", type(failure).__name__, extra={"witness": witness.vkey.name}
            )
            pause = min(pause * 2, MAX_PAUSE_S)
        except Exception:
            logger.exception("asking a witness failed", extra={"witness": witness.vkey.name})
            pause = min(pause * 2, MAX_PAUSE_S)
        published = bell(stack).published
        await asyncio.sleep(pause)
        published.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(published.wait(), PAUSE_S)


def cosigners(witnesses: Sequence[Witness]) -> list[Vkey]:
    """The verifier keys of the witnesses that are asked."""
    return [witness.vkey for witness in witnesses]


async def published_vkeys(stack: "Stack") -> list[Vkey]:
    """The verifier keys with which proofs are checked: the log's own (newest first), then its witnesses'."""
    async with stack.db.plumbing() as conn:
        origin = await store.origin(conn) or stack.settings.origin
    return log_vkeys(stack.keys, origin) + cosigners(configured(stack.settings.witnesses))
