"""Seizures: a court or an authority orders that a part of somebody's money be held, and paid over.

Laws
1. What is held is at most what the order says, and never more than leaves the protected minimum free.
2. What comes in later is held too, until the amount is reached, the order lifted, or its day over: then it is free.
3. Money leaves only to the account that the order names, and only when a second officer has checked the order.
4. Whoever holds the account is told at once: the order's number, who gave it, how much, and where to contest it.

A freeze (`officers.py`) stops a whole account; a seizure leaves the rest, and the minimum to live on.
"""
