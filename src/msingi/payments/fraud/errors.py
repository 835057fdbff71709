"""Why the fraud desk says no: one class per reason. `why` names the words; no answer tells a bound."""

from msingi.kernel.errors import Conflict, NotFound, Refusal


class PaymentStopped(Conflict):
    """A safety rule stopped the payment before the ledger saw it. No money moved, and none is reserved.

    `stop` is its id, under which the payer reads why and can contest it; `why` is pace, amount, device, payee or check.
    Which bounds the rules have is not told. The same order again gives the same answer.
    """

    code = "payments.stopped"
    title = "A safety rule stopped the payment"
    remedy = "Look at your stopped payments: they say why, and let you contest it. Or pay less, or later."


class PaymentHeld(PaymentStopped):
    """An officer looks at the payment before it may go; `stop` is its id. No money moved, and none is reserved.

    The payer is told when it was looked at, and may then send it again.
    """

    code = "payments.held-for-check"
    title = "The payment waits for a check"
    remedy = "Wait for the answer under your stopped payments, then send it again. You can add what explains it."


class NoSuchStop(NotFound):
    """The caller has no stopped payment with this id."""

    code = "payments.no-such-stop"
    title = "There is no such stopped payment"
    remedy = "Look at the list of your stopped payments."


class CannotContest(Conflict):
    """The payment was let go or an officer has decided: there is nothing left to contest here."""

    code = "payments.cannot-contest"
    title = "This cannot be contested here any more"
    remedy = "If an officer decided and you disagree, open a complaint on the portal's page of requests and complaints."


class NoSuchFraudCase(NotFound):
    """There is no such case, or it is about the officer who asks."""

    code = "payments.no-such-fraud-case"
    title = "There is no such case"
    remedy = "Check the reference in the queue."


class NotYourStep(Conflict):
    """The case is not in a state in which this officer may take this step.

    Whoever took a case decides it; what one officer proposes to confirm, another one confirms or sends back.
    """

    code = "payments.not-your-step"
    title = "This step is not yours to take now"
    remedy = "Read the case again: a colleague may have been faster, or a second officer is needed."


class NoReport(NotFound):
    """A report exists once a case was confirmed by two officers."""

    code = "payments.no-report"
    title = "There is no report"
    remedy = "Propose to confirm the case, and let a second officer confirm it."


class ListWrong(Refusal):
    """The list of sanctions cannot be read: it is neither the UN consolidated list (XML) nor a table (CSV) with the
    columns ref, name and born, or it names nobody.

    `line` or `element` names the first fault. The list in force stays as it is.
    """

    code = "payments.list-wrong"
    status = 400
    title = "The list cannot be read"
    remedy = "Take the file as its publisher gives it, or a CSV with the columns ref, name, born."
