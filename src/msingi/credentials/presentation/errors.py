"""Every reason for which this sub-room says no."""

from typing import ClassVar

from msingi.kernel.errors import Conflict, Malformed, NotFound, NotPermitted, Refusal


class QueryMalformed(Malformed):
    """The request for a presentation is not one that a wallet could answer.

    The fact `rule` names the rule of the query language (OpenID4VP 1.0, section 6) or of the order that it breaks.
    """

    code = "presentation.query-malformed"
    title = "This is not a query that a wallet can answer"
    remedy = "Correct the named field by the named rule of OpenID4VP 1.0, section 6, and send the request again."


class NoRightToAsk(NotPermitted):
    """The institution has no right to be shown these fields for this purpose.

    Rights are granted by the governing authority in the exchange, field by field, like every other right to data.
    """

    code = "presentation.no-right"
    title = "There is no right to ask for this"
    remedy = "Ask only for the fields that the right names, for its purpose; or ask the authority for the right."


class NoSuchRequest(NotFound):
    """No open request has this name, or it is not one that the caller may know of."""

    code = "presentation.no-such-request"
    title = "There is no such request"
    remedy = "Begin again: requests live for some minutes only."


class RequestEnded(Conflict):
    """The request was answered already, was declined, or its time is over. An answer counts once."""

    code = "presentation.ended"
    title = "This request has ended"
    remedy = "Begin again with a new request."


class OtherSession(Refusal):
    """The wallet came back in another browser than the one in which the request was opened, or its link was used
    already. So nobody can have a request answered by somebody else and collect the answer."""

    code = "presentation.other-session"
    status = 403
    title = "This is not the browser in which it began"
    remedy = "Begin again, and open the wallet on the device and in the browser where the page was opened."


class WrongNumber(Refusal):
    """The number typed is not the one that the wallet's device shows. After three tries the request ends."""

    code = "presentation.wrong-number"
    status = 403
    title = "This is not the number that the other device shows"
    remedy = "Type the number from the device with the wallet; after three tries, begin again."


class Refused(Refusal):
    """What the wallet sent is not accepted. Nothing of it was kept.

    The fact `rule` names the rule that it breaks and `clause` where that rule stands.
    """

    code = "presentation.refused"
    status = 400
    title = "The presentation is not accepted"
    remedy = "Show a valid credential of the kind that was asked for, with an up-to-date wallet."
    oauth: ClassVar[str] = "invalid_request"


class Unreadable(Refused):
    """What the wallet sent does not have the form that its standard gives it."""

    code = "presentation.unreadable"
    title = "The presentation cannot be read"
    remedy = "Update the wallet; if it happens again, tell its maker the rule that is named here."


class NotEncrypted(Refused):
    """The response was to be encrypted for this request's own key, and was not, or with something not offered."""

    code = "presentation.not-encrypted"
    title = "The response is not encrypted as asked"


class NotGenuine(Refused):
    """The issuer's signature does not fit the credential: it was changed, or somebody else made it."""

    code = "presentation.not-genuine"
    title = "The issuer did not sign this credential"


class IssuerNotTrusted(Refused):
    """Nobody whom this country trusts has certified the issuer, or not for this kind of credential."""

    code = "presentation.issuer-not-trusted"
    title = "The issuer of the credential is not trusted here"
    remedy = "Show a credential of an issuer on the country's list of trusted issuers."


class NotHolder(Refused):
    """The proof that the holder's own key answered this request is missing or does not fit."""

    code = "presentation.not-holder"
    title = "It is not proved that the holder shows this"
    remedy = "Answer the request from the wallet to which the credential was issued."


class NotForThisRequest(Refused):
    """The holder's proof was made for another request, another verifier or another moment: it may be a copy."""

    code = "presentation.not-for-this-request"
    title = "This presentation was not made for this request"
    remedy = "Begin again with a fresh request."


class OutOfDate(Refused):
    """The credential has expired, or is not valid yet."""

    code = "presentation.out-of-date"
    title = "The credential is not in its time of validity"
    remedy = "Renew the credential, then show it again."


class Revoked(Refused):
    """A verified, current status list of the issuer says that the credential was revoked."""

    code = "presentation.revoked"
    title = "The credential was revoked"
    remedy = "Ask the issuer for a new credential."


class Suspended(Refused):
    """A verified, current status list of the issuer says that the credential is suspended."""

    code = "presentation.suspended"
    title = "The credential is suspended"
    remedy = "Ask the issuer to reinstate the credential."


class StatusUndetermined(Refused):
    """The institution accepts only credentials whose status is known, and at the moment it is not.

    It does not mean that the credential was revoked: no current status list is at hand.
    """

    code = "presentation.status-undetermined"
    title = "Whether the credential is still valid could not be determined"
    remedy = "Try again in some minutes. The credential itself was genuine and in date."


class NotWhatWasAsked(Refused):
    """The presentations are genuine, but do not satisfy the query: a credential, a claim or a value is missing."""

    code = "presentation.not-what-was-asked"
    title = "This is not what was asked for"
    remedy = "Show the credentials and the claims that the request names."
