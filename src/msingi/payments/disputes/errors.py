"""Why a dispute is refused or cannot go on: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound


class NoSuchDispute(NotFound):
    """There is no such dispute, or the caller is none of its sides."""

    code = "payments.no-such-dispute"
    title = "There is no such dispute"
    remedy = "Look at the list of your disputes."


class CannotDispute(Conflict):
    """The transfer cannot be disputed: too long ago for this kind, disputed before, or paid to another bank, whose
    money nobody can hold from here. `rule` says which."""

    code = "payments.cannot-dispute"
    title = "This payment cannot be disputed"
    remedy = "Look at your disputes; if the days are over or another bank was paid, complain under your rights."


class DisputeEnded(Conflict):
    """The dispute has been decided, or this step was taken before."""

    code = "payments.dispute-ended"
    title = "The dispute was decided"
    remedy = "Read the decision; whoever does not accept it can take it to the register of complaints."


class NotYetFurther(Conflict):
    """A dispute goes to the register of complaints once it was decided, or once its deadline has passed; only once."""

    code = "payments.not-yet-further"
    title = "The dispute cannot be taken further now"
    remedy = "Wait for the decision or its deadline. A complaint that exists stands under your rights."
