"""Why a programme is refused: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound


class NoSuchProgramme(NotFound):
    """The programme does not exist, or it belongs to another institution."""

    code = "payments.no-such-programme"
    title = "There is no such programme"
    remedy = "Choose one from the list of your institution's programmes."


class ProgrammeClosed(Conflict):
    """The programme was closed: nobody is taken into it, and no cycle is opened. What was paid stays as it is."""

    code = "payments.programme-closed"
    title = "The programme is closed"
    remedy = "Open a new programme, with a code of its own."


class ProgrammeCodeTaken(Conflict):
    """Another programme of the institution has this code, with other content."""

    code = "payments.programme-code-taken"
    title = "The code stands for another programme"
    remedy = "Choose another code."


class CycleUnderWay(Conflict):
    """The last file of this cycle has not ended: it is being checked, waits for its approval, or is being paid.

    A retry holds those whom no file of the cycle has paid, so it is made only once that is known of everybody.
    """

    code = "payments.cycle-under-way"
    title = "The cycle has not ended"
    remedy = "Wait until the payment file of the cycle is finished; then retry."


class NobodyLeft(Conflict):
    """Nobody is left to be paid: the programme is empty, or this cycle has paid everybody in it."""

    code = "payments.nobody-left"
    title = "Nobody is left to be paid in this cycle"
    remedy = "Take people into the programme, or open the next cycle under another label."
