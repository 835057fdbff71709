"""Why a seizure is refused or cannot go on: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound


class NoSuchSeizure(NotFound):
    """There is no such seizure."""

    code = "payments.no-such-seizure"
    title = "There is no such seizure"
    remedy = "Look at the list of seizures."


class SeizureEnded(Conflict):
    """The order was paid, lifted, or its day is over; `state` says which."""

    code = "payments.seizure-ended"
    title = "This order has ended"
    remedy = "A new order of the authority is needed."


class SecondOfficer(Conflict):
    """Whoever entered an order does not pay it over: a second officer compares it with the paper first."""

    code = "payments.second-officer"
    title = "Another officer must do this"
    remedy = "Ask a second account officer to compare the order with the paper, and to pay it over."


class NothingHeld(Conflict):
    """Nothing is held for this order now, because the account has no more than the protected minimum."""

    code = "payments.nothing-held"
    title = "Nothing is held for this order"
    remedy = "What comes in later is held by itself until the order's last day."


class NoSeizureLaw(Conflict):
    """The country's bank.toml says nothing of seizures: without a protected minimum nothing is held."""

    code = "payments.no-seizure-law"
    title = "Seizures are not set up"
    remedy = "Ask the operator to write the protected minimum and where to contest into bank.toml."
