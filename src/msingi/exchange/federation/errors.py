"""Why federation says no: one class per reason; the class text is the page that its reader gets."""

from msingi.exchange.errors import ExchangeRefusal


class AnchorWrong(ExchangeRefusal):
    """The anchor lacks something, or is not written as one."""

    code = "exchange.anchor-wrong"
    status = 400
    title = "This is not an anchor"
    remedy = "Ask the other authority for the file that `msingi peers anchor` writes there."
    xroad = "Client.BadRequest"


class PeerUnknown(ExchangeRefusal):
    """No peer has this name."""

    code = "exchange.peer-unknown"
    status = 404
    title = "There is no such peer"
    remedy = "Look at the peers at /v1/exchange/peers; the governing authority adds one with the other's anchor."
    xroad = "Client.BadRequest"


class InstanceUnknown(ExchangeRefusal):
    """The message goes to, or comes from, an instance that this exchange has no peer for."""

    code = "exchange.instance-unknown"
    status = 400
    title = "This exchange does not know that instance"
    remedy = "Check the first segment of the path and of X-Road-Client against /v1/exchange/peers."
    xroad = "Client.BadRequest"


class PeerNotActive(ExchangeRefusal):
    """The peer waits for its approval, or is suspended, or its directory has expired."""

    code = "exchange.peer-not-active"
    title = "There is no exchange with that instance now"
    remedy = "Ask the governing authority; `msingi peers list` shows the state and `msingi peers refresh` renews it."


class NotListed(ExchangeRefusal):
    """The other country's directory, fetched anew just now, does not list this software with a key."""

    code = "exchange.not-listed"
    title = "The other instance does not vouch for this software"
    remedy = "Whoever has just joined tries again in half a minute; others ask their own governing authority."


class RecordsHere(ExchangeRefusal):
    """Another machine is to run a room that has served people here: their records would stay behind, unseen."""

    code = "exchange.records-here"
    status = 409
    title = "The room has records on this machine"
    remedy = "Move them along (`msingi move-room`), or begin without them: `msingi peers add --begin-anew`."


class SameEyes(ExchangeRefusal):
    """Who proposed something cannot also approve it: that takes a second person."""

    code = "exchange.same-eyes"
    status = 409
    title = "A second person must approve this"
    remedy = "Ask another officer of the governing authority to look at it and approve it."


class DirectoryRefused(ExchangeRefusal):
    """A peer's directory is not believed.

    It is not signed by a key that is pinned, it is of another instance, older than the one before, or expired.
    """

    code = "exchange.directory-refused"
    status = 502
    title = "The peer's directory was not accepted"
    remedy = "Compare the fingerprint with the other authority; if its keys were lost, exchange anchors anew."


class PeerFailed(ExchangeRefusal):
    """The peer did not answer, or its answer was not signed by it for this request. What was sent stands in the log."""

    code = "exchange.peer-failed"
    status = 502
    title = "The other exchange gave no answer that can be believed"
    remedy = "Try again later with a new X-Road-Id, and tell the governing authority if it lasts."
    xroad = "Server.ServerProxy.NetworkError"
