"""Why what people hold together says no: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound


class NeedsSignatures(Conflict):
    """The amount is above what one holder of this account, or one guardian, pays alone in a day. Nothing was paid.

    `alone_minor` is what one alone pays in a day, in minor units.
    """

    code = "payments.needs-signatures"
    title = "The other holders must sign too"
    remedy = "Propose the payment: it is made once every holder has signed. Or pay less today."


class NoSuchJoint(NotFound):
    """The caller holds no such joint account, and is not invited to one."""

    code = "payments.no-such-joint"
    title = "There is no such joint account"
    remedy = "Look at the list of your joint accounts."


class InvitationEnded(Conflict):
    """The invitation was accepted, declined, or is too old; or somebody else declined it."""

    code = "payments.invitation-ended"
    title = "The invitation is not open any more"
    remedy = "Ask the others to invite you again."


class NoSuchProposal(NotFound):
    """No such payment waits for the caller's signature."""

    code = "payments.no-such-proposal"
    title = "There is no such payment to sign"
    remedy = "Look at the list of payments that wait."


class ProposalEnded(Conflict):
    """The payment was made, refused by one of those who sign, or is too old. `state` says which."""

    code = "payments.proposal-ended"
    title = "This payment does not wait for signatures any more"
    remedy = "Propose it again if it should still be paid."


class LastHolder(Conflict):
    """A joint account keeps at least one holder. The last one closes it instead, once it is empty."""

    code = "payments.last-holder"
    title = "Somebody must hold the account"
    remedy = "Freeze the account, or let the last holder empty and close it."


class NotGuardian(NotFound):
    """The register knows no right of the caller to act for this person today, or nobody is meant."""

    code = "payments.not-guardian"
    title = "You are not this person's guardian"
    remedy = "Ask the register who may act for the person; a right ends on the day on which the person is an adult."
