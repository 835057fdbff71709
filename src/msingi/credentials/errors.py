"""Every reason for which this room says no."""

from msingi.kernel.errors import Conflict, Malformed, NotFound, Refusal, TooLarge


class Unreadable(Malformed):
    """The text, picture or token does not hold a credential in the form that its standard gives it.

    Nothing was concluded about the card: a smudge or a wrong scan has the same effect as an invention.
    The fact `rule` names the rule that was broken, for example `base45-character`, `zlib`, `cbor` or `claims`.
    """

    code = "credentials.unreadable"
    title = "This is not a readable credential"
    remedy = "Scan the whole QR code again in good light, or read the card with another device."


class NotGenuine(Refusal):
    """The credential can be read, but the issuer did not sign this content.

    Either the content was changed after it was signed, or someone else signed it, or the verifier holds an old
    copy of the issuer's keys (the fact `rule` is then `key`).
    """

    code = "credentials.not-genuine"
    status = 422
    title = "The issuer did not sign this"
    remedy = "Fetch the issuer's current keys and try again; if it still fails, do not accept the card."


class NoSuchCard(NotFound):
    """No card has this number, or it is not one that the caller may know of."""

    code = "credentials.no-such-card"
    title = "There is no such card"
    remedy = "Check the nine characters of the card's number."


class CardEnded(Conflict):
    """The card was revoked or has expired; both are final, and a final card is not suspended, reinstated or
    printed again."""

    code = "credentials.card-ended"
    title = "This card has ended"
    remedy = "Issue a new card to the person."


class CardSuspended(Conflict):
    """The card is suspended. It is not printed again before it is reinstated."""

    code = "credentials.card-suspended"
    title = "This card is suspended"
    remedy = "Reinstate the card first, or revoke it and issue a new one."


class HolderHasCard(Conflict):
    """Another order is issuing a card to the same person at this moment; a person has one live card."""

    code = "credentials.holder-has-card"
    title = "A card is being issued to this person"
    remedy = "List the person's cards; repeat the order if there is no new one."


class HolderNotActive(Conflict):
    """The person's identity is suspended or deactivated, and a card would say otherwise."""

    code = "credentials.holder-not-active"
    title = "The person's identity is not active"
    remedy = "Reinstate the identity first, then issue or reinstate the card."


class HolderIncomplete(Conflict):
    """The person's record lacks something that a card must show; the fact `field` names it."""

    code = "credentials.holder-incomplete"
    title = "The person's record is not complete enough for a card"
    remedy = "Correct the record at a registration centre, then issue the card."


class TooManyCards(TooLarge):
    """One sheet order names more cards than are printed at once."""

    code = "credentials.too-many-cards"
    title = "Too many cards in one order"
    remedy = "Send at most 200 cards in one order."


class PictureTooLarge(TooLarge):
    """The uploaded picture is larger than 4 MB or than 24 million pixels."""

    code = "credentials.picture-too-large"
    title = "The picture is too large"
    remedy = "Upload a smaller picture; 1,600 pixels on the long side are enough."


class NoCodeFound(Refusal):
    """The uploaded picture is readable, but no QR code was found in it. It was not kept."""

    code = "credentials.no-code-found"
    status = 422
    title = "There is no QR code in the picture"
    remedy = "Take the picture again: the whole code, sharp, in good light, filling half of the picture."


class NoSuchStatusList(NotFound):
    """There is no status list with this number."""

    code = "credentials.no-such-status-list"
    title = "There is no such status list"
    remedy = "Use the address in the credential's status reference as it stands."


class HistoryNotKept(Refusal):
    """A status list of a past moment was asked for (`?time=`), and only the current one is published."""

    code = "credentials.history-not-kept"
    status = 501
    title = "Past status lists are not published"
    remedy = "Ask without `time`, and compare `iat` and `exp` of the answer."
