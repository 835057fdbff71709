"""Reconciling: what a bank's statement says of an account against what the ledger says, line by line.

Laws
1. A line of the statement is matched with at most one entry of the ledger, and an entry with at most one line.
2. Nothing disappears: every line and every entry of the period is matched, or stands in the queue with the reason.
3. What is matched has the same amount and direction; a reference that agrees with another amount is an exception.
4. The same statement against the same entries gives the same result, in whatever order its lines stand.
5. A statement whose lines do not lead from its opening to its closing balance is refused.
6. What an official says of an exception is added, with who and when; it changes neither the statement nor the ledger.

Standards: ISO 20022 camt.053 (001.02 to 001.12, the parts that are needed), RFC 4180 (CSV), RFC 7515 (the report).
"""
