"""Why news says no: one class per reason; the class text is the page that its reader gets."""

from msingi.exchange.errors import ExchangeRefusal


class EventTypeUnknown(ExchangeRefusal):
    """This publisher has no such kind of event, or there is no subscription to it."""

    code = "exchange.event-type-unknown"
    status = 404
    title = "There is no such kind of event"
    remedy = "GET /r1/{publisher}/api/v1/eventType lists the kinds of event of a publisher."
    xroad = "Client.BadRequest"


class NotPublisher(ExchangeRefusal):
    """Only the software whose events these are describes and publishes them."""

    code = "exchange.not-publisher"
    title = "These events are another's"
    remedy = "Use the path of your own software to publish."


class NoEventRight(ExchangeRefusal):
    """The subscriber holds no living right to the service that this kind of event belongs to."""

    code = "exchange.no-event-right"
    title = "No right to these events"
    remedy = "Ask the owner of the service for a right to it; then subscribe."


class CallbackRefused(ExchangeRefusal):
    """The address is not one to which the operator of this exchange lets it send events."""

    code = "exchange.callback-refused"
    status = 400
    title = "Events are not sent to this address"
    remedy = "Ask the operator to name its host in MSINGI_CALLBACK_HOSTS, or fetch the events from the mailbox."
    xroad = "Client.BadRequest"
