"""What a sandbox adds: registers for GovStack's own test suite, and who its requests are counted as.

That suite authenticates nobody: it sends only the header Information-Mediator-Client. A sandbox on a loopback address
whose operator named the suite's instance in MSINGI_GOVSTACK_INSTANCES believes that header, and nothing else does.
"""

from typing import Any
from uuid import UUID

from litestar import Request

from msingi.kernel.context import Actor, Kind, context
from msingi.kernel.settings import LOOPBACK
from msingi.kernel.stack import Stack
from msingi.registries import acts
from msingi.registries.errors import RegisterUnknown
from msingi.registries.model import EVERY, Field, RegisterOrder

CLIENT = "information-mediator-client"
KEEPER, PURPOSE, BASIS = "90000009", "public-service", "public-task"  # the member code that the suite calls as
GRANT = {EVERY: (PURPOSE,)}
NAMES = ("ID", "FirstName", "LastName", "BirthCertificateID")
REGISTERS = (
    (1, "registryname", "111"), (123, "registryempty", "111"), (8438778473, "MCTS", "1.0"),
    (3287483474, "sample-a", "1.0"), (8484848484, "sample-b", "1.0"),
    (6745, "to-end-a", "1.0"), (896756, "to-end-b", "1.0"), (234234, "to-end-c", "1.0"),
)  # fmt: skip
ENTRIES = (
    ("EE123627348834", "John", "Bon", "RR-3334537999"),
    ("EE456627348834", "Alice", "Hendrix", "RR-1114537999"),
    ("EE789627348834", "Jack", "King", "RR-4444537999"),
    ("EE987627348834", "Bob", "Small", "RR-5555537999"),
    ("EE654627348834", "Eva", "Sorenz", "RR-7777537999"),
    ("EE6546273487865", "Emma", "Smith", "EE6546273487865"),
    ("EE378129127223", "Billy", "Johnson", "RR-1112223331"),
    ("EE378129277266", "John Helmut", "Smith", "RR-7777536299"),
    ("EE3784545277266", "Philip", "Red", "RR-30045370099"),
    ("EE34462734834865", "Alex", "Green", "RR-441124937"),
    ("EE61287673487865", "Alise", "Black", "RR-49075937"),
    ("EE6534523487865", "Zyra", "Blue", "RR-24523937"),
    ("EE1112223331", "Billy", "Johnson", "RR-1112223332"),
    ("EE2223334441", "Alina", "North", "RR-2223334441"),
    ("EE2223334442", "Casandra", "South", "RR-2223334442"),
    ("EE2223334443", "Olga", "East", "RR-2223334443"),
    ("EE378627348834", "Rune", "Gone", "RR-378627348834"),
    ("EE378627348855", "Siri", "Gone", "RR-378627348855"),
)
FIRST_ID = UUID("80bcb084-fa17-11ed-be56-0242ac120002")  # what the suite calls the first entry


def bridged(stack: Stack) -> frozenset[str]:
    """The instances whose unauthenticated test requests this stack believes; none outside a loopback sandbox."""
    if not (stack.settings.sandbox and stack.settings.host in LOOPBACK):
        return frozenset()
    return frozenset(filter(None, stack.settings.govstack_instances.replace(" ", "").split(",")))


async def authenticate(stack: Stack, request: Request[Any, Any, Any]) -> Actor | None:
    """The software that a test request says it is, where this stack believes that; None everywhere else."""
    if not request.scope["path"].startswith(("/data/", "/database")):
        return None
    said = request.headers.get(CLIENT, "")
    instance, _, subsystem = said.partition("/")
    if instance not in bridged(stack) or subsystem.count("/") != 2 or len(said) > 200:
        return None
    if "authorization" in request.headers or "signature-input" in request.headers:
        return None
    return Actor(Kind.CLIENT, subsystem, subsystem.split("/")[1], frozenset(), 2, "unauthenticated test")


def sample(code: str, version: str) -> RegisterOrder:
    """A register of made-up entries about nobody."""
    fields = {n: Field(required=True, read=GRANT, write=GRANT) for n in NAMES}
    return RegisterOrder(code, f"Sample register {code}", "A sample, on no law", PURPOSE, BASIS, "ID", fields, version)


async def fill(stack: Stack) -> None:
    """Describe the sample registers and put their entries in, once."""
    if not bridged(stack):
        return
    ctx = context(Actor(Kind.JOB, "registries.sample", KEEPER, assurance=2), PURPOSE, BASIS, channel="job")
    try:
        await acts.register_of(stack, "registryname", "111")
        return
    except RegisterUnknown:
        pass
    for number, code, version in REGISTERS[1:]:
        await acts.describe(stack, ctx, sample(code, version), register_id=number)
    number, code, version = REGISTERS[0]
    register = await acts.describe(stack, ctx, sample(code, version), register_id=number)
    first: UUID | None = FIRST_ID
    for entry in ENTRIES:
        await acts.create(stack, ctx, register, dict(zip(NAMES, entry, strict=True)), record_id=first)
        first = None


starts = [fill]
