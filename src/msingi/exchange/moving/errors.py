"""Why moving a room says no: one class per reason; the class text is the page that its reader gets."""

from msingi.exchange.errors import ExchangeRefusal


class RoomBusy(ExchangeRefusal):
    """Something is writing in the room at this moment, and did not end within ten seconds."""

    code = "exchange.room-busy"
    status = 409
    title = "The room is writing"
    remedy = "Try again in a quiet hour. Nothing was closed."
    xroad = "Client.BadRequest"


class RoomNotClosed(ExchangeRefusal):
    """The room can still change, so a copy of it would be out of date before it is complete."""

    code = "exchange.room-not-closed"
    status = 409
    title = "The room is not closed"
    remedy = "Close it with `msingi move-room out`; from then on its doors answer 503 until the other machine has it."
    xroad = "Client.BadRequest"


class RoomStays(ExchangeRefusal):
    """The room cannot move there: the peer is not one that waits to run this room, or has served people already."""

    code = "exchange.room-stays"
    status = 409
    title = "The room cannot move there"
    remedy = "Start the other machine with this room alone, and add it here with `msingi peers add --proposed`."
    xroad = "Client.BadRequest"


class PackageWrong(ExchangeRefusal):
    """The package is for another machine, was not signed by the machine that it names, or was changed on its way."""

    code = "exchange.package-wrong"
    status = 400
    title = "This package cannot be believed"
    remedy = "Have it sent again, for this machine; nothing of it was taken."
    xroad = "Client.BadRequest"


class NotTheSame(ExchangeRefusal):
    """What stands in the database after the move is not what was sent: a count or a hash differs."""

    code = "exchange.not-the-same"
    status = 409
    title = "The records are not the same"
    remedy = (
        "The old machine still has everything: open the room there again, and take the package on an empty machine."
    )
    xroad = "Client.BadRequest"
