"""What a witness examines before it signs, whatever it keeps its memory in: the steps of C2SP tlog-witness, numbered.

Used by the stack that witnesses other logs (`witness`, in PostgreSQL) and by the witness on a regulator's or a
newspaper's laptop (`msingi witness`, in a file of its own). Pure functions; the caller makes steps 4 to 6 one atom.
"""

import logging
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from msgspec import Struct

from msingi.kernel.log import errors, merkle, note
from msingi.kernel.log.note import Checkpoint, Note, Signature, Signs, Vkey, b64

logger = logging.getLogger("msingi.log")
MAX_PATH = 63
MAX_BODY = 500_000


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


class Examined(Struct, frozen=True):
    """A submission that its log signed: what was sent, its tree head, and the ids of the log's keys that signed."""

    sent: Submission
    point: Checkpoint
    by_log: frozenset[bytes]


class Notary(Struct, frozen=True):
    """Who signs: the key `name`, an Ed25519 signer with its public key, and maybe an ML-DSA-44 key."""

    name: str
    signer: Signs
    public: bytes
    ml_dsa: MLDSA44PrivateKey | None = None

    def vkeys(self) -> list[Vkey]:
        """The verifier keys of what this notary signs."""
        made = [Vkey(self.name, note.COSIGNATURE, self.public)]
        if self.ml_dsa is not None:
            made.append(Vkey(self.name, note.ML_DSA, self.ml_dsa.public_key().public_bytes_raw()))
        return made

    def cosign(self, text: str, at_s: int) -> list[Signature]:
        """A signature line for each key."""
        lines = [note.cosign(text, self.name, self.signer, self.public, at_s)]
        if self.ml_dsa is not None:
            lines.append(note.cosign_ml_dsa(text, self.name, self.ml_dsa, at_s))
        return lines


def parse_submission(raw: bytes) -> Submission:
    """The body of add-checkpoint. Raises MalformedSubmission."""
    try:
        if len(raw) > MAX_BODY:
            raise note.NoteBroken(f"the body is longer than {MAX_BODY} bytes")
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


def examine(raw: bytes, logs: Sequence[Vkey]) -> Examined:
    """Steps 1 to 3: the submission is well formed, of a log among `logs`, and signed by it.

    Raises MalformedSubmission (400), UnknownLog (404), UntrustedCheckpoint (403).
    """
    sent = parse_submission(raw)
    point = note.parse_checkpoint(sent.note.text)
    # 1. The origin is known.
    trusted = note.log_keys(logs, point.origin)
    if not trusted:
        raise errors.UnknownLog()
    # 2. A trusted key of this origin signed, and no line of such a key is wrong.
    try:
        by_log = frozenset(v.vkey.key_id for v in note.verify(sent.note, trusted))
    except note.NoteBroken as why:
        raise errors.UntrustedCheckpoint(str(why)) from None
    # 3. The old size is not larger than the new one.
    if sent.old > point.size:
        raise errors.MalformedSubmission(
            "The old size is larger than the checkpoint's.", field="old", rule="old <= size"
        )
    return Examined(sent, point, by_log)


def compare(examined: Examined, last_size: int, last_root: bytes) -> None:
    """Steps 4 and 5: the tree continues the one that was cosigned last (size 0 and any root: none was).

    Raises StaleSize (409), InconsistentCheckpoint (422).
    """
    sent, point = examined.sent, examined.point
    # 4. The old size is that of the newest tree head cosigned here.
    if sent.old != last_size:
        raise StaleSize(last_size)
    # 5. The new tree continues the old one; the empty tree has the root of the empty tree.
    old_root = last_root if last_size else merkle.EMPTY_ROOT
    try:
        if point.size == 0 and point.root != merkle.EMPTY_ROOT:
            raise merkle.ProofBroken("empty tree", "its root is the hash of nothing")
        merkle.verify_consistency(sent.old, point.size, sent.path, old_root, point.root)
    except merkle.ProofBroken as why:
        logger.error("a witnessed log is inconsistent", extra={"origin": point.origin, "size": point.size})
        raise errors.InconsistentCheckpoint(str(why)) from None


def sign(examined: Examined, notary: Notary, at_s: int) -> tuple[str, str]:
    """Step 6: the signature lines for the answer, and the note to show to monitors, with them and the log's own.

    To be given out only after what was signed is remembered for good.
    """
    text = examined.sent.note.text
    lines = notary.cosign(text, at_s)
    kept = tuple(
        s for s in examined.sent.note.signatures if s.name == examined.point.origin and s.key_id in examined.by_log
    )
    return "".join(map(str, lines)), str(Note(text, (*kept, *lines)))
