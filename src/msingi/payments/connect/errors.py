"""Why connecting is refused: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound, Refusal


class NoSuchBatch(NotFound):
    """The institution has neither checked nor handed in a batch of this id."""

    code = "payments.no-such-batch"
    title = "There is no such batch"
    remedy = "Check the batch id; it is the one that your own system gave."


class NoPayerAccount(Conflict):
    """The institution holds no government account in the currency of the batch, so there is nothing to pay it from."""

    code = "payments.no-payer-account"
    title = "The institution has no account to pay from"
    remedy = "Ask the treasury to open a government account for the institution, in this currency."


class NotThePeer(Refusal):
    """The message names a sender whom the operator has not set up for this institution, or it does not carry that
    sender's own signature although the operator has named the sender's key."""

    code = "payments.not-the-peer"
    status = 401
    title = "The sender or the signature of the message is not accepted"
    remedy = "Send as the system that the operator has set up, and sign header and message with its key."
