"""The running checks: each measures one thing now, and says whether it holds (laws 1 and 2)."""

import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from msgspec import NODEFAULT
from msgspec.structs import fields

from msingi.channels import dialogue
from msingi.consent import acts as consent
from msingi.evidence import acts as evidence
from msingi.evidence.errors import NoEdition
from msingi.governance import gathering
from msingi.governance.figures import acts as figures
from msingi.governance.keeping import acts as keeping
from msingi.governance.model import Kind
from msingi.governance.processing import acts as processing
from msingi.governance.processing import reading
from msingi.governance.processing import store as processing_store
from msingi.governance.safeguards.model import Verdict
from msingi.identity.model import EnrolmentOrder
from msingi.kernel import clock
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.log import overview, sequencer, witness
from msingi.kernel.stack import Stack
from msingi.portal import page, words
from msingi.stewardship import acts as stewardship
from msingi.stewardship.model import Verdict as Licence

Found = tuple[Verdict, str]
Running = Callable[[Stack], Awaitable[Found]]
COUNTS_DAYS = 366
PRICES = ("fee_minor", "monthly_fee_minor")
HOLDS, FAILS, DOCUMENT, MISSING = Verdict.HOLDS, Verdict.FAILS, Verdict.DOCUMENT, Verdict.MISSING


def _none(count: int) -> Found:
    """For what must not exist: holds at zero."""
    return (FAILS if count else HOLDS), str(count)


def _some(count: int) -> Found:
    """For what must exist: missing at zero."""
    return (HOLDS if count else MISSING), str(count)


async def _redress(stack: Stack) -> Found:
    rules = [r for r in reading.rules() if r.acts.startswith("governance.open_case")]
    return (HOLDS if len(rules) >= 2 else FAILS), str(len(Kind))


async def _walls(stack: Stack) -> Found:
    async with stack.db.reading("governance") as tx:
        return _none(await processing_store.unwalled(tx))


async def _documents(stack: Stack) -> Found:
    needed = [f.name for f in fields(EnrolmentOrder) if f.default is NODEFAULT and f.default_factory is NODEFAULT]
    return (HOLDS if needed == ["name"] else FAILS), ", ".join(needed)


async def _algorithms(stack: Stack) -> Found:
    known = stewardship.algorithms().values()
    contestable = all(a.contest.get(language) for a in known for language in stack.profile.languages)
    return (HOLDS if known and contestable else FAILS), str(len(known))


async def _by_sex(stack: Stack) -> Found:
    count = 0
    for code in evidence.indicators():
        try:
            edition = await evidence.newest(stack, code)
        except NoEdition:
            continue
        count += {f.sex for f in edition.figures} >= {"F", "M"}
    return _some(count)


async def _ussd(stack: Stack) -> Found:
    spoken = [code for code in stack.profile.languages if code in dialogue.texts()]
    return (HOLDS if len(spoken) == len(stack.profile.languages) else FAILS), ", ".join(spoken)


async def _desk(stack: Stack) -> Found:
    return _some(sum("desk" in r.says or "officer" in r.says for r in reading.rules()))


async def _languages(stack: Stack) -> Found:
    every = set(words.load("en").entries)
    lacking = [key for code in stack.profile.languages for key in every - set(words.load(code).entries)]
    return _none(len(lacking))


async def _log(stack: Stack) -> Found:
    return _some((await overview.standing(stack)).size)


async def _acts(stack: Stack) -> Found:
    return _some(sum((await processing.act_counts(stack)).values()))


async def _witness(stack: Stack) -> Found:
    own = {str(v) for v in sequencer.log_vkeys(stack.keys, (await overview.standing(stack)).origin)}
    return _some(len([v for v in await witness.published_vkeys(stack) if str(v) not in own]))


async def _rules(stack: Stack) -> Found:
    return _some(len(reading.rules()))


async def _bases(stack: Stack) -> Found:
    return _none(sum(not (p.law and p.bases) for p in stack.profile.purposes))


async def _law(stack: Stack) -> Found:
    law = stack.profile.law
    return _none(sum(mark != "statute" for mark in [law.complaints.checked, *(r.checked for r in law.rights)]))


async def _agreements(stack: Stack) -> Found:
    return _some(len((await consent.agreements(stack, limit=200)).items))


async def _copy(stack: Stack) -> Found:
    return _some(len(gathering.registered()))


async def _footprint(stack: Stack) -> Found:
    async with stack.db.reading("governance") as tx:
        database = await processing_store.size_bytes(tx)
    with open("/proc/self/statm", encoding="ascii") as file:
        memory = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return HOLDS, f"{memory // 2**20} MB RAM, {database // 2**20} MB"


async def _licences(stack: Stack) -> Found:
    return _none(sum(c.verdict is Licence.REFUSED for c in stewardship.inventory()))


async def _sealed(stack: Stack) -> Found:
    columns = [c for t in reading.tables() for c in t.columns]
    return (FAILS if any(c.exposed for c in columns) else HOLDS), f"{sum(c.exposed for c in columns)} / {len(columns)}"


async def _pseudonyms(stack: Stack) -> Found:
    person = PersonId(uuid7())
    one, other = (stack.pseudonym.of(code, person) for code in ("first", "second"))
    back = stack.pseudonym.person("first", one)
    return (HOLDS if one != other and back == person and UUID(str(back)) == person else FAILS), ""


async def _screen(stack: Stack) -> Found:
    policy = page.HEADERS["Content-Security-Policy"]
    return (HOLDS if "default-src 'none'" in policy and "script-src" not in policy else FAILS), ""


async def _hardware(stack: Stack) -> Found:
    inside = bool(stack.settings.pkcs11_module)
    return (HOLDS if inside else FAILS), ("PKCS#11" if inside else "software")


async def _retention(stack: Stack) -> Found:
    known = {k.table for k in await keeping.register(stack)}
    return _none(sum(t.table not in known for t in reading.tables()))


async def _destroyed(stack: Stack) -> Found:
    async with stack.db.reading("governance") as tx:
        return HOLDS, str(await processing_store.destructions(tx))


async def _turns(stack: Stack) -> Found:
    return _some(sum("data-protection-" in r.says or "office whose turn" in r.says for r in reading.rules()))


async def _clock(stack: Stack) -> Found:
    return _some(len(await figures.published(stack)))


async def _guardians(stack: Stack) -> Found:
    return (HOLDS if any("on behalf" in r.says for r in reading.rules()) else MISSING), ""


def _published(what: str) -> Running:
    """What only the operator can do: shown by a document of the last year, and not in order with an older one."""

    async def shown(stack: Stack) -> Found:
        newest = max((e.on for e in stack.profile.evidence if e.check == what), default=None)
        if newest is None:
            return MISSING, "−"
        return (DOCUMENT if clock.today() - newest <= timedelta(days=COUNTS_DAYS) else FAILS), newest.isoformat()

    return shown


def _prices(value: object) -> int:
    """How many prices stand in what a profile says of accounts and cash."""
    if isinstance(value, dict):
        return sum(key in PRICES or _prices(one) for key, one in value.items())
    return sum(map(_prices, value)) if isinstance(value, list) else 0


async def _fees(stack: Stack) -> Found:
    return _some(_prices(stack.profile.bank) + _prices(stack.profile.products))


async def _document(stack: Stack) -> Found:
    return DOCUMENT, ""


RUNNING: dict[str, Running] = {
    "redress": _redress,
    "walls": _walls,
    "drills": _published("drills"),
    "documents": _documents,
    "algorithms": _algorithms,
    "by_sex": _by_sex,
    "ussd": _ussd,
    "desk": _desk,
    "languages": _languages,
    "log": _log,
    "acts": _acts,
    "witness": _witness,
    "rules": _rules,
    "bases": _bases,
    "law": _law,
    "withdrawal": _document,
    "agreements": _agreements,
    "copy": _copy,
    "participation": _published("participation"),
    "clock": _clock,
    "proofs": _document,
    "guardians": _guardians,
    "footprint": _footprint,
    "fees": _fees,
    "licences": _licences,
    "open_doors": _document,
    "sealed": _sealed,
    "pseudonyms": _pseudonyms,
    "screen": _screen,
    "hardware": _hardware,
    "retention": _retention,
    "destroyed": _destroyed,
    "restores": _published("restores"),
    "turns": _turns,
}
