"""Why a payment is refused: one class per reason, and the reason codes of the journal."""

from msingi.kernel.errors import Conflict, NotFound, Refusal
from msingi.payments.model import Reason


class NoSuchAccount(NotFound):
    """The account does not exist, or the caller has no right to know of it.

    The answer is the same in both cases, so that account numbers cannot be tried out.
    """

    code = "payments.no-such-account"
    title = "There is no such account"
    remedy = "Check the account number, the phone number or the identity number."


class NoSuchTransfer(NotFound):
    """The transfer does not exist, or it is not one of the caller's own accounts that paid or received it."""

    code = "payments.no-such-transfer"
    title = "There is no such transfer"
    remedy = "Check the transfer id on the receipt."


class TransferRejected(Conflict):
    """The ledger rejected the order. The rejection stands in the journal; no money moved.

    Repeating the order with the same key gives the same answer; a new try needs a new key.
    """

    code = "payments.rejected"
    title = "The transfer was rejected"
    remedy = "See the reason, and send a corrected order with a new key."


class InsufficientFunds(TransferRejected):
    """The payer's available balance is smaller than the amount. No money moved."""

    code = "payments.insufficient-funds"
    title = "There is not enough money in the account"
    remedy = "Pay less, or put money into the account first; use a new key for the new order."


class SameAccount(TransferRejected):
    """The payer's and the payee's account are the same one."""

    code = "payments.same-account"
    title = "Payer and payee are the same account"
    remedy = "Name another payee."


class CurrencyMismatch(TransferRejected):
    """Both accounts must hold the order's currency: no transfer mixes currencies."""

    code = "payments.currency-mismatch"
    title = "The currencies do not agree"
    remedy = "Order in the currency of both accounts."


class AccountFrozen(TransferRejected):
    """The payer's account may not pay, or the payee's account may not receive, at present."""

    code = "payments.account-frozen"
    title = "The account is frozen"
    remedy = "Ask the institution that keeps the account for the reason, and for your right to contest it."


class OverTierLimit(TransferRejected):
    """The amount is over what the account's know-your-customer tier allows: at once, per day, or as a balance.

    `limit` names which: transfer, day or balance.
    """

    code = "payments.over-limit"
    title = "The amount is over the limit of the account"
    remedy = "Pay less, wait for the next day, or ask for a higher tier with the documents that it needs."


class AmountOutOfRange(Refusal):
    """An amount is a whole number of minor units above zero, and not over the largest amount of one transfer."""

    code = "payments.amount-out-of-range"
    status = 400
    title = "The amount is out of range"
    remedy = "Give an amount above zero and below the largest amount of one transfer."


class FourEyes(Conflict):
    """A payment file is approved by another official than the one who uploaded it."""

    code = "payments.four-eyes"
    title = "A second official must approve"
    remedy = "Ask another official of the same institution to approve the file."


class NoSuchFile(NotFound):
    """The payment file does not exist, or it belongs to another institution."""

    code = "payments.no-such-file"
    title = "There is no such payment file"
    remedy = "Check the id that the upload answered."


class FileNotReady(Conflict):
    """The payment file is not in the state that this act needs; `state` names the state it is in."""

    code = "payments.file-not-ready"
    title = "The payment file is not in the right state"
    remedy = "Read the file's progress first."


_REFUSALS: dict[Reason, tuple[type[Refusal], dict[str, str]]] = {
    Reason.UNKNOWN_PAYER: (NoSuchAccount, {"party": "payer"}),
    Reason.UNKNOWN_PAYEE: (NoSuchAccount, {"party": "payee"}),
    Reason.SAME_ACCOUNT: (SameAccount, {}),
    Reason.CURRENCY: (CurrencyMismatch, {}),
    Reason.PAYER_FROZEN: (AccountFrozen, {"party": "payer"}),
    Reason.PAYEE_FROZEN: (AccountFrozen, {"party": "payee"}),
    Reason.INSUFFICIENT_FUNDS: (InsufficientFunds, {}),
    Reason.TRANSFER_LIMIT: (OverTierLimit, {"limit": "transfer"}),
    Reason.DAY_LIMIT: (OverTierLimit, {"limit": "day"}),
    Reason.BALANCE_LIMIT: (OverTierLimit, {"limit": "balance"}),
    Reason.AMOUNT: (AmountOutOfRange, {}),
}


def refusal(reason: int) -> Refusal:
    """The refusal that tells a journalled reason to the caller."""
    kind, facts = _REFUSALS[Reason(reason)]
    return kind(**facts)
