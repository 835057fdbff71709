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


class NoSuchGroup(NotFound):
    """The caller belongs to no such savings group, or may not do this in it."""

    code = "payments.no-such-group"
    title = "There is no such group"
    remedy = "Look at the list of your groups. Payments out, fines and the record are for those who keep the keys."


class GroupNotOpen(Conflict):
    """The group takes no payments now: its keys are not accepted yet, or its share-out is under way; see `state`."""

    code = "payments.group-not-open"
    title = "The group takes no payments now"
    remedy = "Wait until those who keep the keys have accepted, or until the share-out is paid."


class AgainstConstitution(Conflict):
    """The group's own constitution does not allow it: too many shares at a meeting, a loan above the multiple of the
    member's own shares, or a share-out before the day. `rule` names which, `most_minor` the largest amount.
    """

    code = "payments.against-constitution"
    title = "The group's constitution does not allow this"
    remedy = "Read the constitution on the group's page; nothing was paid."


class NoSuchDebt(NotFound):
    """The member owes the group no such loan or fine any more, or less than was to be paid."""

    code = "payments.no-such-debt"
    title = "There is nothing so large to repay"
    remedy = "Look at what is owed on the group's page, and pay at most that."


class OwesTooMuch(Conflict):
    """A member owes the group more than the share-out would bring; the loan must be repaid first. `place` says who."""

    code = "payments.owes-too-much"
    title = "Somebody owes more than the share"
    remedy = "Let the member repay the difference first; then share out."
