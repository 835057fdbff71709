"""The doors that software written for MOSIP eSignet knows, beside our own (a sub-room).

Laws
1. They are other names for the same acts: who may do what, and what is kept of it, is the same.
2. What eSignet allows and this provider does not (unsigned assertions, registration by anybody, a key of a wallet
   that counts for everything) is refused here too, with the reason; a profile that weakens a rule does not exist.

Shapes: MOSIP eSignet client management, token, userinfo and well-known endpoints; GovStack Identity building block API.
"""
