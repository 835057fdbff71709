"""Recompute all books from the journal alone, and say everything that is not as it was decided and signed.

The checker trusts neither the balances nor the chain: it replays every row, recomputes every root, and looks every
root up among the entries of the transparency log, which a database administrator cannot rewrite unseen.
"""

from array import array
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

from msgspec import Struct, field

from msingi.kernel import log, policy
from msingi.kernel.context import job_context
from msingi.kernel.db import Database
from msingi.payments import chain, rules, store
from msingi.payments.book import micros
from msingi.payments.model import Kind, Reason, Status

MAX_PROBLEMS = 200
PAGE_BATCHES = 64
LOOKAHEAD = 4_096
Progress = Callable[[int, int], Any]


class Problem(Struct, frozen=True):
    """One thing that is wrong: a stable `code`, `where` (shard and seq, or account), and a sentence."""

    code: str
    where: str
    text: str


class Findings(Struct):
    """What was checked, and what is wrong. `problems` holds the first MAX_PROBLEMS; `unlisted` counts the rest.

    `erased` counts rows whose remittance words are gone, so that their body hash cannot be recomputed.
    `logged` counts batch roots that were found in the transparency log; None if the log was not looked at.
    """

    shards: int = 0
    batches: int = 0
    rows: int = 0
    accounts: int = 0
    erased: int = 0
    logged: int | None = None
    sums: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unlisted: int = 0

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.problems

    @property
    def wrong(self) -> list[str]:
        """The problems as lines for people."""
        lines = [f"{p.where}: {p.text} ({p.code})" for p in self.problems]
        return [*lines, f"and {self.unlisted} more"] if self.unlisted else lines

    @property
    def summary(self) -> str:
        """What was checked, as one line for people."""
        sums = ", ".join(f"{currency} sums to {total}" for currency, total in sorted(self.sums.items())) or "no money"
        return f"{self.rows} rows in {self.batches} batches, {self.accounts} accounts, {sums}"

    def add(self, code: str, where: str, text: str) -> None:
        """Note something that is wrong."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(code, where, text))
        else:
            self.unlisted += 1


async def check_books(
    db: Database, *, entries: AsyncIterable[bytes] | None = None, progress: Progress | None = None
) -> Findings:
    """Check all books in one unchanging view of them, while the writer goes on.

    `entries` are the transparency log's entries (32 bytes each) in their order, read after this call began; without
    them the roots are recomputed but not looked up. `progress` is called with (rows checked, all rows).
    """
    found = Findings()
    roots: list[bytes] = []
    permit = policy.decide(job_context("fsck", "audit", "legal-obligation"), "payments.check-books", policy.ANYONE)
    async with db.transaction(permit) as tx:
        await store.one_view(tx)
        for shard in await store.shards(tx):
            found.shards += 1
            await _Replay(tx, shard, found, roots, progress).run()
        for currency, total in found.sums.items():
            if total:
                found.add("sum", currency, f"All balances sum to {total}, not to zero.")
        log.append(tx, permit, detail={"what": "books checked", "rows": found.rows, "problems": len(found.problems)})
    if entries is not None:
        await _look_up(entries, roots, found)
    return found


async def batch_roots(db: Database) -> set[bytes]:
    """The roots of all batches as stored: those entries of the log belong to the ledger."""
    found: set[bytes] = set()
    async with db.reading("payments") as tx:
        for shard in await store.shards(tx):
            last = 0
            while page := await store.batches(tx, shard["shard"], last, PAGE_BATCHES):
                found.update(bytes(batch["root"]) for batch in page)
                last = page[-1]["first_seq"]
    return found


async def _look_up(entries: AsyncIterable[bytes], roots: Iterable[bytes], found: Findings) -> None:
    """Every recomputed root is an entry of the log, in the ledger's order (up to LOOKAHEAD batches apart)."""
    ahead = iter(roots)
    wanted: dict[bytes, int] = {}
    number = found.logged = 0
    for root in ahead:
        wanted[root] = number = number + 1
        if len(wanted) >= LOOKAHEAD:
            break
    async for entry in entries:
        if wanted.pop(entry, None) is not None:
            found.logged += 1
            following = next(ahead, None)
            if following is not None:
                wanted[following] = number = number + 1
    for n in [*wanted.values(), *(range(number + 1, number + 1 + sum(1 for _ in ahead)))]:
        found.add("root-not-logged", f"batch {n}", "The transparency log holds no entry with this batch's root.")


class _Replay:
    """One shard, replayed from its first row."""

    def __init__(
        self, tx: store.Tx, shard: store.Row, found: Findings, roots: list[bytes], progress: Progress | None
    ) -> None:
        self.tx, self.shard, self.found, self.roots, self.progress = tx, shard, found, roots, progress
        self.name = f"shard {shard['shard']}"
        self.balance = array("q")
        self.currency: dict[int, str] = {}
        self.next_seq = 1
        self.head = chain.GENESIS
        self.last_us = 0

    async def run(self) -> None:
        """Batches with their rows, then what must follow from them."""
        extent = await store.journal_extent(self.tx, self.shard["shard"])
        await self._take_accounts()
        last = 0
        while page := await store.batches(self.tx, self.shard["shard"], last, PAGE_BATCHES):
            stop = page[-1]["first_seq"] + page[-1]["n"]
            rows = await store.journal(self.tx, self.shard["shard"], page[0]["first_seq"], stop)
            by_seq = {row["seq"]: row for row in rows}
            for batch in page:
                self._batch(batch, [by_seq.get(batch["first_seq"] + i) for i in range(batch["n"])])
            last = page[-1]["first_seq"]
            if self.progress is not None:
                self.progress(self.found.rows, extent["rows"])
        self._ends(extent)
        await self._compare_accounts()

    def _batch(self, batch: store.Row, rows: list[store.Row | None]) -> None:
        """A batch begins where the one before ended, chains to it, and its root covers exactly its rows."""
        found, where = self.found, f"{self.name} batch {batch['first_seq']}"
        found.batches += 1
        if batch["first_seq"] != self.next_seq:
            found.add("batch-gap", where, f"The batch should begin at seq {self.next_seq}.")
        if bytes(batch["prev"]) != self.head:
            found.add("chain-broken", where, "The batch does not name the head of the batch before it.")
        missing = [batch["first_seq"] + i for i, row in enumerate(rows) if row is None]
        for seq in missing[:10]:
            found.add("row-missing", f"{self.name} seq {seq}", "The journal has no row with this seq.")
        present = [row for row in rows if row is not None]
        leaves = [chain.encode(tuple(row)[:17], micros(row["at"])) for row in present]
        root = chain.root(leaves) if leaves else bytes(32)
        if root != bytes(batch["root"]):
            found.add("root-differs", where, "The root over the rows is not the batch's: a row was changed.")
        self.roots.append(root)
        self.head = chain.head(bytes(batch["prev"]), self.shard["shard"], batch["first_seq"], batch["n"], root)
        if self.head != bytes(batch["head"]):
            found.add("head-differs", where, "The head does not follow from the batch.")
            self.head = bytes(batch["head"])
        self.next_seq = batch["first_seq"] + batch["n"]
        for row in present:
            self._row(row)

    def _row(self, row: store.Row) -> None:
        """A row follows from the balances before it, and says what was ordered."""
        found, where = self.found, f"{self.name} seq {row['seq']}"
        found.rows += 1
        debit, credit = rules.index_of(row["debit"]), rules.index_of(row["credit"])
        posted = row["status"] == Status.POSTED and row["kind"] == Kind.POST
        moved = row["amount"] if posted else 0
        if posted:
            if row["amount"] <= 0 or debit == credit:
                found.add("law-3", where, "A posted row has two different accounts and a positive amount.")
            for account in (row["debit"], row["credit"]):
                if self.currency.get(account) != row["currency"]:
                    found.add("currency", where, "A posted row has the currency of both its accounts.")
        if (row["reason"] == Reason.NONE) != (row["status"] == Status.POSTED):
            found.add("status", where, "Rejected rows have a reason, posted ones have none.")
        wanted = self._after(row["debit"], -moved), self._after(row["credit"], moved)
        own = rules.shard_of(row["debit"]) == rules.shard_of(row["credit"]) == self.shard["shard"]
        if (posted or own) and debit != credit and wanted != (row["debit_after"], row["credit_after"]):
            known = row["debit"] in self.currency and row["credit"] in self.currency
            if posted or (known and row["reason"] > Reason.UNKNOWN_PAYEE):
                found.add("balance-after", where, "The balances after the row do not follow from those before it.")
        at = micros(row["at"])
        if at < self.last_us:
            found.add("time", where, "The row is older than the row before it.")
        self.last_us = max(self.last_us, at)
        if not row["listed"]:
            found.add("id-not-listed", where, "The id directory does not lead to this row.")
        self._body(row, where)

    def _body(self, row: store.Row, where: str) -> None:
        ordered = (row["id"], row["debit"], row["credit"], row["amount"], row["currency"], row["code"])
        if rules.body_hash(*ordered, row["reference"] or "") != bytes(row["body_hash"]):
            if row["reference"] is None:
                self.found.erased += 1  # the words were erased (or are gone): the rest stands in the root
            else:
                self.found.add("body-differs", where, "The order's hash does not fit the order.")

    def _after(self, account: int, change: int) -> int:
        index = rules.index_of(account)
        if account not in self.currency:
            return 0
        self.balance[index] += change
        return self.balance[index]

    def _ends(self, extent: store.Row) -> None:
        """Nothing stands beyond the last batch, and the shard's fence names the chain's end."""
        found = self.found
        if self.shard["seq"] != self.next_seq or bytes(self.shard["head"]) != self.head:
            found.add("fence-differs", self.name, "The shard does not stand where its chain ends.")
        if extent["rows"] != self.next_seq - 1 or extent["last_seq"] != self.next_seq - 1:
            found.add("row-count", self.name, f"{extent['rows']} rows where the chain covers {self.next_seq - 1}.")
        if extent["ids"] != extent["rows"]:
            found.add("id-count", self.name, f"{extent['ids']} ids for {extent['rows']} rows.")

    async def _each_account(self, take: Callable[[store.Row], None]) -> None:
        last = -1
        while page := await store.accounts_page(self.tx, self.shard["shard"], last):
            for row in page:
                take(row)
            last = page[-1]["id"]

    async def _take_accounts(self) -> None:
        names: dict[str, str] = {}

        def take(row: store.Row) -> None:
            index = rules.index_of(row["id"])
            if index >= len(self.balance):
                self.balance.frombytes(bytes(8 * (index + 1 - len(self.balance))))
            self.currency[row["id"]] = names.setdefault(row["currency"], row["currency"])

        await self._each_account(take)

    async def _compare_accounts(self) -> None:
        """Stored balances are the replayed ones, respect the floor, and sum to zero in each currency."""
        found = self.found
        held = await store.holds_sum(self.tx, self.shard["shard"])

        def take(row: store.Row) -> None:
            found.accounts += 1
            where = f"account {rules.masked_number(rules.number_of(row['id']))} ({row['id']})"
            replayed = self.balance[rules.index_of(row["id"])]
            if row["posted"] != replayed:
                found.add("balance", where, f"The balance is {row['posted']}; its postings sum to {replayed}.")
            if rules.available(row["posted"], row["reserved"], row["floor"]) < 0:
                found.add("floor", where, "The account stands below its floor.")
            if row["reserved"] != held.get(row["id"], 0):
                found.add("reserved", where, "What is reserved is not the sum of the account's holds.")
            found.sums[row["currency"]] = found.sums.get(row["currency"], 0) + row["posted"]

        await self._each_account(take)
