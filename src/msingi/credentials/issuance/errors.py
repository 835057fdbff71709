"""Every reason for which issuance says no; `oauth` is the name in OpenID4VCI's and OAuth's error answers."""

from typing import ClassVar

from msingi.kernel.errors import Conflict, Malformed, NotFound, Refusal
from msingi.signin.errors import InvalidClient


class KindWrong(Malformed):
    """The description of a credential type breaks a rule; `field` and `rule` name it. Nothing was changed."""

    code = "credentials.kind-wrong"
    title = "The credential type is not well described"
    remedy = "Correct the named part of the description and propose it again."


class NoSuchKind(NotFound):
    """There is no credential type with this name, or it is not in force."""

    code = "credentials.no-such-kind"
    title = "There is no such type of credential"
    remedy = "Look the types up at /.well-known/openid-credential-issuer."


class KindTaken(Conflict):
    """A credential type with this name is in force already, or was proposed by another institution."""

    code = "credentials.kind-taken"
    title = "This name of a credential type is taken"
    remedy = "Choose another name."


class OwnProposal(Conflict):
    """Whoever proposed a credential type does not approve it (law 7)."""

    code = "credentials.own-proposal"
    title = "Somebody else must decide about this proposal"
    remedy = "Ask an approver who did not propose it."


class ValueWrong(Malformed):
    """A value of the award is missing, or is not what the credential type's description asks for.

    `field` names the claim and `rule` the rule that it breaks.
    """

    code = "credentials.value-wrong"
    title = "A value does not fit the credential type"
    remedy = "Correct the named value."


class NoSuchHolding(NotFound):
    """The person holds no such credential, or the caller may not know of it."""

    code = "credentials.no-such-holding"
    title = "There is no such credential"
    remedy = "Look at the person's list of credentials."


class HoldingEnded(Conflict):
    """The credential was ended or has expired; both are final (law 3)."""

    code = "credentials.holding-ended"
    title = "This credential has ended"
    remedy = "Award a new one."


class NoSuchOffer(NotFound):
    """The offer has expired, was used, or never existed."""

    code = "credentials.no-such-offer"
    title = "This offer is not valid any more"
    remedy = "Make a new offer, on the page of your credentials or at the office."


class NoSuchRequest(NotFound):
    """No request of a wallet with this id waits for a decision."""

    code = "credentials.no-such-request"
    title = "There is no such request"
    remedy = "Look at the list of waiting requests; somebody else may have decided."


class WalletProviderWrong(Malformed):
    """The wallet provider's certificate cannot be read, or is not of a kind that may sign attestations."""

    code = "credentials.wallet-provider-wrong"
    title = "The wallet provider's certificate is not usable"
    remedy = "Send the provider's root certificate as PEM or as base64 of its DER."


class CredentialRefusal(Refusal):
    """A request of a wallet is refused; the answer names the error of OpenID4VCI 1.0, section 8.3.1.2."""

    code = "credentials.request-refused"
    title = "The wallet's request is refused"
    remedy = "Update the wallet, or try again from the offer."
    oauth: ClassVar[str] = "invalid_credential_request"


class InvalidCredentialRequest(CredentialRefusal):
    """The credential request lacks a part, has one too many, or one of the wrong type."""

    code = "credentials.invalid-credential-request"
    title = "The credential request is malformed"


class UnknownConfiguration(CredentialRefusal):
    """The credential configuration is unknown, or the access token does not allow it."""

    code = "credentials.unknown-configuration"
    title = "The credential configuration is unknown"
    oauth = "unknown_credential_configuration"


class UnknownIdentifier(CredentialRefusal):
    """The credential identifier is unknown, or the access token does not allow it."""

    code = "credentials.unknown-identifier"
    title = "The credential identifier is unknown"
    oauth = "unknown_credential_identifier"


class InvalidProofOfKey(CredentialRefusal):
    """No proof of possession came, or one does not prove what it must; `rule` names the check that failed."""

    code = "credentials.invalid-proof"
    title = "The proof of the wallet's key is not valid"
    oauth = "invalid_proof"


class InvalidNonce(CredentialRefusal):
    """A proof carries no nonce of ours, an old one, or one that was used before."""

    code = "credentials.invalid-nonce"
    title = "The proof's nonce is not valid"
    remedy = "Fetch a fresh nonce from the nonce endpoint and make the proof again."
    oauth = "invalid_nonce"


class InvalidEncryption(CredentialRefusal):
    """The wallet asks for an encrypted answer in a way that is not offered, or in a request that is not encrypted."""

    code = "credentials.invalid-encryption"
    title = "The encryption that was asked for is not possible"
    oauth = "invalid_encryption_parameters"


class RequestDenied(CredentialRefusal):
    """The credential is not issued: it is suspended or ended, or an officer decided so."""

    code = "credentials.request-denied"
    title = "The credential is not issued"
    remedy = "Ask the institution that issues it."
    oauth = "credential_request_denied"


class InvalidTransaction(CredentialRefusal):
    """The transaction id of a deferred request is unknown, another wallet's, or was used before."""

    code = "credentials.invalid-transaction"
    title = "The deferred request is unknown"
    oauth = "invalid_transaction_id"


class InvalidNotificationId(CredentialRefusal):
    """The notification id is not one that this issuer gave to this wallet."""

    code = "credentials.invalid-notification-id"
    title = "The notification id is unknown"
    oauth = "invalid_notification_id"


class InvalidNotification(CredentialRefusal):
    """The notification lacks its id or names an event that the standard does not know."""

    code = "credentials.invalid-notification"
    title = "The notification is malformed"
    oauth = "invalid_notification_request"


class InvalidAttestation(InvalidClient):
    """The wallet's attestation, or the proof beside it, is not valid; `rule` names the check that failed.

    (Attestation-based client authentication, draft 10, section 8)
    """

    code = "credentials.invalid-attestation"
    title = "The wallet's attestation is not accepted"
    remedy = "Update the wallet, or use one whose provider is accepted here."
    oauth = "invalid_client_attestation"
