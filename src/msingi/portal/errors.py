"""Every reason for which the portal itself says no; all other noes come from the rooms that act."""

from msingi.kernel.errors import Conflict, Malformed, NotSignedIn


class SignInLost(NotSignedIn):
    """The return from the sign-in does not belong to a sign-in that this browser began here.

    It took longer than a quarter of an hour, cookies are switched off, or the address was used twice. `rule` names
    the check that failed: cookie, state, issuer, nonce, acr, or the error that the provider gave.
    """

    code = "portal.sign-in-lost"
    title = "The sign-in was not completed"
    remedy = "Begin the sign-in again in the same browser, with cookies switched on."


class StaleForm(Conflict):
    """The form does not carry the ticket of the present session. Nothing was changed.

    Either somebody signed in again in the meantime, or another site sent the form.
    """

    code = "portal.stale-form"
    title = "This form is too old"
    remedy = "Open the page again and repeat."


class BadUpload(Malformed):
    """A form with a file could not be read, or a file is larger than the page allows. Nothing was kept."""

    code = "portal.bad-upload"
    title = "The uploaded file cannot be taken"
    remedy = "Choose a file of the kind and size that the page names."
