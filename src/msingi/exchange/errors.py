"""Why the exchange says no: one class per reason; the class text is the page that its reader gets."""

from typing import ClassVar

from msingi.kernel.errors import Refusal


class ExchangeRefusal(Refusal):
    """The exchange did not carry out what was asked."""

    code: ClassVar[str] = "exchange.refused"
    status: ClassVar[int] = 403
    title: ClassVar[str] = "The exchange refused"
    remedy: ClassVar[str] = "Read the reason, and ask the governing authority when it does not help."
    xroad: ClassVar[str] = "Server.ServerProxy.AccessDenied"


class SignatureRefused(ExchangeRefusal):
    """The signature of the message is missing, malformed, too old, too narrow, or not of this message by this key.

    `step` says which of the eight verification steps failed, and the detail names its clause: 1 one signature,
    2 parameters, 3 time, 4 coverage, 5 key, 6 base, 7 signature, 8 digest of the body.
    """

    code = "exchange.signature-refused"
    status = 401
    title = "The signature was not accepted"
    remedy = "Sign the message as the onboarding guide shows, with a registered key and a clock that is right."
    xroad = "Server.ServerProxy.InvalidSignatureValue"


class MessageSeen(ExchangeRefusal):
    """A message with this `X-Road-Id` was already decided: a message counts once, so that nobody can replay it."""

    code = "exchange.message-seen"
    status = 409
    title = "This message was sent before"
    remedy = "Give every message a new X-Road-Id and sign it again."
    xroad = "Server.ServerProxy.InvalidRequest"


class BadCall(ExchangeRefusal):
    """The request line or a header of the message does not follow the X-Road Message Protocol for REST."""

    code = "exchange.bad-call"
    status = 400
    title = "The message is not well formed"
    remedy = "Check the path /r1/instance/class/member/subsystem/service and the headers that the rule names."
    xroad = "Client.BadRequest"


class BadOrder(BadCall):
    """An application, a description, or a request for a right has a field that cannot be taken as it is written."""

    code = "exchange.bad-order"
    title = "A field cannot be taken as it is written"
    remedy = "Correct the field that is named, as the rule says, and send it again."


class MessageTooLarge(ExchangeRefusal):
    """The body of the message is larger than this exchange accepts."""

    code = "exchange.message-too-large"
    status = 413
    title = "The message is too large"
    remedy = "Send a smaller body."
    xroad = "Client.BadRequest"


class NotStanding(ExchangeRefusal):
    """The institution, its subsystem or the key that signed is not active: not yet approved, suspended or revoked."""

    code = "exchange.not-standing"
    title = "The institution may not use the exchange now"
    remedy = "Ask the governing authority for the state of your membership."


class OfferUnknown(ExchangeRefusal):
    """No service of this name is offered by this owner, or it is switched off."""

    code = "exchange.service-unknown"
    status = 404
    title = "There is no such service"
    remedy = "Look the service up in the catalogue: /v1/exchange/services."
    xroad = "Server.ServerProxy.UnknownService"


class PersonUnknown(ExchangeRefusal):
    """The message names nobody whom this service knows, or the service asks for a person and none is named."""

    code = "exchange.person-unknown"
    status = 404
    title = "No such person"
    remedy = "Name the person by your institution's own pseudonym, or by identity number where your right allows it."
    xroad = "Client.BadRequest"


class NoRight(ExchangeRefusal):
    """The subsystem holds no right to this service for this purpose, method, path or field."""

    code = "exchange.no-right"
    title = "No right to this service for this purpose"
    remedy = "Ask the owner of the service for a right that names the purpose, the legal basis and the fields."


class BasisUnclear(ExchangeRefusal):
    """Several rights fit, on different legal bases, and the message does not say on which it rests."""

    code = "exchange.basis-unclear"
    status = 400
    title = "The legal basis is not clear"
    remedy = "Name the legal basis in the signed header Msingi-Basis."
    xroad = "Client.BadRequest"


class RightExceedsOffer(ExchangeRefusal):
    """A right would give more than its service offers: a purpose, a legal basis or a field that the service lacks."""

    code = "exchange.right-exceeds-service"
    status = 409
    title = "The right would exceed the service"
    remedy = "Grant only purposes, legal bases and fields that the catalogue lists for the service."


class InstitutionExists(ExchangeRefusal):
    """An institution with this member class and code, or a key with this thumbprint, is already registered."""

    code = "exchange.already-registered"
    status = 409
    title = "Already registered"
    remedy = "Choose another code, or another key."


class InstitutionUnknown(ExchangeRefusal):
    """No institution or subsystem with this identifier is registered."""

    code = "exchange.institution-unknown"
    status = 404
    title = "No such institution"
    remedy = "Look it up in the public list: /v1/exchange/institutions."
    xroad = "Client.BadRequest"


class BadKey(ExchangeRefusal):
    """The key is not a public Ed25519 JSON Web Key (RFC 8037)."""

    code = "exchange.bad-key"
    status = 400
    title = "The key is not usable"
    remedy = 'Send the public key as {"kty":"OKP","crv":"Ed25519","x":"..."} and keep the private part at home.'


class AnswerFailed(ExchangeRefusal):
    """The service was asked, and could not answer. That it was asked stands in the person's record all the same."""

    code = "exchange.service-failed"
    status = 502
    title = "The service could not answer"
    remedy = "Try again later with a new X-Road-Id, and tell the owner of the service if it lasts."
    xroad = "Server.ServerProxy.ServiceFailed.InternalError"


class AnswerUnreachable(ExchangeRefusal):
    """The server of the service does not accept connections. That it was to be asked stands in the person's record."""

    code = "exchange.service-unreachable"
    status = 502
    title = "The service cannot be reached"
    remedy = "Try again later with a new X-Road-Id, and tell the owner of the service if it lasts."
    xroad = "Server.ServerProxy.NetworkError"


class TooSlow(ExchangeRefusal):
    """The body of the message did not come: nothing for too long, or too little for its time."""

    code = "exchange.too-slow"
    status = 408
    title = "The message came too slowly"
    remedy = "Send the body at once after the head, over a better connection, or in smaller messages."
    xroad = "Client.BadRequest"
