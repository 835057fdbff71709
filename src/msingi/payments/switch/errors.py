"""Why the switch refuses, each reason with its code of the FSPIOP API (API definition 1.1, section 7.6)."""

from typing import ClassVar

from msingi.kernel.errors import Conflict, Malformed, NotFound, NotSignedIn, Refusal


class SwitchRefusal(Refusal):
    """The switch refuses the message; `errorCode` in the answer is the FSPIOP code of the reason."""

    code = "payments.switch-refused"
    title = "The switch refuses the message"
    fspiop: ClassVar[str] = "3000"


class BadSyntax(SwitchRefusal, Malformed):
    """A part of the message does not have the form that the FSPIOP API gives it; `field` names it."""

    code = "payments.switch-syntax"
    title = "The message does not have the form of the FSPIOP API"
    remedy = "Correct the named field as the API definition 1.1 describes it."
    fspiop = "3101"


class MissingElement(BadSyntax):
    """A header or a member of the body that the FSPIOP API requires is missing; `field` names it."""

    code = "payments.switch-missing"
    title = "A required part of the message is missing"
    fspiop = "3102"


class BadVersion(SwitchRefusal):
    """The switch does not speak the version that the message asks for; the answer names those that it speaks."""

    code = "payments.switch-version"
    status = 406
    title = "The switch does not speak this version"
    remedy = "Ask for version 1.0 or 1.1 of the resource in Accept and Content-Type."
    fspiop = "3001"


class BadSignature(SwitchRefusal):
    """The message is not signed by the participant that it names as its source, or it was signed otherwise."""

    code = "payments.switch-signature"
    status = 400
    title = "The signature does not hold"
    remedy = "Sign the exact body, the address from the service on, and the headers, with the key that was registered."
    fspiop = "3105"


class NotTheSource(SwitchRefusal, NotSignedIn):
    """Nothing proves that the participant named as the source sent the message: no signature, and no valid token."""

    code = "payments.switch-unproved"
    title = "The source of the message is not proved"
    remedy = "Sign the message, or send the participant's token with a request to read."
    fspiop = "3105"


class BadKey(SwitchRefusal, Malformed):
    """A participant signs with an RSA key of at least 2048 bits, registered in PEM."""

    code = "payments.switch-key"
    title = "The key cannot be used"
    remedy = "Send the public RSA key, 2048 bits or more, in PEM."
    fspiop = "3101"


class UnknownFsp(SwitchRefusal, NotFound):
    """No participant of this name takes part at present: it does not exist, or it is suspended. `party` says which."""

    code = "payments.switch-unknown-fsp"
    status = 400
    title = "There is no such participant"
    remedy = "Check the name of the participant, and whether it is active."
    fspiop = "3201"


class UnknownParty(SwitchRefusal, NotFound):
    """Nobody is known under this identifier, or the one who keeps the account does not answer for it."""

    code = "payments.switch-unknown-party"
    title = "There is no such party"
    remedy = "Check the type and the identifier of the party."
    fspiop = "3204"


class UnknownId(SwitchRefusal, NotFound):
    """The message is about something that does not exist, or that its sender has no part in."""

    code = "payments.switch-unknown-id"
    title = "There is nothing with this id"
    remedy = "Check the id; only the participants of a transfer, quote or request may ask for it or answer it."
    fspiop = "3200"


class Modified(SwitchRefusal, Conflict):
    """The same id came before with other content. Nothing was done a second time."""

    code = "payments.switch-modified"
    title = "This id was used for another request"
    remedy = "Use a new id for a new request; repeat a request unchanged to get its answer again."
    fspiop = "3106"


class BadFulfilment(SwitchRefusal):
    """The fulfilment is not the one that the condition of the transfer asks for. No money moved."""

    code = "payments.switch-fulfilment"
    title = "The fulfilment does not fit the condition"
    remedy = "Send the fulfilment that was made for this transfer's packet."
    fspiop = "3100"


class Expired(SwitchRefusal, Conflict):
    """The time of the transfer, quote or request is over. Nothing is reserved for it any more."""

    code = "payments.switch-expired"
    title = "Its time is over"
    remedy = "Begin again with a new quote and a new transfer."
    fspiop = "3303"


class NotPromised(SwitchRefusal, Conflict):
    """The transfer is paid with what a conversion brings, and the exchange provider has not fulfilled it yet."""

    code = "payments.switch-not-promised"
    title = "The conversion is not promised yet"
    remedy = "Wait for PUT /fxTransfers with the provider's fulfilment, then send the transfer."
    fspiop = "3100"


class NotConverted(SwitchRefusal):
    """The participant does not convert these two currencies at this switch, or does not settle in both now."""

    code = "payments.switch-not-converted"
    title = "This participant does not convert these currencies"
    remedy = "Ask GET /services/FXP/{source}/{target} who does."
    fspiop = "5106"


class NoLiquidity(SwitchRefusal, Conflict):
    """The payer's participant may not owe this much more: its limit, or its cover, is used up."""

    code = "payments.switch-no-liquidity"
    title = "The payer's participant has not enough liquidity"
    remedy = "Put money into the cover account, raise the limit, or wait for the next settlement."
    fspiop = "4001"


class BadCurrency(SwitchRefusal):
    """The switch, or one of the two participants, does not settle in this currency."""

    code = "payments.switch-currency"
    title = "The currency is not settled here"
    remedy = "Send an amount in a currency that both participants settle in."
    fspiop = "5106"


class TooOften(SwitchRefusal):
    """The participant asked for too many parties that do not exist: names are not to be collected."""

    code = "payments.switch-too-often"
    status = 429
    title = "Too many look-ups found nobody"
    remedy = "Wait for the named number of seconds; ask only for parties that a customer named."
    fspiop = "2005"


class OverCover(Conflict):
    """A limit may not be above the cover, and cover that a limit rests on may not be taken out."""

    code = "payments.switch-over-cover"
    title = "The cover is too small for this"
    remedy = "Put money into the cover account first, or lower the limit; what is owed already cannot be uncovered."


class OwnProposal(Conflict):
    """Who joins, and what cover and limits are, is decided by another officer than the one who proposed it."""

    code = "payments.switch-own-proposal"
    title = "Somebody else decides about your proposal"
    remedy = "Ask a colleague of the central bank to approve it; you can only take it back."


class NoSuchProposal(NotFound):
    """There is no proposal of this id that waits for a decision: it does not exist, or it was decided."""

    code = "payments.switch-no-proposal"
    title = "There is no such proposal"
    remedy = "Look at the list of what waits."


class NoSuchWindow(NotFound):
    """There is no settlement window with this number."""

    code = "payments.switch-no-window"
    title = "There is no such settlement window"
    remedy = "Look at the list of windows."


class WindowNotReady(Conflict):
    """The window is not in the state that this needs: only an open one is closed, only a closed one is settled."""

    code = "payments.switch-window-state"
    title = "The settlement window is not in the right state"
    remedy = "Look at the state of the window first."


class FspExists(Conflict):
    """A participant of this name has joined already, with another institution or key."""

    code = "payments.switch-exists"
    title = "There is a participant of this name"
    remedy = "Choose another name, or change the existing participant."
