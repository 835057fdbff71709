"""Why membership says no: one class per reason; the class text is the page that its reader gets."""

from msingi.exchange.errors import ExchangeRefusal


class ApplicationUnknown(ExchangeRefusal):
    """There is no application or request with this number."""

    code = "exchange.application-unknown"
    status = 404
    title = "There is no such application"
    remedy = "Use the number that the answer to the application gave."


class AlreadyDecided(ExchangeRefusal):
    """The application or request has ended: what was decided stands."""

    code = "exchange.already-decided"
    status = 409
    title = "This was decided before"
    remedy = "Send a new application if the circumstances have changed."


class SecondEyes(ExchangeRefusal):
    """A second person has to do this: not the one who suspended the institution, or who asked for the right."""

    code = "exchange.second-eyes"
    status = 409
    title = "A second person must decide this"
    remedy = "Ask a colleague with the same role."


class ReasonMissing(ExchangeRefusal):
    """A decision that takes something away, or refuses it, gives its reason: it is public, and can be complained of."""

    code = "exchange.reason-missing"
    status = 400
    title = "A reason is needed"
    remedy = "Write one or two sentences that the institution can understand."


class DescriptionWrong(ExchangeRefusal):
    """The description is not an OpenAPI 3.0 or 3.1 document that says what the service answers.

    `field` names the place in the document, `rule` what is expected there.
    """

    code = "exchange.description-wrong"
    status = 400
    title = "The description of the service cannot be used"
    remedy = "Correct the place that is named; a validator for OpenAPI shows the same."


class AddressNotNamed(ExchangeRefusal):
    """The exchange asks services only at addresses that its operator has named: otherwise any member could let it
    knock at doors inside."""

    code = "exchange.address-not-named"
    status = 400
    title = "The exchange does not ask at this address"
    remedy = "Ask the operator to name its host in MSINGI_SERVICE_HOSTS, or the authority to describe the service."


class KeyNotOwn(ExchangeRefusal):
    """A key is rolled over by a message that the software's own present key signed."""

    code = "exchange.key-not-own"
    title = "This key is not yours to change"
    remedy = "Sign the request with an active key of the same subsystem; if it is lost, the authority adds a new one."
