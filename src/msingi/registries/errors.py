"""Why the registries say no: one class per reason; the class text is the page that its reader gets."""

from msingi.kernel.errors import Conflict, NotFound, NotPermitted, Refusal


class RegisterUnknown(NotFound):
    """No register has this name and version, or it was ended."""

    code = "registries.register-unknown"
    title = "There is no such register"
    remedy = "GET /databases lists the registers with their versions."


class RegisterExists(Conflict):
    """Another institution keeps a register of this name, or one with records would get another shape."""

    code = "registries.register-exists"
    title = "There is such a register already"
    remedy = "Choose another name, or describe a new version of your own register."


class RegisterNotEmpty(Conflict):
    """The register still holds records, and ending it would make them disappear."""

    code = "registries.register-not-empty"
    title = "The register holds records"
    remedy = "Delete its records first, each as an act of its own."


class BadDescription(Refusal):
    """The description of a register is not complete, or says something that a register cannot be.

    `field` names the part and `rule` what it breaks.
    """

    code = "registries.bad-description"
    title = "The register cannot be like this"
    remedy = "Correct the named part of the description and send it again."


class BadContent(Refusal):
    """The content does not fit the description of the register. `field` names the field, `rule` what it breaks."""

    code = "registries.bad-content"
    title = "The content does not fit the register"
    remedy = "GET /database/{id} shows the register's fields; correct the named one."


class FieldNotGranted(NotPermitted):
    """The description of the register does not grant this field to this institution for this purpose."""

    code = "registries.field-not-granted"
    title = "This field is not yours to use"
    remedy = "Ask the keeper of the register to grant the field, or leave it out."


class NoRecord(NotFound):
    """No record of the register fits the query."""

    code = "registries.no-record"
    title = "No record found"
    remedy = "Ask with fewer or other fields."


class Ambiguous(Conflict):
    """More than one record fits the query of an order that changes exactly one; nothing was changed."""

    code = "registries.ambiguous"
    title = "More than one record fits"
    remedy = "Name the record by its key, or change several with update-entries."


class KeyTaken(Conflict):
    """Another record of the register has this key."""

    code = "registries.key-taken"
    title = "There is a record with this key"
    remedy = "Use another key, or update the record that has it."


class RecordMoved(Conflict):
    """Somebody else changed the record between reading and writing it; nothing was changed."""

    code = "registries.record-moved"
    title = "The record was changed meanwhile"
    remedy = "Send the order again."


class PersonUnknown(NotFound):
    """The field that says whose record it is does not hold a person's pseudonym of this institution."""

    code = "registries.person-unknown"
    title = "No such person"
    remedy = "Name the person by the pseudonym under which your institution knows them."
