"""Refusals of sign-in. `oauth` is the name that the OAuth dialect gives to the same reason."""

from typing import ClassVar

from msingi.kernel.errors import Conflict, NotSignedIn, Refusal, TooMany


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
    """A `request_uri` was pushed, or one that this provider did not give: it fetches nothing from elsewhere."""

    code = "signin.request-not-supported"
    title = "Requests by foreign reference are not supported"
    remedy = "Push the parameters, or a signed request object, to the pushed authorization request endpoint."
    oauth = "request_uri_not_supported"


class UnsupportedResponseType(InvalidRequest):
    """Only `response_type=code` is offered: tokens never travel through the browser."""

    code = "signin.unsupported-response-type"
    title = "Only the authorization code is offered"
    remedy = "Use response_type=code."
    oauth = "unsupported_response_type"


class InvalidAuthorizationDetails(Refusal):
    """`authorization_details` is not a JSON array of objects, or names a type or a member that is not known.

    (RFC 9396, section 5)
    """

    code = "signin.invalid-authorization-details"
    status = 400
    title = "The authorization details are not valid"
    remedy = "Send a JSON array of objects whose type stands in this provider's metadata."
    oauth: ClassVar[str] = "invalid_authorization_details"


class InvalidRequestObject(InvalidRequest):
    """The signed request (`request`, RFC 9101) is not signed by the client, has run out, or is for another provider.

    `rule` names the step of the verification that failed.
    """

    code = "signin.invalid-request-object"
    title = "The signed request is not valid"
    remedy = "Sign a fresh request object: iss the client_id, aud the issuer, exp near, by a registered key."
    oauth = "invalid_request_object"


class UseDpopNonce(Refusal):
    """The DPoP proof must hold a nonce of this provider, which the answer brings in its `DPoP-Nonce` header.

    (RFC 9449, section 8)
    """

    code = "signin.use-dpop-nonce"
    status = 400
    title = "The DPoP proof needs a nonce"
    remedy = "Make the proof again with the nonce in the DPoP-Nonce header, and repeat the request."
    oauth: ClassVar[str] = "use_dpop_nonce"


class UnmetAuthentication(Refusal):
    """The client demanded (`acr` as an essential claim) a strength of sign-in that this provider does not offer."""

    code = "signin.unmet-authentication"
    status = 400
    title = "This strength of sign-in is not offered"
    remedy = "Ask for an acr that stands in acr_values_supported."
    oauth: ClassVar[str] = "unmet_authentication_requirements"


class InvalidBindingMessage(Refusal):
    """The binding message is too long, or holds characters that do not show on every screen (CIBA, section 13)."""

    code = "signin.invalid-binding-message"
    status = 400
    title = "The binding message is not acceptable"
    remedy = "Send a short text of plain characters, the same that the person sees on the other screen."
    oauth: ClassVar[str] = "invalid_binding_message"


class AuthorizationPending(Refusal):
    """The person has not decided yet (CIBA, section 11)."""

    code = "signin.authorization-pending"
    status = 400
    title = "The person has not decided yet"
    remedy = "Ask again after the interval."
    oauth: ClassVar[str] = "authorization_pending"


class SlowDown(Refusal):
    """The software asked again too soon; from now on it must wait five seconds longer (CIBA, section 11)."""

    code = "signin.slow-down"
    status = 400
    title = "The software asks too often"
    remedy = "Add five seconds to the interval, and ask again then."
    oauth: ClassVar[str] = "slow_down"


class ExpiredRequest(Refusal):
    """The request ran out before the person decided, or before its tokens were fetched (CIBA, section 11)."""

    code = "signin.expired-request"
    status = 400
    title = "The request has run out"
    remedy = "Ask the person again."
    oauth: ClassVar[str] = "expired_token"


class RequestRefused(Refusal):
    """The person said no (CIBA, section 11)."""

    code = "signin.request-refused"
    status = 400
    title = "The person said no"
    remedy = "Offer another way, and do not ask again unless the person wants it."
    oauth: ClassVar[str] = "access_denied"


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
    """The grant type does not stand in `grant_types_supported` of this provider's metadata."""

    code = "signin.unsupported-grant"
    status = 400
    title = "This grant type is not offered"
    remedy = "Use a grant type that stands in grant_types_supported."
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


class ForgedRequest(Refusal):
    """The request does not carry the token that its page was given in this browser: another site may have sent it."""

    code = "signin.forged-request"
    status = 403
    title = "The request was not made by the sign-in page"
    remedy = "Get a token at /v1/esignet/csrf/token in the same browser, keep its cookie, and send it as X-XSRF-TOKEN."


class SameHand(Refusal):
    """Software is proposed by one operator and put in force by another."""

    code = "signin.same-hand"
    status = 409
    title = "You proposed this yourself"
    remedy = "Ask another operator to decide."


class PinNotAcceptable(Refusal):
    """A PIN has 4 to 8 digits, not all the same and not a plain row such as 1234."""

    code = "signin.pin-not-acceptable"
    status = 400
    title = "This PIN is not acceptable"
    remedy = "Choose 4 to 8 digits that are not all the same and not a plain row."


class ChecksMissing(Refusal):
    """An account is given back only after at least two different checks of who the person is."""

    code = "signin.checks-missing"
    status = 400
    title = "Too few checks were made"
    remedy = "Make at least two of the checks that the rule names, and say which."


class CoolingOff(Refusal):
    """The account was given back at a centre less than three days ago; weighty acts wait, so that its owner can object.

    Signing in works as usual.
    """

    code = "signin.cooling-off"
    status = 403
    title = "This must wait a little"
    remedy = "Try again after the named time; if you did not recover your account yourself, go to a centre at once."
    oauth: ClassVar[str] = "access_denied"


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


class PasskeyWrong(Refusal):
    """The passkey's answer does not verify: another address, another challenge, no user verification, or removed.

    `rule` names the step. (Web Authentication Level 3, sections 7.1 and 7.2)
    """

    code = "signin.passkey-wrong"
    status = 403
    title = "The passkey was not accepted"
    remedy = "Start again on this site, and unlock your device when it asks; or sign in with PIN and code."
    oauth: ClassVar[str] = "access_denied"


class BadRegistration(Refusal):
    """The client cannot be registered like this; `rule` names what a client of its profile must have."""

    code = "signin.bad-registration"
    status = 400
    title = "The client cannot be registered like this"
    remedy = "Correct what the rule names and register again."


class OwnAccount(Conflict):
    """Nobody closes the account that they are using: another operator does it."""

    code = "signin.own-account"
    title = "This is your own account"
    remedy = "Ask another operator to close it."


class BadQuestion(Refusal):
    """A yes/no question names one person (`number` or `pseudonym`) and at least one proof.

    Proofs are what is `said` of the person, a `pin`, or a `challenge` with its `code`.
    """

    code = "signin.bad-question"
    status = 400
    title = "The question is not complete"
    remedy = "Give exactly one of number and pseudonym, and at least one of said, pin and (challenge with code)."
