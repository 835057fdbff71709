"""Why a payment is refused: one class per reason, and the reason codes of the journal."""

from collections.abc import Iterable

from msingi.kernel.errors import Conflict, NotFound, Refusal
from msingi.kernel.errors import DifferentContent as DifferentContent
from msingi.payments.model import Outcome, Reason


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


class AccountClosed(TransferRejected):
    """One of the accounts has been closed: it neither pays nor receives any more."""

    code = "payments.account-closed"
    title = "The account is closed"
    remedy = "Name another account."


class NotEmpty(Conflict):
    """An account is closed only when it holds nothing: no money, and no hold that takes from it or pays into it."""

    code = "payments.not-empty"
    title = "The account is not empty"
    remedy = "Move the money away and end its holds first."


class NoSuchHold(TransferRejected):
    """There is no such hold, or it was reserved for somebody else's account."""

    code = "payments.no-such-hold"
    title = "There is no such hold"
    remedy = "Check the id that the reservation answered."


class HoldEnded(TransferRejected):
    """The hold has already been committed or voided, or its time has passed: its money is free again or paid."""

    code = "payments.hold-ended"
    title = "The hold has ended"
    remedy = "Read the account's statement to see how it ended; reserve again with a new key if need be."


class OverHold(TransferRejected):
    """A commit posts at most what the hold reserves."""

    code = "payments.over-hold"
    title = "The amount is over what was reserved"
    remedy = "Commit the reserved amount or less, and pay the rest by another transfer."


class NothingToReverse(TransferRejected):
    """The transfer to be reversed does not exist here, was rejected, or is a reversal itself."""

    code = "payments.nothing-to-reverse"
    title = "There is no such transfer to reverse"
    remedy = "Check the transfer id on the receipt."


class OverOriginal(TransferRejected):
    """All reversals of a transfer together pay back at most what it paid."""

    code = "payments.over-original"
    title = "More would be paid back than was paid"
    remedy = "Reverse at most what is left of the original transfer."


class ChainRejected(TransferRejected):
    """Another order that was to be posted together with this one was rejected, so none of them was posted."""

    code = "payments.chain-rejected"
    title = "The orders were rejected together"
    remedy = "See the reason of the other orders, and send all of them again with new keys."


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


class CoolingOff(TransferRejected):
    """The payer's sign-in was given back at a centre less than three days ago. Until then the account pays out a tenth
    of what it usually may, at once and in a day, so that the owner can object before money is gone.
    """

    code = "payments.cooling-off"
    title = "Only small amounts can be paid for now"
    remedy = (
        "Pay less, or wait until three days have passed; if you did not recover your account, go to a centre at once."
    )


class AccountDormant(TransferRejected):
    """Nothing was ordered out of the account for so long that the law calls it dormant: it still receives and earns
    interest, and pays nothing until its holder says that they are there.

    This keeps the money of somebody who is ill, abroad or dead from whoever found the phone.
    """

    code = "payments.account-dormant"
    title = "The account is asleep"
    remedy = "Wake the account: sign in with two factors and open the page of sleeping accounts, or go to a branch."


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
    Reason.LINKED: (ChainRejected, {}),
    Reason.NO_HOLD: (NoSuchHold, {}),
    Reason.HOLD_ENDED: (HoldEnded, {}),
    Reason.OVER_HOLD: (OverHold, {}),
    Reason.NO_ORIGINAL: (NothingToReverse, {}),
    Reason.OVER_ORIGINAL: (OverOriginal, {}),
    Reason.CLOSED: (AccountClosed, {}),
    Reason.COOLING_OFF: (CoolingOff, {}),
    Reason.PAYER_DORMANT: (AccountDormant, {"party": "payer"}),
}


def refusal(reason: int) -> Refusal:
    """The refusal that tells a journalled reason to the caller."""
    kind, facts = _REFUSALS[Reason(reason)]
    return kind(**facts)


def check(endings: Iterable[Outcome | Refusal]) -> list[Outcome]:
    """The outcomes, if all were posted. Raises the reason of the first that was not, before LINKED ones."""
    outcomes: list[Outcome] = []
    linked = False
    for ending in endings:
        if isinstance(ending, Refusal):
            raise ending
        if ending.reason not in (Reason.NONE, Reason.LINKED):
            raise refusal(ending.reason)
        linked = linked or ending.reason == Reason.LINKED
        outcomes.append(ending)
    if linked:
        raise refusal(Reason.LINKED)
    return outcomes
