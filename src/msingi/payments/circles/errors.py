"""Why a rotating group says no: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound


class NoSuchCircle(NotFound):
    """The caller belongs to no such rotating group."""

    code = "payments.no-such-circle"
    title = "There is no such rotating group"
    remedy = "Look at the list of your rotating groups."


class CircleNotOpen(Conflict):
    """The group takes no payments now: somebody has not accepted, or all turns are paid; see `state`."""

    code = "payments.circle-not-open"
    title = "The group takes no payments now"
    remedy = "Wait until everybody who was named has accepted. A group whose turns are all paid is founded again."


class NothingDue(Conflict):
    """This member owes nothing for this round: it is paid, or the turn is the member's own."""

    code = "payments.nothing-due"
    title = "Nothing is to be paid for this round"
    remedy = "Look at the group's page: it says who has paid for which round."


class StillOwing(Conflict):
    """Whoever was paid by others leaves once they are paid back. `left_minor` is still to be paid to them."""

    code = "payments.still-owing"
    title = "You have been paid by members whom you have not paid"
    remedy = "Pay them first: you can pay for rounds that are still to come. Then leave."
