"""Why reconciling is refused: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound


class NoSuchReconciliation(NotFound):
    """There is no such comparison, or it is another institution's; or the queue has no item of this number."""

    code = "payments.no-such-reconciliation"
    title = "There is no such reconciliation"
    remedy = "Choose one from the list of your institution's reconciliations."


class AlreadySettled(Conflict):
    """An official has said what this exception is. What was said stays; nobody says it over."""

    code = "payments.exception-already-settled"
    title = "The exception is settled already"
    remedy = "Read what was noted; a correction of the books is a new transfer."
