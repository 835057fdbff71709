"""Fraud and money laundering: what customers order is weighed by rules before the ledger sees it, and people decide.

Laws
1. Every order by which a customer parts with money is weighed, whatever door it came by, and exactly once.
2. A verdict follows from the rules of the country and the facts alone: the same facts, the same verdict.
3. Nothing that a rule stops has moved money; a repeated order gets its first answer, also when that was a receipt.
4. Whoever is stopped reads that, why in plain words, and how to contest it; no answer tells a bound.
5. What is contested has a deadline, and a person decides it.
6. A suspicion is confirmed by two officers, never by one, and never shown to the person whom it is about.

A rule answers allow, review (the order is not queued, an officer looks within hours) or refuse. Facts are what the
ledger and sign-in know: how much went to whom and when, who paid in, a new device, a recovery, a list of sanctions.

Standards: UN Security Council consolidated list (XML), goAML 4 (the order of its elements; its schema is handed to
registered institutions only), FATF recommendations 6, 10, 20 and 21.
"""
