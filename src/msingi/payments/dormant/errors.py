"""Why something about a dormant account is refused."""

from msingi.kernel.errors import Conflict, NotFound


class NotAsleep(Conflict):
    """The account is not dormant, so there is nothing to wake; it may be stopped for another reason, or be in use."""

    code = "payments.not-asleep"
    title = "The account is not asleep"
    remedy = "Look at the account; if it is stopped, ask the bank for the reason."


class NothingUnclaimed(NotFound):
    """Nothing of this account was handed to the authority, or all of it has been paid back already."""

    code = "payments.nothing-unclaimed"
    title = "Nothing is kept of this account"
    remedy = "Check the account's number; its statement shows what was handed over and what came back."


class NoSuchCase(NotFound):
    """There is no such proposal, or it has been decided already."""

    code = "payments.no-such-sleeper-case"
    title = "There is no such proposal"
    remedy = "Look at the list of what waits."


class SecondOfficial(Conflict):
    """Two different officials wake an account for its customer, or pay an heir: who proposed it does not confirm it."""

    code = "payments.second-official"
    title = "Another official must confirm"
    remedy = "Ask another official of the bank to look at the papers and to confirm."


class AuthorityNotOpen(Conflict):
    """The authority that keeps unclaimed money has no trust account for it in this currency, or not enough on it."""

    code = "payments.authority-not-open"
    title = "The authority cannot pay at present"
    remedy = "Try again later; what was handed over is kept, and can be claimed without end."
