"""Why the governance room says no: one class per reason; the class text is the page that its reader gets."""

from msingi.kernel.errors import Conflict, NotFound, Refusal


class CaseUnknown(NotFound):
    """You have no case with this identifier, or it is not your office's turn.

    The answer is the same for a case that does not exist and for one that is not yours to see.
    """

    code = "governance.case-unknown"
    title = "No such case"
    remedy = "Look at the list of your cases."


class CaseNotOpen(Conflict):
    """This case was already answered, withdrawn or closed; it waits for nobody."""

    code = "governance.case-not-open"
    title = "This case is not open"
    remedy = "Read the case again. If you disagree with its answer, appeal within the time that it names."


class CannotAppeal(Conflict):
    """The case has no answer yet, its time to appeal has passed, or the authority has decided already."""

    code = "governance.cannot-appeal"
    title = "This case cannot be appealed"
    remedy = "Open a new complaint, or go to the authority or to a court yourself."


class CaseMalformed(Refusal):
    """Something that this kind of request needs is missing, unknown or too long. `field` names it."""

    code = "governance.case-malformed"
    status = 400
    title = "The request is not complete"
    remedy = "Correct what the rule names, and send it again."


class GroundMissing(Refusal):
    """A refusal names one of the grounds that the country's law accepts for this right, and says why in words."""

    code = "governance.ground-missing"
    status = 400
    title = "A refusal needs a ground in law"
    remedy = "Choose one of the grounds that the law accepts for this right, or grant the request."


class TooManyCases(Refusal):
    """You have as many open cases as can be answered in time. Nothing was lost."""

    code = "governance.too-many-cases"
    status = 429
    title = "Too many open cases"
    remedy = "Wait for answers, or withdraw a case that is settled."


class ExhibitRefused(Refusal):
    """The file is too big, empty, or of a kind that is not taken as evidence."""

    code = "governance.exhibit-refused"
    status = 400
    title = "This file cannot be added"
    remedy = "Send a PDF, a JPEG or PNG picture, or a plain text, of at most one megabyte."


class UnderHold(Conflict):
    """A court or the authority has ordered that this person's records be kept for now. Nothing was destroyed."""

    code = "governance.under-hold"
    title = "A legal hold stops this"
    remedy = "Ask again when the hold has ended; its end is on the case."


class HoldUnknown(NotFound):
    """There is no legal hold with this identifier, or it has ended."""

    code = "governance.hold-unknown"
    title = "No such legal hold"
    remedy = "Look at the list of holds."


class NothingKept(Refusal):
    """There is no such rule of keeping, or no certificate with this number."""

    code = "governance.nothing-kept"
    status = 404
    title = "No such record of destruction"
    remedy = "Look at the public list of destructions: /v1/governance/destructions."


class RegisterIncomplete(Conflict):
    """A table holds content about people that nobody has registered for retention, so nobody can be erased safely.

    What it holds would be lost with the key, although a law may require it. Nothing was destroyed.
    """

    code = "governance.register-incomplete"
    title = "The register of retention is incomplete"
    remedy = "Register the named tables in governance.keeping, then answer the case again."
