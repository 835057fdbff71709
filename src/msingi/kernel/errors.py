"""The three endings of an act: a Refusal (an expected no), an Outage (try later), or a bug (never caught here)."""

from typing import Any, ClassVar

Fact = str | int


class Refusal(Exception):
    """An expected no. The class is the reason; the docstring is its public page.

    `code` is stable and public, `status` is the HTTP status, `remedy` says what the caller can do.
    `detail` and `facts` never hold personal data: they travel into logs and answers.
    """

    code: ClassVar[str] = "refusal"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "Refused"
    remedy: ClassVar[str] = "Correct the request and send it again."

    def __init__(self, detail: str = "", **facts: Fact) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.facts = facts

    def problem(self, request_id: str = "") -> dict[str, Any]:
        """The members of an `application/problem+json` body (RFC 9457, section 3.1)."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "remedy": self.remedy,
        }
        if self.detail:
            body["detail"] = self.detail
        if request_id:
            body["instance"] = f"urn:msingi:request:{request_id}"
        return body | dict(self.facts)


class Malformed(Refusal):
    """The request does not have the shape that this door accepts.

    `field` names the part that is wrong and `rule` the rule that it breaks. Nothing was changed.
    """

    code = "malformed"
    status = 400
    title = "The request is malformed"
    remedy = "Correct the named field so that it follows the named rule, and send the request again."


class NotSignedIn(Refusal):
    """The door needs to know who is asking, and the request carries no valid sign-in.

    The session may have ended, or the access token may be missing, expired, or bound to another key.
    """

    code = "not-signed-in"
    status = 401
    title = "Sign in first"
    remedy = "Sign in, or obtain a fresh access token, and repeat the request."


class NotPermitted(Refusal):
    """The policy does not allow this act, by this actor, for this purpose, on this legal basis.

    `act` names the act. The command `msingi policy explain` shows which rule would have allowed it.
    """

    code = "not-permitted"
    status = 403
    title = "This act is not permitted"
    remedy = "Use a role, a purpose and a legal basis for which the act is allowed, or ask for the right to do it."


class NotFound(Refusal):
    """There is nothing with this name that the caller may see.

    The answer is the same for what does not exist and for what the caller has no right to know of.
    """

    code = "not-found"
    status = 404
    title = "Not found"
    remedy = "Check the identifier."


class Conflict(Refusal):
    """The request contradicts the present state, for example because somebody else changed it first."""

    code = "conflict"
    status = 409
    title = "The request conflicts with the present state"
    remedy = "Read the present state, decide again, and repeat the request."


class DifferentContent(Conflict):
    """The same idempotency key arrived before, with other content.

    A key stands for one intention. Nothing was done a second time.
    """

    code = "different-content"
    title = "This key was used for another request"
    remedy = "Use a new key for a new intention, or repeat the first request unchanged to get its receipt."


class Overtaken(Exception):
    """What an act expected to find was no longer so, and nothing of it happened: it is done again, and looks first."""


class Erased(Refusal):
    """The content was erased by destroying its key. That it existed can still be proved; it cannot be read."""

    code = "erased"
    status = 410
    title = "The content was erased"
    remedy = "Nothing can bring it back; the log still proves that the act took place."


class TooLarge(Refusal):
    """The request is larger than this door accepts."""

    code = "too-large"
    status = 413
    title = "The request is too large"
    remedy = "Send less at once, within the limit named in the answer."


class TooMany(Refusal):
    """Too many attempts in a short time. `retry_after_s` says when the next one is accepted."""

    code = "too-many"
    status = 429
    title = "Too many attempts"
    remedy = "Wait for the named number of seconds, then try again."


class Outage(Exception):
    """The stack cannot act now, through no fault of the caller; nothing was changed.

    `retry_after_s` is the number of seconds after which a repetition makes sense.
    """

    def __init__(self, detail: str = "", retry_after_s: int = 5) -> None:
        super().__init__(detail or "temporarily unavailable")
        self.retry_after_s = retry_after_s


class LeafMissing(AssertionError):
    """A bug: a transaction tried to commit although one of its permits left no leaf. It was rolled back."""
