"""Refusals of sign-in. `oauth` is the name that the OAuth dialect gives to the same reason."""

from typing import ClassVar

from msingi.kernel.errors import NotSignedIn, Refusal, TooMany


class InvalidRequest(Refusal):
    """The authorization or token request lacks a parameter, repeats one, or gives one a value that is not allowed.

    `field` names the parameter. (RFC 6749, sections 4.1.2.1 and 5.2)
    """

    code = "signin.invalid-request"
    status = 400
    title = "The sign-in request is not valid"
    remedy = "Correct the named parameter in the software that sent you here, and start again."
    oauth: ClassVar[str] = "invalid_request"


class PushedRequestNeeded(InvalidRequest):
    """This client promised FAPI 2.0: it must push its request first (RFC 9126) and send only `request_uri`."""

    code = "signin.pushed-request-needed"
    title = "This client must push its request first"
    remedy = "Send the parameters to the pushed authorization request endpoint, then use the request_uri it answers."


class RequestNotSupported(InvalidRequest):
    """A request object (`request`, RFC 9101) was sent, which this provider does not read; use PAR instead."""

    code = "signin.request-not-supported"
    title = "Request objects are not supported"
    remedy = "Push the parameters to the pushed authorization request endpoint."
    oauth = "request_not_supported"


class UnsupportedResponseType(InvalidRequest):
    """Only `response_type=code` is offered: tokens never travel through the browser."""

    code = "signin.unsupported-response-type"
    title = "Only the authorization code is offered"
    remedy = "Use response_type=code."
    oauth = "unsupported_response_type"


class RedirectMismatch(Refusal):
    """The address to return to is not one that the client registered, character for character.

    The answer is shown here and sent nowhere, so that nobody is led to a foreign address (law 6).
    """

    code = "signin.redirect-mismatch"
    status = 400
    title = "The address to return to is not registered"
    remedy = "Register this redirect_uri for the client, or send one that is registered, exactly as registered."
    oauth: ClassVar[str] = "invalid_request"


class InvalidClient(Refusal):
    """The client is unknown, or did not prove itself as it promised (RFC 6749, section 5.2; RFC 7523, section 3).

    `rule` names the step of the verification that failed.
    """

    code = "signin.invalid-client"
    status = 401
    title = "The client did not prove who it is"
    remedy = "Sign a fresh assertion: iss and sub the client_id, aud the issuer as one string, a new jti, exp near."
    oauth: ClassVar[str] = "invalid_client"


class UnauthorizedClient(Refusal):
    """The client is known, but may not use this grant or this door."""

    code = "signin.unauthorized-client"
    status = 400
    title = "The client may not do this"
    remedy = "Use a grant that the client was registered for, or ask the operator to register it."
    oauth: ClassVar[str] = "unauthorized_client"


class InvalidGrant(Refusal):
    """The code or refresh token is unknown, used, expired, ended, or was made for another client, address or key.

    `rule` names the check. A code that arrives a second time ends the tokens of the first (law 4).
    """

    code = "signin.invalid-grant"
    status = 400
    title = "The code or refresh token is not valid"
    remedy = "Start a new sign-in; a code is used once, within 60 seconds, by the client that asked for it."
    oauth: ClassVar[str] = "invalid_grant"


class UnsupportedGrant(Refusal):
    """Only `authorization_code`, `refresh_token` and `client_credentials` are offered."""

    code = "signin.unsupported-grant"
    status = 400
    title = "This grant type is not offered"
    remedy = "Use authorization_code, refresh_token or client_credentials."
    oauth: ClassVar[str] = "unsupported_grant_type"


class InvalidScope(Refusal):
    """A scope was asked for that does not exist or that the client may not have."""

    code = "signin.invalid-scope"
    status = 400
    title = "The scope is not allowed"
    remedy = "Ask only for scopes that the client was registered for."
    oauth: ClassVar[str] = "invalid_scope"


class InvalidProof(Refusal):
    """The DPoP proof is missing, malformed, stale, used before, or for another request or key (RFC 9449, section 4.3).

    `rule` names the step that failed.
    """

    code = "signin.invalid-dpop-proof"
    status = 400
    title = "The DPoP proof is not valid"
    remedy = "Make a fresh proof for exactly this method and address, with the key that the token is bound to."
    oauth: ClassVar[str] = "invalid_dpop_proof"


class InvalidToken(NotSignedIn):
    """The access token is malformed, expired, ended, for another audience, or not accompanied by its key's proof.

    (RFC 6750, section 3.1; RFC 9449, section 7.1)
    """

    code = "signin.invalid-token"
    status = 401
    title = "The access token is not valid"
    remedy = "Obtain a fresh access token and send it with a fresh DPoP proof if it is bound to a key."
    oauth: ClassVar[str] = "invalid_token"


class AccessDenied(Refusal):
    """The person said no, or the account may not sign in to this client."""

    code = "signin.access-denied"
    status = 403
    title = "Access was denied"
    remedy = "Start again and agree, or use the service in another way."
    oauth: ClassVar[str] = "access_denied"


class LoginRequired(Refusal):
    """The client asked for no page (`prompt=none`), but somebody must sign in first."""

    code = "signin.login-required"
    status = 400
    title = "Somebody must sign in first"
    remedy = "Send the person here again without prompt=none."
    oauth: ClassVar[str] = "login_required"


class ConsentRequired(Refusal):
    """The client asked for no page (`prompt=none`), but the person has not agreed to these claims yet."""

    code = "signin.consent-required"
    status = 400
    title = "The person has not agreed yet"
    remedy = "Send the person here again without prompt=none."
    oauth: ClassVar[str] = "consent_required"


class FlowLost(Refusal):
    """The sign-in took too long, was finished already, or was begun in another browser; or cookies are refused.

    Nothing was changed. The page that sent the person here can start again.
    """

    code = "signin.flow-lost"
    status = 400
    title = "This sign-in cannot be continued"
    remedy = "Go back to the service that you wanted to use and sign in again. Allow cookies for this site."
    oauth: ClassVar[str] = "invalid_request"


class PinNotAcceptable(Refusal):
    """A PIN has 4 to 8 digits, not all the same and not a plain row such as 1234."""

    code = "signin.pin-not-acceptable"
    status = 400
    title = "This PIN is not acceptable"
    remedy = "Choose 4 to 8 digits that are not all the same and not a plain row."


class NoPhone(Refusal):
    """The account has no telephone number, so no one-time code can be sent."""

    code = "signin.no-phone"
    status = 409
    title = "No telephone number is known for this account"
    remedy = "Visit a registration centre and have your telephone number added."
    oauth: ClassVar[str] = "access_denied"


class TooManyTries(TooMany):
    """Too many wrong attempts from this device or network; `retry_after_s` says when the next is accepted.

    Attempts from elsewhere do not count here: a device that was used before stays open to its owner (law 2).
    """

    code = "signin.too-many-tries"
    title = "Too many wrong attempts"
    remedy = "Wait for the named time, or use a device on which you have signed in before."
    oauth: ClassVar[str] = "access_denied"


class BadRegistration(Refusal):
    """The client cannot be registered like this; `rule` names what a client of its profile must have."""

    code = "signin.bad-registration"
    status = 400
    title = "The client cannot be registered like this"
    remedy = "Correct what the rule names and register again."


class BadQuestion(Refusal):
    """A yes/no question names one person (`number` or `pseudonym`) and one proof (`pin`, or `challenge` and `code`)."""

    code = "signin.bad-question"
    status = 400
    title = "The question is not complete"
    remedy = "Give exactly one of number and pseudonym, and exactly one of pin and (challenge with code)."
