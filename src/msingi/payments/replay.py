"""One shard of the ledger replayed from its first row: what must follow from each row, and what is found wrong."""

from array import array
from collections.abc import Callable
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from msingi.payments import chain, rules, store, store_books
from msingi.payments.book import micros
from msingi.payments.model import Kind, Reason, Status

MAX_PROBLEMS = 200
PAGE_BATCHES = 64
Progress = Callable[[int, int], Any]
MOVING = (Kind.POST, Kind.COMMIT, Kind.REVERSE, Kind.ARRIVE)
ENDING = (Kind.COMMIT, Kind.ABORT, Kind.EXPIRE)


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


class Replay:
    """One shard, replayed from its first row."""

    def __init__(
        self, tx: store.Tx, shard: store.Row, found: Findings, roots: list[bytes], progress: Progress | None
    ) -> None:
        self.tx, self.shard, self.found, self.roots, self.progress = tx, shard, found, roots, progress
        self.name = f"shard {shard['shard']}"
        self.balance = array("q")
        self.last = array("q")
        self.currency: dict[int, str] = {}
        self.next_seq = 1
        self.head = chain.GENESIS
        self.last_us = 0
        self.holds: dict[UUID, tuple[int, int, str, int, int]] = {}
        self.named: set[UUID] = set()  # the transfers that some row reverses
        self.reversible: dict[UUID, tuple[int, int, str, int]] = {}
        self.transits: dict[tuple[int, str], int] = {}
        self.in_chain: bool | None = None

    async def run(self) -> None:
        """Batches with their rows, then what must follow from them."""
        extent = await store_books.journal_extent(self.tx, self.shard["shard"])
        await self._take_accounts()
        self.transits = await store_books.transits(self.tx, self.shard["shard"])
        self.named = await store_books.reversed_ids(self.tx, self.shard["shard"])
        last = 0
        while page := await store_books.batches(self.tx, self.shard["shard"], last, PAGE_BATCHES):
            stop = page[-1]["first_seq"] + page[-1]["n"]
            rows = await store_books.journal(self.tx, self.shard["shard"], page[0]["first_seq"], stop)
            by_seq = {row["seq"]: row for row in rows}
            for batch in page:
                self._batch(batch, [by_seq.get(batch["first_seq"] + i) for i in range(batch["n"])])
            last = page[-1]["first_seq"]
            if self.progress is not None:
                self.progress(self.found.rows, extent["rows"])
        self._ends(extent)
        await self._compare_holds()
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
        columns = len(chain.COLUMNS)
        leaves = [chain.encode(tuple(row)[:columns], micros(row["at"])) for row in present]
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
        posted, kind = row["status"] == Status.POSTED, row["kind"]
        debit, credit = self._place(row["debit"], row["currency"]), self._place(row["credit"], row["currency"])
        if (row["reason"] == Reason.NONE) != posted:
            found.add("status", where, "Rejected rows have a reason, posted ones have none.")
        if posted:
            if row["amount"] <= 0 or debit == credit:
                found.add("law-3", where, "A posted row has two different accounts and a positive amount.")
            for account in (debit, credit):
                if self.currency.get(account) != row["currency"]:
                    found.add("currency", where, "A posted row has the currency of both its accounts.")
            self._named(row, where)
        if self.in_chain is not None and self.in_chain != posted:
            found.add("chain-split", where, "Linked rows are posted all or none.")
        self.in_chain = posted if row["linked"] else None
        moved = row["amount"] if posted and kind in MOVING else 0
        wanted = self._after(debit, -moved), self._after(credit, moved)
        if debit != credit and wanted != (row["debit_after"], row["credit_after"]):
            known = debit in self.currency and credit in self.currency
            # Who orders from somebody else's account is not told its balance: such rows say 0, linked ones too.
            told = row["debit_after"] != 0 and row["reason"] not in (Reason.UNKNOWN_PAYER, Reason.UNKNOWN_PAYEE)
            if posted or (known and told):
                found.add("balance-after", where, "The balances after the row do not follow from those before it.")
        self._links(row, where, posted)
        at = micros(row["at"])
        if at < self.last_us:
            found.add("time", where, "The row is older than the row before it.")
        self.last_us = max(self.last_us, at)
        if not row["listed"]:
            found.add("id-not-listed", where, "The id directory does not lead to this row.")
        self._body(row, where)

    def _links(self, row: store.Row, where: str, posted: bool) -> None:
        """A row names the one before it in each account whose statement it belongs to."""
        wanted = [0, 0]
        for place, (account, moves) in enumerate(((row["debit"], True), (row["credit"], row["kind"] in MOVING))):
            if posted and moves and rules.shard_of(account) == self.shard["shard"] and account in self.currency:
                index = rules.index_of(account)
                wanted[place], self.last[index] = self.last[index], row["seq"]
        if wanted != [row["debit_before"], row["credit_before"]]:
            self.found.add("link", where, "The row does not name the rows before it in its accounts.")

    def _named(self, row: store.Row, where: str) -> None:
        """A posted row that names another one has the right to: a hold is ended once, a transfer paid back once."""
        kind, named, amount = row["kind"], row["pending_id"], row["amount"]
        ends = row["debit"], row["credit"], row["currency"]
        if kind in (Kind.RESERVE, Kind.EXPECT):
            expires = micros(row["at"]) + row["timeout_s"] * 1_000_000 if row["timeout_s"] else 0
            self.holds[row["id"]] = (*ends, amount, expires)
        elif kind in ENDING:
            hold = self.holds.pop(named, None)
            whole = amount == (hold[3] if hold else 0)
            if hold is None or hold[:3] != ends or not (whole or (kind == Kind.COMMIT and amount < hold[3])):
                self.found.add("hold", where, "The row ends no open hold, or not as it was reserved.")
            elif kind == Kind.EXPIRE and not 0 < hold[4] <= micros(row["at"]):
                self.found.add("hold-time", where, "The hold was ended before its time was over.")
        elif kind == Kind.REVERSE:
            original = self.reversible.get(named)
            if original is None or original[:3] != (ends[1], ends[0], ends[2]) or amount > original[3]:
                self.found.add("reversal", where, "The row pays back what was not paid.")
            else:
                self.reversible[named] = (*original[:3], original[3] - amount)
        if kind in (Kind.POST, Kind.COMMIT, Kind.ARRIVE) and row["id"] in self.named:
            self.reversible[row["id"]] = (*ends, amount)

    def _place(self, account: int, currency: str) -> int:
        """An account of this shard, or the one that stands for another shard's."""
        shard = rules.shard_of(account)
        return account if shard == self.shard["shard"] else self.transits.get((shard, currency), account)

    def _body(self, row: store.Row, where: str) -> None:
        ordered = (row["id"], row["debit"], row["credit"], row["amount"], row["currency"], row["code"])
        more = row["kind"], row["pending_id"], row["timeout_s"]
        if rules.body_hash(*ordered, row["reference"] or "", *more) != bytes(row["body_hash"]):
            if row["reference"] is None:
                self.found.erased += 1  # the words were erased (or are gone): the rest stands in the root
            else:
                self.found.add("body-differs", where, "The order's hash does not fit the order.")

    def _after(self, account: int, change: int) -> int:
        if account not in self.currency:
            return 0
        index = rules.index_of(account)
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
        while page := await store_books.accounts_page(self.tx, self.shard["shard"], last):
            for row in page:
                take(row)
            last = page[-1]["id"]

    async def _take_accounts(self) -> None:
        names: dict[str, str] = {}

        def take(row: store.Row) -> None:
            index = rules.index_of(row["id"])
            if index >= len(self.balance):
                for column in (self.balance, self.last):
                    column.frombytes(bytes(8 * (index + 1 - len(column))))
            self.currency[row["id"]] = names.setdefault(row["currency"], row["currency"])

        await self._each_account(take)

    async def _compare_holds(self) -> None:
        """The open holds are those that the journal has reserved and not ended."""
        kept = await store_books.open_holds(self.tx, self.shard["shard"])
        for hold_id in self.holds.keys() | kept.keys():
            one, wanted = kept.get(hold_id), self.holds.get(hold_id)
            if one is None or (one.debit, one.credit, one.currency, one.amount, one.expires_us) != wanted:
                self.found.add("open-hold", f"hold {hold_id}", "The open hold is not as the journal has it.")

    async def _compare_accounts(self) -> None:
        """Stored balances are the replayed ones, respect the floor, and sum to zero in each currency."""
        found = self.found
        held: dict[int, int] = {}
        for hold in self.holds.values():
            held[self._place(hold[0], hold[2])] = held.get(self._place(hold[0], hold[2]), 0) + hold[3]

        def take(row: store.Row) -> None:
            found.accounts += 1
            where = f"account {rules.masked_number(rules.number_of(row['id']))} ({row['id']})"
            replayed = self.balance[rules.index_of(row["id"])]
            if row["posted"] != replayed:
                found.add("balance", where, f"The balance is {row['posted']}; its postings sum to {replayed}.")
            if row["last_seq"] != self.last[rules.index_of(row["id"])]:
                found.add("newest-row", where, "The account does not name its newest row.")
            if rules.available(row["posted"], row["reserved"], row["floor"]) < 0:
                found.add("floor", where, "The account stands below its floor.")
            if row["reserved"] != held.get(row["id"], 0):
                found.add("reserved", where, "What is reserved is not the sum of the account's holds.")
            found.sums[row["currency"]] = found.sums.get(row["currency"], 0) + row["posted"]

        await self._each_account(take)
