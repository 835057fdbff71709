"""Refusals of wallet keys."""

from typing import ClassVar

from msingi.kernel.errors import Conflict, Refusal


class WalletKeyWrong(Refusal):
    """What a wallet signed does not verify: another key, person or audience, not made just now, or used before.

    `rule` names the step. (eSignet: wallet local authentication)
    """

    code = "signin.wallet-key-wrong"
    status = 403
    title = "What the wallet signed was not accepted"
    remedy = "Let the wallet sign anew for this sign-in; or bind it again with a code by SMS."
    oauth: ClassVar[str] = "access_denied"


class WalletNotBound(Refusal):
    """The one-time code, the PIN or the number with which a wallet was to be bound is wrong, or the code too old."""

    code = "signin.wallet-not-bound"
    status = 403
    title = "The wallet was not bound"
    remedy = "Ask for a new code, and send it together with the number that it was sent for."
    oauth: ClassVar[str] = "access_denied"


class WalletKeyTaken(Conflict):
    """This key was bound before: each binding has a key of its own, which belongs to one person."""

    code = "signin.wallet-key-taken"
    title = "This key was bound before"
    remedy = "Make a new key pair in the wallet, and bind that."
    oauth: ClassVar[str] = "invalid_request"
