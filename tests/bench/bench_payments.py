"""How fast money moves: `python tests/bench/bench_payments.py [--accounts N] [--seconds S] [--scale S]`.

Transfers go through the acts: each decided by policy under its own permit, its id derived, its limits weighed, its
row hashed; each batch journalled, chained, and left as a leaf in the log, in one durable transaction (fsync on).
The yardstick is pgbench's TPC-B (8 clients, prepared) on the same server, run before and after each measurement.
"""

import argparse
import asyncio
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import asyncpg
import psutil
import uvloop
from msgspec import structs

from msingi import app, countries
from msingi.kernel import policy
from msingi.kernel.context import Actor, Context, Kind, context
from msingi.kernel.ids import PersonId
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate, rewritten
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments import acts, audit, parties, rules, writer
from msingi.payments.fraud import jobs as fraud
from msingi.payments.model import Alias, TransferOrder

BANK = "benki"
START_MINOR = 1_000_000
TREASURY_MINOR = 10**12  # of the one account that pays everybody: it never runs dry, however fast it pays
COLUMNS = ["shard", "id", "owner", "tier", "currency", "kind", "floor"]


Run = Callable[[float], Awaitable[tuple[int, list[float]]]]


class Case(NamedTuple):
    """What is measured: its goal against TPC-B, and what prepares the run that does it for some seconds."""

    name: str
    goal: float
    prepare: Callable[[], Run]


class Bench:
    """A database with accounts, and ways to move money between them."""

    def __init__(self, stack: Stack, people: list[PersonId], first_bank: int, banks: int) -> None:
        self.stack, self.people, self.first_bank, self.banks = stack, people, first_bank, banks
        self.chance = random.Random(1)
        self.numbers = [rules.number_of(rules.account_id(n, 0)) for n in range(first_bank + banks)]
        self.bank = context(Actor(Kind.CLIENT, "bench", BANK, frozenset({"treasurer"}), 2), "payment", "contract")
        self.next_key = 0

    def person_orders(self) -> Iterator[tuple[Context, TransferOrder]]:
        """Endless orders of people to people, made before the clock starts."""
        made = []
        for _ in range(150_000):
            payer, payee = self.chance.sample(range(len(self.people)), 2)
            actor = Actor(Kind.PERSON, str(self.people[payer]), assurance=2)
            self.next_key += 1
            wanted = TransferOrder(
                f"k{self.next_key}",
                self.numbers[payer + 1],
                Alias("account", self.numbers[payee + 1]),
                self.chance.randrange(1, 20),
                self.stack.profile.currency.code,
            )
            made.append((context(actor, "payment", "contract"), wanted))
        return iter(made)

    def bank_orders(self, count: int, payer: int | None = None) -> list[TransferOrder]:
        """Orders of the bank from its own accounts (or one of them) to anybody."""
        made = []
        for _ in range(count):
            self.next_key += 1
            source = payer if payer is not None else self.first_bank + self.chance.randrange(self.banks)
            payee = 1 + self.chance.randrange(self.first_bank - 1)
            made.append(
                TransferOrder(
                    f"k{self.next_key}",
                    self.numbers[source],
                    Alias("account", self.numbers[payee]),
                    self.chance.randrange(1, 20),
                    self.stack.profile.currency.code,
                )
            )
        return made

    def singles(self) -> Run:
        """256 clients, each sending one transfer after the other."""
        orders = self.person_orders()

        async def run(seconds: float) -> tuple[int, list[float]]:
            latencies: list[float] = []
            stop = time.perf_counter() + seconds

            async def client() -> None:
                while (began := time.perf_counter()) < stop and (found := next(orders, None)):
                    ctx, order = found
                    await acts.transfer(self.stack, ctx, order)
                    latencies.append(time.perf_counter() - began)

            await asyncio.gather(*[client() for _ in range(256)])
            return len(latencies), latencies

        return run

    def bulk(self, payer: int | None) -> Run:
        """Eight clients, each sending 1,000 transfers to a call."""
        calls = iter([self.bank_orders(1_000, payer) for _ in range(250)])

        async def run(seconds: float) -> tuple[int, list[float]]:
            done, latencies = 0, []
            stop = time.perf_counter() + seconds

            async def client() -> None:
                nonlocal done
                while (began := time.perf_counter()) < stop and (wanted := next(calls, None)):
                    endings = await acts.transfer_many(self.stack, self.bank, wanted)
                    refused = [e for e in endings if isinstance(e, Exception)]
                    if refused:
                        raise refused[0]
                    done += len(endings)
                    latencies.append(time.perf_counter() - began)

            await asyncio.gather(*[client() for _ in range(8)])
            return done, latencies

        return run


async def filled(stack: Stack, owner_url: str, accounts: int) -> Bench:
    """Accounts with money out of an issuing account: most of people, a tenth of a bank."""
    banks = max(10, accounts // 10)
    people = [PersonId(UUID(int=n + 1)) for n in range(accounts - banks)]
    currency = stack.profile.currency.code
    bank = parties.institution_ref(stack, BANK)
    rows = [
        (0, rules.account_id(n, 0), parties.person_ref(stack, p), 2, currency, "wallet", 0)
        for n, p in enumerate(people, 1)
    ]
    first_bank = len(rows) + 1
    rows += [(0, rules.account_id(first_bank + n, 0), bank, 0, currency, "float", 0) for n in range(banks)]
    issue = len(rows) + 1
    rows.append((0, rules.account_id(issue, 0), bank, 0, currency, "issue", -rules.MAX_BALANCE_MINOR))
    conn = await asyncpg.connect(owner_url)
    await conn.copy_records_to_table("account", schema_name="payments", columns=COLUMNS, records=rows)
    await conn.execute("UPDATE payments.numbering SET next_index = $1", issue + 1)
    await conn.execute("VACUUM ANALYZE payments.account")
    await conn.close()
    bench = Bench(stack, people, first_bank, banks)
    bench.numbers.append(rules.number_of(rules.account_id(issue, 0)))
    for start in range(1, issue, 1_000):
        wanted = [
            TransferOrder(f"i{n}", bench.numbers[issue], Alias("account", bench.numbers[n]), START_MINOR, currency)
            for n in range(start, min(issue, start + 1_000))
        ]
        if start <= first_bank < start + 1_000:
            wanted[first_bank - start] = structs.replace(wanted[first_bank - start], amount_minor=TREASURY_MINOR)
        await acts.transfer_many(stack, bench.bank, wanted)
    return bench


def tpc_b(server: EmbeddedServer, url: str, seconds: float, pid: int) -> tuple[float, float]:
    """pgbench's TPC-B, 8 clients, prepared statements: transactions a second, CPU microseconds of each."""
    command = [
        server.bin_path / "pgbench",
        "-n",
        "-c",
        "8",
        "-j",
        "2",
        "-M",
        "prepared",
        "-T",
        str(round(seconds)),
        url,
    ]
    theirs, own = cpu_s(pid), resource.getrusage(resource.RUSAGE_CHILDREN)
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = cpu_s(pid) - theirs + used.ru_utime + used.ru_stime - own.ru_utime - own.ru_stime
    found, count = re.search(r"tps = ([0-9.]+)", told), re.search(r"processed: ([0-9]+)", told)
    assert found and count, told
    return float(found[1]), spent / int(count[1]) * 1e6


def cpu_s(pid: int) -> float:
    """CPU seconds of a PostgreSQL server so far, with the sessions that have ended."""
    server = psutil.Process(pid)
    total = sum(server.cpu_times()[:4])
    for session in server.children():
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile, and counts as the server's
            total += sum(session.cpu_times()[:2])
    return total


async def measured(case: Case, server: EmbeddedServer, url: str, seconds: float) -> None:
    """Run a case between two runs of the yardstick, and print what it did."""
    pid = server._server.get_pid()
    run = case.prepare()
    app.settle_memory()  # as the application does when it has started
    before, yard_cpu = await asyncio.to_thread(tpc_b, server, url, seconds, pid)
    own, theirs, began = time.process_time(), cpu_s(pid), time.perf_counter()
    done, latencies = await run(seconds)
    rate = done / (time.perf_counter() - began)
    own, theirs = time.process_time() - own, cpu_s(pid) - theirs
    after, _ = await asyncio.to_thread(tpc_b, server, url, seconds, pid)
    yard = statistics.mean((before, after))
    latencies.sort()
    p50, p99 = (1000 * latencies[int(len(latencies) * q)] for q in (0.5, 0.99))
    print(
        f"{case.name:30} {rate:7,.0f}/s {rate / yard:5.2f} x TPC-B ({before:,.0f}, {after:,.0f}/s; goal {case.goal}), "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; CPU us each: Python {own / done * 1e6:.1f} + "
        f"PostgreSQL {theirs / done * 1e6:.1f}, TPC-B {yard_cpu:.0f}",
        flush=True,
    )


async def loaded(url: str, home: Path) -> None:
    """A process of its own that does what a payments process does at its start: say what memory it then has."""
    stack = await Stack.open(Settings(home=home), url, countries.load("taifa"))
    began = time.perf_counter()
    book = await writer.of(stack)._loaded()
    memory = psutil.Process().memory_info().rss / 2**20
    # Not ru_maxrss: that of a program counts what its parent held when it was started (proc(5), VmHWM).
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 2**10
    print(f"{len(book.flags) - 1:,} accounts taken into memory in {time.perf_counter() - began:.1f} s: {memory:.0f} MB "
          f"(peak {peak:.0f}; goal 400)", flush=True)  # fmt: skip
    await stack.close()


async def main(options: argparse.Namespace) -> None:
    """Start a server, fill it, measure each case, and check the books."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "pg")
        for name in ("ledger", "yard"):
            conn = await asyncpg.connect(server.url)
            await conn.execute(f"CREATE DATABASE {name}")
            await conn.close()
        owner_url, yard_url = (rewritten(server.url, database=name) for name in ("ledger", "yard"))
        subprocess.run(
            [server.bin_path / "pgbench", "-i", "-q", "-s", str(options.scale), yard_url],
            capture_output=True,
            check=True,
        )
        await migrate(owner_url)
        stack = await Stack.open(Settings(home=Path(folder)), as_app(owner_url), countries.load("taifa"))
        policy.load(["payments", "payments.fraud"])
        await fraud.begin(stack)  # the gate belongs to the path
        began = time.perf_counter()
        bench = await filled(stack, owner_url, options.accounts)
        print(f"{options.accounts:,} accounts filled in {time.perf_counter() - began:.1f} s")
        for case in (
            Case("256 in flight", 4.0, bench.singles),
            Case("8 x 1,000 to a call", 5.0, lambda: bench.bulk(None)),
            Case("one payer, 8 x 1,000 to a call", 5.0, lambda: bench.bulk(bench.first_bank)),
        ):
            await measured(case, server, yard_url, options.seconds)
        memory = psutil.Process().memory_info().rss / 2**20
        command = [sys.executable, __file__, "--load", as_app(owner_url), "--home", folder]
        await asyncio.to_thread(subprocess.run, command, check=True)
        began = time.perf_counter()
        found = await audit.check_books(stack.db)
        print(f"{found.rows:,} rows in {found.batches:,} batches checked in {time.perf_counter() - began:.1f} s: "
              f"{'no fault' if found.ok else found.problems[:3]}; this process had {memory:.0f} MB")  # fmt: skip
        await stack.close()
        server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--scale", type=int, default=20, help="pgbench's scale")
    parser.add_argument("--load", help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    uvloop.run(loaded(chosen.load, chosen.home) if chosen.load else main(chosen))
