"""Why a recall is refused or cannot go on: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound


class NoSuchRecall(NotFound):
    """There is no such recall, or the caller has no part in it."""

    code = "payments.no-such-recall"
    title = "There is no such recall"
    remedy = "Look at the list of what you asked back."


class CannotRecall(Conflict):
    """The payment cannot be asked back from the other bank: too long ago for this kind, asked back before in other
    words, paid in another currency, or not paid to another bank. `rule` says which."""

    code = "payments.cannot-recall"
    title = "This payment cannot be asked back"
    remedy = "Look at what you asked back; if the days are over, or it was exchanged, complain under your rights."


class RecallEnded(Conflict):
    """The recall was answered, this step was taken before, or the money is on its way; `state` says which."""

    code = "payments.recall-ended"
    title = "This recall was answered"
    remedy = "Read the answer; whoever does not accept it can take it to the register of complaints."


class RecallNotYetFurther(Conflict):
    """A recall goes to the register of complaints once it was refused or decided, or once its day has passed; once."""

    code = "payments.recall-not-yet-further"
    title = "The recall cannot be taken further now"
    remedy = "Wait for the answer or its day. A complaint that exists stands under your rights."
