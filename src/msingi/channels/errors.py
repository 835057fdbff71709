"""Every reason for which this room says no."""

from msingi.kernel.errors import Malformed, NotPermitted


class NotTheGateway(NotPermitted):
    """The USSD door answers the country's gateway only, and the request does not carry its key.

    Outside a sandbox the gateway shows the setting `ussd_key` as a bearer token; in a sandbox the loopback address
    is enough.
    """

    code = "channels.not-the-gateway"
    title = "This door is for the USSD gateway"
    remedy = "Set `ussd_key` on both sides, and send it in the Authorization header as a bearer token."


class BadDialogue(Malformed):
    """The gateway's request lacks a field, or a field has the wrong shape; `field` and `rule` say which.

    Needed are `sessionId` (1 to 128 characters), `phoneNumber` (E.164) and `text` (may be empty).
    """

    code = "channels.bad-dialogue"
    title = "The gateway's request cannot be read"
    remedy = "Map the gateway's fields to sessionId, phoneNumber and text."
