"""The refusals of the identity room, one class per reason."""

from msingi.kernel.errors import Conflict, Malformed, NotFound, NotPermitted, TooMany


class NumberWrong(Malformed):
    """The identity number is not one that was ever issued: it has 12 digits, does not begin with 0, and its last
    digit is a check digit. `rule` says which of these is broken, so that a slip of the pen can be corrected.
    """

    code = "identity.number-wrong"
    title = "This is not an identity number"
    remedy = "Read the 12 digits again from the card; spaces and hyphens do not matter."


class PhotoRefused(Malformed):
    """The photo cannot be used. `rule` says why: `image` (not a readable JPEG or PNG), `bytes` (larger than 5 MB),
    `pixels` (smaller than 160 x 200, or more than 40 million), `shape` (not portrait), `contrast` (blank or dark).

    A missing photo never stops an enrolment.
    """

    code = "identity.photo-refused"
    title = "The photo cannot be used"
    remedy = "Take a new portrait photo in good light, or enrol without a photo and add it later."


class UnknownNumber(NotFound):
    """No person has this identity number, or none that the caller may know of."""

    code = "identity.unknown-number"
    title = "No person has this number"
    remedy = "Check the number with the person; the check digit is right, so it may belong to another register."


class TooManyMisses(TooMany):
    """Too many look-ups by this caller found nobody, as when somebody tries numbers to learn which exist.

    It is counted for each person, member of staff and program; `retry_after_s` says when look-ups are open again.
    """

    code = "identity.too-many-misses"
    title = "Too many look-ups found nobody"
    remedy = "Wait for the named number of seconds, and check numbers with the people concerned."


class NotInUse(Conflict):
    """The person exists, but the identity is suspended or deactivated and must not be relied on.

    `status` says which of the two.
    """

    code = "identity.not-in-use"
    title = "This identity is not in use"
    remedy = "The person can ask at an enrolment office why, and have it put right."


class UnknownCase(NotFound):
    """There is no duplicate case with this id."""

    code = "identity.unknown-case"
    title = "No such duplicate case"
    remedy = "List the cases that wait at /v1/identity/duplicates."


class AlreadyDecided(Conflict):
    """The duplicate case was decided before, in another way. A decision is made once."""

    code = "identity.already-decided"
    title = "This case was decided before"
    remedy = "Read the person's record; a wrong decision is corrected by merging or unmerging, with reasons."


class NotInThisState(Conflict):
    """The change does not fit the person's present status. `status` is the present one, `wanted` the refused one.

    For example a merged record can no longer be suspended.
    """

    code = "identity.not-in-this-state"
    title = "The person's status does not allow this"
    remedy = "Read the person's status and choose a change that is possible from there."


class PhoneInUse(Conflict):
    """The phone number already finds another person. One phone finds one person, so that a code or a payment
    never reaches somebody else.
    """

    code = "identity.phone-in-use"
    title = "This phone belongs to another person's record"
    remedy = "Use another phone, or let the other person give it up first."


class MappingWrong(Malformed):
    """The column mapping does not fit the CSV file, or is not understood. `field` names the entry or column,
    `rule` what it must obey. No row was read.
    """

    code = "identity.mapping-wrong"
    title = "The column mapping does not fit the file"
    remedy = "Correct the named entry of the mapping file; every column is either mapped or listed under ignore."


class UnknownAlias(NotFound):
    """The person has no such virtual id, or the record is not in use and gets none."""

    code = "identity.unknown-alias"
    title = "No such virtual id"
    remedy = "List the virtual ids of the person; make a new one if this one has ended."


class TooManyAliases(Conflict):
    """The person has as many live virtual ids as anybody may have at once. `most` says how many."""

    code = "identity.too-many-aliases"
    title = "Too many virtual ids at once"
    remedy = "Revoke those that are no longer needed."


class SameHands(Conflict):
    """What changes who somebody is needs two people: whoever proposed it cannot also approve it."""

    code = "identity.same-hands"
    title = "Somebody else must approve this"
    remedy = "Let a colleague who did not propose it look at the evidence and decide."


class UnknownProposal(NotFound):
    """There is no proposal with this id, or none that the caller may see."""

    code = "identity.unknown-proposal"
    title = "No such proposal"
    remedy = "List the proposals that wait at /v1/identity/proposals."


class Overtaken(Conflict):
    """The record changed after the proposal was made, so what was proposed no longer rests on what is known."""

    code = "identity.overtaken"
    title = "The record has changed since"
    remedy = "Refuse this proposal, read the record again, and propose anew."


class EvidenceMissing(Malformed):
    """A change of name, birth date or sex needs evidence: a document, or a sworn statement before the officer."""

    code = "identity.evidence-missing"
    title = "Evidence is needed"
    remedy = "Name at least one document; without any, write down a sworn statement and who took it."


class GuardianAlready(Conflict):
    """This guardian has a right over the person in that time already; one guardian has one right on any day."""

    code = "identity.guardian-already"
    title = "This guardian has this right already"
    remedy = "Read the person's guardians; end the present right first if it should be another one."


class UnknownGuardianship(NotFound):
    """This guardian has no right over the person that could end today."""

    code = "identity.unknown-guardianship"
    title = "No such guardianship"
    remedy = "Read the person's guardians."


class UnknownNotification(NotFound):
    """There is no notification of a birth or death with this id."""

    code = "identity.unknown-notification"
    title = "No such notification"
    remedy = "List the notifications that wait at /v1/identity/notifications."


class NotWaiting(Conflict):
    """The notification was registered or rejected before. `state` says which."""

    code = "identity.not-waiting"
    title = "This was decided before"
    remedy = "Read the notification; what was rejected by mistake is notified again."


class NoEntry(NotFound):
    """The civil register holds no such entry of this person, or it was made void."""

    code = "identity.no-entry"
    title = "There is no such entry in the civil register"
    remedy = "Register the event, also late; a certificate follows from its entry."


class UnknownCentre(NotFound):
    """There is no centre of enrolment with this name, or it is closed."""

    code = "identity.unknown-centre"
    title = "No such centre"
    remedy = "List the centres at /v1/identity/centres."


class NoFreeDesk(Conflict):
    """All desks of the centre are taken at this time."""

    code = "identity.no-free-desk"
    title = "This time is taken"
    remedy = "Choose another time; or come without one, nobody is turned away."


class UnknownApplication(NotFound):
    """No application has this reference, or its time is over."""

    code = "identity.unknown-application"
    title = "No application has this reference"
    remedy = "Read the reference again; without it, tell your details at the centre."


class TooManyApplications(TooMany):
    """More applications came from one network within an hour than a household or an office makes."""

    code = "identity.too-many-applications"
    title = "Too many applications from here"
    remedy = "Try again in an hour, or come to a centre without an application."


class PacketUnreadable(Malformed):
    """The packet was not made by a registered device for this registry, or was changed on its way.

    `rule` says which: size, envelope, no-compression, signed, signature, content. Nothing was kept.
    """

    code = "identity.packet-unreadable"
    title = "This packet cannot be opened"
    remedy = "Send the file as the device wrote it; encrypt to the key at /v1/identity/packets/key."


class DeviceExists(Conflict):
    """Another device has this name."""

    code = "identity.device-exists"
    title = "This name is taken"
    remedy = "Give the device another name; a device that was reset gets a new one too."


class UnknownDevice(NotFound):
    """The institution has no device with this name."""

    code = "identity.unknown-device"
    title = "No such device"
    remedy = "List the devices at /v1/identity/devices."


class UnknownPacket(NotFound):
    """No packet with this id has arrived."""

    code = "identity.unknown-packet"
    title = "No such packet"
    remedy = "List the packets that wait at /v1/identity/packets."


class PacketNotWaiting(Conflict):
    """The packet does not wait for a person. `state` says what became of it."""

    code = "identity.packet-not-waiting"
    title = "This packet waits for nobody"
    remedy = "Read what became of it."


class PhotoAlready(Conflict):
    """The record has a photo. Another one changes who is recognised as the person, so it needs a second person."""

    code = "identity.photo-already"
    title = "The record has a photo already"
    remedy = "Propose the new photo as a correction; a colleague decides."


class LinkageMissing(Conflict):
    """Comparing many records at once needs Splink and DuckDB, which this installation does not have. They are an
    extra, because they are large and enrolment itself does not need them.
    """

    code = "identity.linkage-missing"
    title = "Splink and DuckDB are not installed"
    remedy = "Install them with: pip install 'msingi[duplicates]'"


class BiometricsWrong(Malformed):
    """The records of fingers, irises or a face cannot be read. `rule` says why: `bytes` (larger than 8 MB), `xml`,
    `records` (none, or more than 40), `data` (a record without type or content), `reason` (something is missing and
    nobody said why), or `abis-answer` (a matcher's answer that is none).
    """

    code = "identity.biometrics-wrong"
    title = "These biometric records cannot be read"
    remedy = "Send CBEFF XML (ISO/IEC 19785-3) with one record for each finger, iris or face, or say what is missing."


class NotTheMatcher(NotPermitted):
    """Only the matcher that the operator named may come here, with the key that both know (`abis_key`)."""

    code = "identity.not-the-matcher"
    title = "This door is for the matcher of biometrics"
    remedy = "Set `abis_key` on both sides, and send it in the Authorization header as a bearer token."


class ShareExpired(NotFound):
    """The records behind this address are not to be fetched any more: the request was answered, or never made."""

    code = "identity.share-expired"
    title = "There is nothing to fetch here any more"
    remedy = "Fetch the records while the insert request is unanswered."
