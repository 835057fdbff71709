"""What the running system does with data about people: the register of processing, and the assessment of its impact.

Laws
1. Everything in it is read from what runs: schemas, policies, the profile, the exchange, and counts of the log.
2. A table that nobody registered for retention is named as such, not left out.
3. It names nobody; it is signed, and anyone may read it.
"""
