"""Consent: what a person allowed, to whom, for which purpose and which fields, until when, and who then looked.

Laws
1. Nobody consents for a person but that person; withdrawing never asks for more than granting did.
2. A consent rests on one published version of a data agreement and never exceeds its fields, purpose or term.
3. A consent is live from its grant until its withdrawal or its expiry, whichever comes first, and never again after.
4. Every state of an agreement and of a consent is a signed revision that holds the hash of the one before.
5. What a decision reads about a consent, it reads in its own transaction: a withdrawal that has committed is obeyed.
6. A person reads every record of the acts about them, and gets a proof of each that needs no trust in this stack.

Standards
ISO/IEC TS 27560:2023 (consent record and receipt); RFC 7515 and RFC 8037 (signatures); RFC 8785 (canonical JSON);
GovStack Consent building block 1.1 (agreement, record, revision, signature); C2SP tlog-proof (proofs of accesses).
"""
