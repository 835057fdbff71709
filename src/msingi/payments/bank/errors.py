"""Why the bank says no: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound, Refusal


class NotACode(Refusal):
    """The square code is not one that a payment can be made by: damaged, changed, or for something else.

    `rule` names the rule of the standard (EMVCo merchant-presented QR) that it breaks. Nothing was paid.
    """

    code = "payments.not-a-code"
    status = 400
    title = "This code cannot be paid by"
    remedy = "Take the picture again, or ask the shop for its number and type it."


class ForeignCode(NotACode):
    """The square code is in order, but it belongs to another payment scheme, another country or another currency."""

    code = "payments.foreign-code"
    title = "This code belongs to another payment scheme"
    remedy = "Ask the shop for a code of this country's payment scheme, or pay in another way."


class NoSuchMerchant(NotFound):
    """No shop has this number, or it does not take payments any more."""

    code = "payments.no-such-merchant"
    title = "There is no such shop"
    remedy = "Check the number on the sign of the shop. The last digit is a check digit."


class StatementTooLong(Refusal):
    """The period holds more entries than one statement may have."""

    code = "payments.statement-too-long"
    status = 400
    title = "The statement would be too long"
    remedy = "Ask for a shorter period."


class NoSuchAgent(NotFound):
    """No agent has this number, or the caller runs no agency with it."""

    code = "payments.no-such-agent"
    title = "There is no such agent"
    remedy = "Check the number on the sign of the agent."


class IsAgent(Conflict):
    """The number belongs to an agent. Cash is fetched there with a code, so that the fee is the tariff's."""

    code = "payments.is-agent"
    title = "This is an agent, not a shop"
    remedy = "Ask for cash at this agent's instead of paying it."


class NoSuchCash(NotFound):
    """No cash waits under this code at this agent's: it is wrong, too old, taken back, or was paid out already."""

    code = "payments.no-such-cash"
    title = "No cash waits under this code"
    remedy = "Check the six digits with the customer. Codes end after some minutes; the customer can ask for a new one."


class NoSuchBill(NotFound):
    """No bill has this reference, or it was sent to somebody else. Wrong references are counted, and limited."""

    code = "payments.no-such-bill"
    title = "There is no such bill"
    remedy = "Check the twelve digits of the reference on the bill."


class BillEnded(Conflict):
    """The bill cannot be paid, refused or withdrawn any more, or somebody is paying it; `state` says why."""

    code = "payments.bill-ended"
    title = "The bill is not open"
    remedy = "Ask whoever sent the bill, if you think that this is wrong. Nothing was paid now."


class NotYours(Conflict):
    """The bill was sent to nobody in particular, so there is nothing to refuse: it just need not be paid."""

    code = "payments.not-yours"
    title = "This bill was not sent to you"
    remedy = "Do nothing: nobody can take your money without you."


class NoSuchStanding(NotFound):
    """The caller has no running order with this id."""

    code = "payments.no-such-standing"
    title = "There is no such standing order"
    remedy = "Look at the list of your standing orders."


class BankNotOpen(Conflict):
    """The tariff has a fee for this, and the bank has no account on which fees arrive. Nothing was reserved or paid."""

    code = "payments.bank-not-open"
    title = "The bank does not offer this yet"
    remedy = "Ask the bank to open its account of fees; nothing was taken from you."


class OverTellerLimit(Conflict):
    """A teller pays out so much to whoever shows a card: above it the customer says so with two factors."""

    code = "payments.over-teller-limit"
    title = "The teller may not pay out that much"
    remedy = "Pay out less, or let the customer ask for the cash with the own sign-in, and pay it against the code."


class NotAtTheCounter(Conflict):
    """Accounts of several people, of children, of institutions are not paid out of at the counter by a card alone."""

    code = "payments.not-at-the-counter"
    title = "This account is not paid out of at the counter"
    remedy = "Let its holders pay on their own pages, where all who must sign do so."
