"""Why the log says no."""

from msingi.kernel.errors import Conflict, Malformed, NotFound, Refusal


class NotYetInLog(Conflict):
    """The act was committed, but the log has not given it its place in the tree yet.

    This takes less than a second in normal operation. The act itself is safe: its entry waits in the database.
    """

    code = "log.not-yet"
    title = "The log has not sealed this act yet"
    remedy = "Ask for the proof again in a few seconds."


class NoSuchRecord(NotFound):
    """The log holds no record with this id about this person."""

    code = "log.no-such-record"
    title = "There is no such record"
    remedy = "Take the record's id from the list of accesses to your data."


class ProofRefused(Refusal):
    """The proof file does not prove what it says. `step` names the step of the verification that failed.

    Steps: 1 form of the file, 2 form of the extra line, 3 file undamaged, 4 record to entry, 5 signature of
    the log, 6 signatures of witnesses, 7 entry to tree. Nobody should rely on the record in this file.
    """

    code = "log.proof-refused"
    status = 422
    title = "The proof does not hold"
    remedy = "Fetch the proof again; if it still fails, show it to the auditor of the log."


class LogDisagrees(Conflict):
    """The stored record is not the one that the tree commits to: somebody changed the database by hand.

    Nothing can be proved from this record until the operator has run `msingi fsck` and explained the finding.
    """

    code = "log.disagrees"
    title = "The record and the log disagree"
    remedy = "Tell the operator: `msingi fsck` shows every such place."


class NoSuchTile(NotFound):
    """The tree has no such tile: the path is not in its one correct spelling, or the tree is not that large.

    Clients ask only for tiles that the size in a checkpoint requires (C2SP tlog-tiles, Partial Tiles).
    """

    code = "log.no-such-tile"
    title = "There is no such tile"
    remedy = "Read /log/checkpoint first, and ask for tiles that a tree of this size has."


class NoSuchTimestamp(NotFound):
    """No time stamp is kept over a tree head of this size: heads are stamped from time to time, not each of them."""

    code = "log.no-such-timestamp"
    title = "There is no such time stamp"
    remedy = "Take the size of a head from /log/checkpoints; a stamp over a larger tree covers all entries before it."


class VeilWrong(Malformed):
    """The order to hide accesses from a person is not one that the country's law allows.

    `field` says what is wrong: the reference of the order, the institution, the purpose, or the day on which it ends,
    which must come within the number of days that the country profile names (`law.veils`).
    """

    code = "log.veil-wrong"
    title = "The law does not allow this order"
    remedy = "Correct the named field; the profile of the country says for which purposes and how long."


class UnknownLog(NotFound):
    """This stack is not a witness for the log that issued the checkpoint (C2SP tlog-witness: 404)."""

    code = "log.unknown-log"
    title = "This witness does not follow that log"
    remedy = "Ask the operator of this stack to add the log's verifier key to `witnessed_logs`."


class UntrustedCheckpoint(Refusal):
    """The checkpoint carries no valid signature by a key of its log that is trusted here (C2SP tlog-witness: 403)."""

    code = "log.untrusted-checkpoint"
    status = 403
    title = "The checkpoint is not signed by a trusted key"
    remedy = "Sign the checkpoint with the key that this witness was given for the log."


class InconsistentCheckpoint(Refusal):
    """The checkpoint does not continue the tree that this witness cosigned last (C2SP tlog-witness: 422).

    A log that shows different trees to different people is caught here.
    """

    code = "log.inconsistent-checkpoint"
    status = 422
    title = "The checkpoint is not consistent with the one before"
    remedy = "Send a consistency proof (RFC 9162, section 2.1.4) from the old size to the new one."


class MalformedSubmission(Malformed):
    """The submission to the witness is not written as C2SP tlog-witness demands (400)."""

    code = "log.malformed-submission"
    title = "The submission to the witness is malformed"
    remedy = "Send `old <size>`, at most 63 hashes in base64, an empty line and the checkpoint, each line ended."
