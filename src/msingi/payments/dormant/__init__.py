"""Dormant accounts: found by the country's law, told before, asleep until the customer wakes them, handed over at last.

Laws
1. An account falls asleep only after its customer was told, so many days before as the law says, and only if nothing
   was ordered by the customer on any account in all those months.
2. Asleep, it pays nothing, receives, and earns interest; the customer alone wakes it at once, or two officials do.
3. What is handed to the authority is what the account could pay, once, to the authority that the law names.
4. What is paid back, to the owner and to heirs together, is never more than was handed over.
5. Each day's work can break off and run twice: no account is told, put to sleep or emptied twice.

Standards: none; what dormant means is the country's law (`bank.toml`, `dormant`).
"""
