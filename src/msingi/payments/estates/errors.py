"""Why an estate is refused or cannot go on: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound


class NoSuchEstate(NotFound):
    """There is no such estate."""

    code = "payments.no-such-estate"
    title = "There is no such estate"
    remedy = "Look at the list of estates."


class NotDeceased(Conflict):
    """The register does not say that the holder of this account has died, or several people hold it together."""

    code = "payments.not-deceased"
    title = "The register does not say that this holder has died"
    remedy = "Have the death registered first; name an account that the dead person held alone."


class EstateExists(Conflict):
    """An estate of this person is proposed or open already: it goes on under that certificate."""

    code = "payments.estate-exists"
    title = "There is an estate of this person already"
    remedy = "Look at the list of estates; refuse or close that one before another is opened."


class EstateEnded(Conflict):
    """The estate was decided, or is closed; `state` says which."""

    code = "payments.estate-ended"
    title = "This was decided already"
    remedy = "Look how the estate stands."


class OwnEstate(Conflict):
    """Whoever proposed an estate does not agree to it: a second officer compares it with the certificate first."""

    code = "payments.own-estate"
    title = "Another officer must agree to this"
    remedy = "Ask a second account officer to compare it with the certificate."


class EstateNotEmpty(Conflict):
    """Something is left in an account, held by an order, or waits for an heir: it cannot be closed yet."""

    code = "payments.estate-not-empty"
    title = "There is money left in this estate"
    remedy = "Look which account is not empty, and why an heir could not be paid; it is tried again each hour."
