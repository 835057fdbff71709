"""Why the consent room says no: one class per reason; the class text is the page that its reader gets."""

from msingi.kernel.errors import Conflict, NotFound, Refusal


class ConsentMissing(Refusal):
    """The person has not allowed this institution these fields for this purpose, or no longer does.

    The answer is the same in all these cases, and for a person who does not exist.
    """

    code = "consent.missing"
    status = 403
    title = "The person has not consented"
    remedy = "Ask the person for a consent to your data agreement: POST /v1/consent/requests."


class AgreementUnknown(NotFound):
    """No data agreement with this identifier, or no such version of it, is published."""

    code = "consent.agreement-unknown"
    title = "No such data agreement"
    remedy = "Look it up in the public list: /v1/consent/agreements."


class AgreementRetired(Conflict):
    """A newer version of this data agreement is published, or it was retired: nobody can consent to it any more."""

    code = "consent.agreement-retired"
    title = "This version is no longer offered"
    remedy = "Read the newest version and decide on that one."


class NotByConsent(Conflict):
    """This data agreement rests on another legal basis than consent: it informs, and asks nobody to agree."""

    code = "consent.not-by-consent"
    title = "This agreement does not rest on consent"
    remedy = "Nothing needs to be granted. The legal basis is stated in the agreement."


class BeyondAgreement(Refusal):
    """The consent would exceed its agreement: a field that the agreement lacks, none at all, or a longer term."""

    code = "consent.beyond-agreement"
    status = 400
    title = "The consent exceeds the agreement"
    remedy = "Choose among the fields of the agreement, and a term within its own."


class AgreementWrong(Refusal):
    """The data agreement breaks a rule: an unknown purpose or basis, a field not written as one, texts missing."""

    code = "consent.agreement-wrong"
    status = 400
    title = "The data agreement is not well formed"
    remedy = "Correct what the rule names, and publish it again."


class ConsentUnknown(NotFound):
    """You have no consent, and no pending request, with this identifier."""

    code = "consent.unknown"
    title = "No such consent"
    remedy = "Look at the list of your consents: /v1/consent/consents."


class ConsentEnded(Conflict):
    """This consent was withdrawn or has expired; it cannot change any more."""

    code = "consent.ended"
    title = "This consent has already ended"
    remedy = "Nothing needs to be done. To allow it again, grant a new consent."


class RequestAnswered(Conflict):
    """This request was already answered, or its time has passed."""

    code = "consent.request-answered"
    title = "This request is no longer open"
    remedy = "The institution can ask again."


class DelegationWrong(Refusal):
    """The delegation names no purpose that can be delegated, no term within a year, yourself, or one too many."""

    code = "consent.delegation-wrong"
    status = 400
    title = "The delegation is not well formed"
    remedy = "Correct what the rule names."


class DelegationUnknown(NotFound):
    """You have no live delegation with this identifier."""

    code = "consent.delegation-unknown"
    title = "No such delegation"
    remedy = "Look at the list of your delegations: /v1/consent/delegations."


class NotEntrusted(Refusal):
    """This person does not let you act for them, for this purpose, now; nor are you the guardian of a child.

    The answer is the same for a person who does not exist.
    """

    code = "consent.not-entrusted"
    status = 403
    title = "You may not act for this person"
    remedy = "Ask the person to let you, on their page 'Who may act for me', or at an office."


class ProcessingStopped(ConsentMissing):
    """The person objected to this use of their data by this institution, and was found to be right.

    It is stopped for every legal basis but a legal obligation and a vital interest.
    """

    code = "consent.processing-stopped"
    title = "The person objected to this use"
    remedy = "Nothing can be asked about this person for this purpose, unless the person allows it again."


class LessDetail(Conflict):
    """This line is shown with less detail, because the rest is about a relative, and a proof would hold all of it.

    The profile of the country says which lines these are (`law.disclosures`). The entry stands in the log like any
    other, and the auditor of the log can verify it.
    """

    code = "consent.less-detail"
    title = "There is no proof of this line to take away"
    remedy = "Ask the auditor of the log to verify it, or complain from the line itself."
