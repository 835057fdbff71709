"""The GovStack Consent building block's doors (API 1.1.0-rc1) onto the same agreements and consents.

Laws
1. A door of GovStack shows or does nothing that the room's own acts would not: it only gives other names.
2. An agreement has two names here: its own, and its number in the order of first publication, which never changes.
3. What cannot be found or understood is answered with 400, the only refusal that the specification declares.

Not opened: config of individuals and webhooks, and "forget all": people come from the register, not from a form, and
forgetting is the right of erasure, which has a clock and an answer (see governance).
"""
