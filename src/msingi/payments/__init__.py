"""Payments: accounts, the double-entry ledger, transfers, bulk payment files, and the books' own checker.

Laws
1. Every posted transfer sums to zero: what leaves the payer arrives at the payee, in one currency.
2. No account passes its floor: available = posted - reserved - floor never falls below zero.
3. A transfer has two different, open accounts and a positive amount within the payer's tier.
4. A transfer id stands for one order: repeated, it answers the first receipt; with other content it is refused.
5. A balance is the sum of the account's postings, at any past moment.
6. Journal rows are contiguous per shard, name the rows before them in their accounts, are never changed, and each
   batch is chained to the one before it.
7. A transfer is acknowledged only after the commit of the one transaction that holds its journal row, both balances,
   its batch, its id and the batch's leaf in the transparency log.
8. A payment file is paid by two officials of one institution, each line at most once, every line with an outcome.
9. A hold takes from what is available at once, is ended exactly once (by a commit of at most its amount, an abort, or
   its time), and cannot fail for funds or limits when it is committed.
10. Linked orders are posted all or none.
11. What was paid is put right by a new transfer that names the old one; together they never pay back more than was
    paid. Nothing in the journal is ever changed.
12. A transfer between shards is one transfer: reserved, arrived and committed, or given back, whatever crashes on the
    way; what has left one shard and not arrived in the other stands in the accounts between them.

One sequential writer per shard decides in memory (`book.py`, `moves.py`) and persists in batches (`writer.py`);
`audit.py` and `replay.py` trust none of it and recompute everything from the journal. Other rooms and sub-rooms make
orders (`orders.py`) and post them (`ledger.py`), wherever the accounts live (`homes.py`, `between.py`).

Standards: ISO 20022 (pain.001.001.09, pain.002.001.10), ISO 7064 MOD 97-10 (account numbers), ISO 4217 (currencies),
RFC 6962 (batch roots).
"""
