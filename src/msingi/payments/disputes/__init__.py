"""Disputes: a customer says that a payment is not right, the other side answers, and a person decides in time.

Laws
1. A transfer is disputed by whoever paid it, once, within the days that the country gives for its kind.
2. What is held of the payee's money until the decision is at most what was paid and what the payee still has.
3. A dispute ends once: paid back (in whole or in part, by a new transfer that names the old one) or refused, and then
   nothing of it is held any more.
4. Nobody decides a dispute without a reason that both sides read.
5. Whoever does not accept the decision, or waits past the deadline, can take the dispute to the register of complaints.

Money moves only by orders of the ledger, whose ids are derived from the dispute: whatever breaks off can be repeated.
"""
