"""Lists of sanctions: imported by an officer, compared with the register, and each likeness looked at by a person.

What the register answers are people who are alike, with bits of likeness; whoever reaches the country's bound is
watched (every payment of theirs is looked at) and becomes a case. A list is compared when it comes, and each day
anew, so that somebody who was enrolled since is found within a day. Names of customers are kept nowhere.
"""

import csv
import hashlib
import io
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import msgspec
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.payments.fraud import rulebook, store_lists, watch
from msingi.payments.fraud.errors import ListWrong
from msingi.payments.fraud.stopping import job

NAMES = "payments.fraud.names"  # stack.local: the register's answer to names of a list, put there by offers.py
LABEL = "payments.fraud.entry"
MAX_ENTRIES = 50_000
AT_ONCE = 100
ANEW = timedelta(days=1)
Asked = tuple[str, str, str]
Register = Callable[[Stack, Context, Sequence[Asked]], Awaitable[list[list[tuple[PersonId, float]]]]]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_DATE = re.compile(r"\d{4}(-\d{2}-\d{2})?")


class Entry(msgspec.Struct, frozen=True):
    """One listed person: its reference, and each of its names with each of its births."""

    ref: str
    names: tuple[str, ...]
    births: tuple[str, ...]

    def asked(self) -> list[Asked]:
        """What the register is asked; the last word of a name is taken for the family name."""
        split = [name.rpartition(" ") for name in self.names]
        return [(given, family, born) for given, _, family in split for born in self.births]


class SanctionList(msgspec.Struct, frozen=True):
    """A list in force. `compared` counts the entries that the running comparison has done; `without_birth` are those
    that cannot be compared, known when a list was just imported."""

    list: str
    sha256: str
    entries: int
    compared: int
    imported_at: datetime
    compared_at: datetime | None
    without_birth: int = 0


def read(raw: bytes) -> list[Entry]:
    """The people of a list: UN consolidated list (XML), or CSV with the columns ref, name, born. Raises ListWrong."""
    start = raw.lstrip(b"\xef\xbb\xbf \t\r\n")
    found = _un(raw) if start.startswith(b"<") else _table(raw)
    if not found:
        raise ListWrong("The list names nobody.", rule="entries>0")
    if len(found) > MAX_ENTRIES:
        raise ListWrong("The list is too long.", rule=f"entries<={MAX_ENTRIES}")
    return found


def _un(raw: bytes) -> list[Entry]:
    safe = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    try:
        root = etree.fromstring(raw, safe)
    except etree.XMLSyntaxError as wrong:
        raise ListWrong(
            "The file is not well-formed XML.", element="CONSOLIDATED_LIST", line=wrong.lineno or 0
        ) from None
    if root.tag != "CONSOLIDATED_LIST":
        raise ListWrong("This is not the consolidated list.", element=str(root.tag)[:40], rule="CONSOLIDATED_LIST")
    return [_individual(one) for one in root.iter("INDIVIDUAL")]


def _individual(one: etree._Element) -> Entry:
    def text(parent: etree._Element, name: str) -> str:
        return " ".join((parent.findtext(name) or "").split())

    parts = [text(one, f"{place}_NAME") for place in ("FIRST", "SECOND", "THIRD", "FOURTH")]
    names = [" ".join(filter(None, parts)), *(text(alias, "ALIAS_NAME") for alias in one.iter("INDIVIDUAL_ALIAS"))]
    births = [
        text(born, "DATE")[:10] or text(born, "YEAR") or text(born, "FROM_YEAR")
        for born in one.iter("INDIVIDUAL_DATE_OF_BIRTH")
    ]
    return _entry(text(one, "REFERENCE_NUMBER") or text(one, "DATAID"), names, births)


def _table(raw: bytes) -> list[Entry]:
    try:
        rows = csv.DictReader(io.StringIO(raw.decode("utf-8-sig")))
        if not {"ref", "name", "born"} <= set(rows.fieldnames or ()):
            raise ListWrong("The table lacks a column.", line=1, rule="ref, name, born")
        by_ref: dict[str, tuple[list[str], list[str]]] = {}
        for row in rows:  # one line for each name or birth of somebody
            names, births = by_ref.setdefault((row["ref"] or "").strip(), ([], []))
            names.append(" ".join((row["name"] or "").split()))
            births.append((row["born"] or "").strip())
    except (UnicodeDecodeError, csv.Error):
        raise ListWrong("The file is neither XML nor a table in UTF-8.", line=1, rule="csv") from None
    return [_entry(ref, names, births) for ref, (names, births) in by_ref.items()]


def _entry(ref: str, names: Sequence[str], births: Sequence[str]) -> Entry:
    kept = tuple(dict.fromkeys(name[:200] for name in names if name))
    if not ref or not kept:
        raise ListWrong("An entry has no reference or no name.", element=ref[:40] or "?", rule="ref, name")
    return Entry(ref[:64], kept, tuple(dict.fromkeys(born for born in births if _DATE.fullmatch(born))))


@crossing("payments", "portal")
async def import_list(stack: Stack, ctx: Context, name: str, raw: bytes) -> SanctionList:
    """Put a list in force, instead of the one of the same name; it is compared at once by the stack itself.

    Raises ListWrong, naming the first fault, and Malformed for a name that is not short and plain.
    """
    if not _NAME.fullmatch(name):
        raise Malformed("Name the list with small letters, digits and dashes.", field="name", rule="[a-z0-9-]{1,32}")
    permit = policy.decide(ctx, "payments.import-list", policy.NOBODY)
    found, digest = read(raw), hashlib.sha256(raw).digest()
    sealed = [stack.seal.seal_with_room_key(LABEL, msgspec.json.encode(entry)) for entry in found]
    who = f"{ctx.actor.institution}:{ctx.actor.id}"
    async with stack.db.transaction(permit) as tx:
        await store_lists.put(tx, name, digest, [entry.ref for entry in found], sealed, ctx.at, who)
        log.append(tx, permit, detail={"what": "list of sanctions", "list": name, "sha256": digest.hex()})
    lacking = sum(not entry.births for entry in found)
    return SanctionList(name, digest.hex(), len(found), 0, ctx.at, None, lacking)


@crossing("payments", "portal")
async def lists(stack: Stack, ctx: Context) -> list[SanctionList]:
    """The lists in force, and how far each is compared."""
    permit = policy.decide(ctx, "payments.import-list", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store_lists.lists(tx)
        log.append(tx, permit, detail={"what": "lists of sanctions", "count": len(found)})
    names = ("entries", "compared", "imported_at", "compared_at")
    return [SanctionList(row["list"], bytes(row["sha256"]).hex(), *(row[name] for name in names)) for row in found]


async def compare(stack: Stack) -> int:
    """Compare lists that are new, or that were compared a day ago, some entries at a time; how many were compared."""
    register: Register | None = stack.local.get(NAMES)  # type: ignore[assignment]
    book = rulebook.of(stack)
    if register is None or book is None:
        return 0
    done, permit = 0, policy.decide(job(), "payments.compare-list", policy.ANYONE)
    async with stack.db.reading("payments") as tx:
        due = await store_lists.to_compare(tx, clock.now() - ANEW)
    for name, place in due:
        async with stack.db.reading("payments") as tx:
            rows = await store_lists.entries(tx, name, place, AT_ONCE)
        entries = [msgspec.json.decode(stack.seal.unseal_with_room_key(LABEL, body), type=Entry) for _, _, body in rows]
        asked = [(entry, question) for entry in entries for question in entry.asked()]
        hits: dict[tuple[PersonId, str], float] = {}
        for start in range(0, len(asked), AT_ONCE):
            some = asked[start : start + AT_ONCE]
            answers = await register(stack, job(), [question for _, question in some])
            for (entry, _), alike in zip(some, answers, strict=True):
                for person_id, bits in alike:
                    if bits >= book.likeness_bits:
                        hits[person_id, entry.ref] = max(bits, hits.get((person_id, entry.ref), 0.0))
        over = len(rows) < AT_ONCE
        async with stack.db.transaction(permit) as tx:
            for (person_id, ref), bits in hits.items():
                due_at = clock.now() + timedelta(hours=book.review_hours)
                await store_lists.add_hit(tx, person_id, name, ref, bits, uuid7(), clock.now(), due_at)
            end = clock.now() if over else None
            await store_lists.compared(tx, name, 0 if over else place + len(rows), end)
            log.append(tx, permit, detail={"what": "list compared", "list": name, "alike": len(hits)})
        done += len(rows)
        if hits:
            await watch.reload(stack)
    return done


def register_of(stack: Stack, register: Register) -> None:
    """Say how the register is asked; called by the composition root, which alone knows both rooms."""
    stack.local[NAMES] = register
