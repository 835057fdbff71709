"""Witnesses: outsiders who sign that our tree only grew, and we as such an outsider for other logs.

Clauses: C2SP tlog-witness (add-checkpoint, monitor retrieval) and tlog-cosignature (Ed25519 and ML-DSA-44).
A witness that does not answer never stops an act. Unless `witness_quorum` demands witnesses, it stops nothing at all;
if it does, a tree head is shown once that many have cosigned it, and acts go on meanwhile.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from msgspec import Struct

from msingi.kernel import clock
from msingi.kernel.log import merkle, notary, note, store
from msingi.kernel.log.notary import Notary, Submission
from msingi.kernel.log.note import COSIGNS, ED25519, Note, Vkey
from msingi.kernel.log.sequencer import bell, log_vkeys, public_bytes

if TYPE_CHECKING:
    import httpx

    from msingi.kernel.keys import Keystore
    from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.log")
TIMEOUT_S = 5.0
PAUSE_S = 1.0
MAX_PAUSE_S = 300.0


class Witness(Struct, frozen=True):
    """A witness that is asked for cosignatures: its verifier keys, all of one name, and its submission prefix."""

    vkeys: tuple[Vkey, ...]
    url: str

    @property
    def name(self) -> str:
        """The name of its keys."""
        return self.vkeys[0].name


def followed_logs(setting: str) -> list[Vkey]:
    """The keys of the logs that this stack witnesses. Raises ValueError for one that is no log's key."""
    vkeys = [note.parse_vkey(text.strip()) for text in setting.split(",") if text.strip()]
    if any(vkey.kind != ED25519 for vkey in vkeys):
        raise ValueError("witnessed_logs: a log signs with a key of type 0x01")
    return vkeys


def configured(setting: str) -> list[Witness]:
    """The witnesses to ask. Raises ValueError for one that is not written as cosigners' keys of one name, and a URL."""
    found = []
    for written in filter(None, (part.strip() for part in setting.split(","))):
        *keys, url = written.split()
        vkeys = tuple(note.parse_vkey(key) for key in keys)
        fits = {vkey.kind for vkey in vkeys} <= set(COSIGNS) and len({vkey.name for vkey in vkeys}) == 1
        if not fits or not url.startswith(("http://", "https://")):
            raise ValueError(
                "MSINGI_WITNESSES: write `vkey url`, with vkeys of the types 0x04 and 0x06 and an http(s) address"
            )
        found.append(Witness(vkeys, url.rstrip("/")))
    if len({witness.name for witness in found}) != len(found):
        raise ValueError("witnesses: two of them have the same name")
    return found


def own_name(stack: "Stack") -> str:
    """The key name under which this stack cosigns."""
    return stack.settings.url.partition("://")[2] + "/log/witness"


def notary_of(keystore: "Keystore", name: str) -> Notary:
    """This stack as a witness, with both kinds of keys."""
    signer = keystore.signer("witness")
    ml_dsa = MLDSA44PrivateKey.from_seed_bytes(keystore.mac("witness-ml-dsa"))
    return Notary(name, signer, public_bytes(signer), ml_dsa)


def own_vkeys(keystore: "Keystore", name: str) -> list[Vkey]:
    """The verifier keys of this stack as a witness."""
    return notary_of(keystore, name).vkeys()


async def add_checkpoint(stack: "Stack", raw: bytes) -> str:
    """Cosign the tree head of another log if it continues what was cosigned before; gives the signature lines.

    Compare, remember and sign are one transaction, committed before the answer (add-checkpoint, last paragraph).
    Raises MalformedSubmission (400), UnknownLog (404), UntrustedCheckpoint (403), StaleSize (409),
    InconsistentCheckpoint (422).
    """
    examined = notary.examine(raw, followed_logs(stack.settings.witnessed_logs))
    point = examined.point
    async with stack.db.plumbing() as conn:
        last = await store.lock_followed(conn, point.origin)
        notary.compare(examined, last.size, last.root)
        own = notary_of(stack.keys, own_name(stack))
        lines, shown = notary.sign(examined, own, int(clock.now().timestamp()))
        await store.follow(conn, point.origin, store.Head(point.size, point.root, shown))
    return lines


async def submission(stack: "Stack", head: store.Head, old: int) -> Submission:
    """What to send for a tree head to a witness that has seen the tree of `old` leaves."""
    async with stack.db.plumbing() as conn:
        path = await store.path(conn, merkle.consistency_spans(old, head.size))
    return Submission(old, tuple(path), note.parse_note(head.note))


def accept(head: store.Head, witness: Witness, answer: str) -> str:
    """The lines of this witness in its answer, verified against the tree head. Raises NoteBroken."""
    body = note.parse_note(head.note)
    lines = note.parse_signatures(answer)
    note.verify(Note(body.text, lines), witness.vkeys)
    mine = {(vkey.name, vkey.key_id) for vkey in witness.vkeys}
    return "".join(str(line) for line in lines if (line.name, line.key_id) in mine)


async def ask(stack: "Stack", client: "httpx.AsyncClient", witness: Witness, head: store.Head) -> bool:
    """Have one witness cosign a tree head and keep its line; False (and a warning in the log) if it did not."""
    async with stack.db.plumbing() as conn:
        old = await store.cosigned_size(conn, witness.name)
    if old > head.size:
        return True  # it has cosigned a newer head already
    sent = await submission(stack, head, old)
    answer = await client.post(f"{witness.url}/add-checkpoint", content=str(sent).encode())
    if answer.status_code == 409:
        # The witness has seen another size, for example before our database was restored from a copy.
        old = note.number(answer.text.removesuffix("\n"), "the size in the witness's answer")
        if old > head.size:
            logger.critical("a witness has seen a larger tree of this log", extra={"witness": witness.name})
            return False
        sent = await submission(stack, head, old)
        answer = await client.post(f"{witness.url}/add-checkpoint", content=str(sent).encode())
    if answer.status_code != 200:
        logger.warning("a witness refused", extra={"witness": witness.name, "status": answer.status_code})
        return False
    line = accept(head, witness, answer.text)
    async with stack.db.plumbing() as conn:
        await store.add_cosignature(conn, head.size, witness.name, line)
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
            logger.warning("a witness is out of reach: %s", type(failure).__name__, extra={"witness": witness.name})
            pause = min(pause * 2, MAX_PAUSE_S)
        except Exception:
            logger.exception("asking a witness failed", extra={"witness": witness.name})
            pause = min(pause * 2, MAX_PAUSE_S)
        published = bell(stack).published
        await asyncio.sleep(pause)
        published.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(published.wait(), PAUSE_S)


def cosigners(witnesses: Sequence[Witness]) -> list[Vkey]:
    """The verifier keys of the witnesses that are asked."""
    return [vkey for witness in witnesses for vkey in witness.vkeys]


async def published_vkeys(stack: "Stack") -> list[Vkey]:
    """The verifier keys with which proofs are checked: the log's own (newest first), then its witnesses'."""
    async with stack.db.plumbing() as conn:
        origin = await store.origin(conn) or stack.settings.origin
    return log_vkeys(stack.keys, origin) + cosigners(configured(stack.settings.witnesses))
