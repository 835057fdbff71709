"""The kernel: the only way to reach the data is an act that is permitted, transacted and logged.

Laws
1. A `Permit` comes only from `policy.decide`; nothing else can construct one.
2. A `Tx` opens only with a `Permit`, and commits only if every permit of it left a leaf in the log.
3. The database says no by itself: without the session facts of a permit, row-level security shows no row.
4. A claimed key answers with its first receipt; the same key with other content is refused.
5. An event leaves if and only if the transaction that emitted it committed.
6. What is sealed for a person is unreadable once the person's key is erased.
7. Two institutions never receive the same identifier for one person.

Standards: RFC 9457 (problem details), RFC 6962 and C2SP (log), Cedar (policies), W3C Trace Context.
"""
