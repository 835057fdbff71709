"""Credentials: what someone can show, and how anybody can check it without asking us about the holder.

Laws
1. A person has at most one live ID card: issuing one ends the card before it.
2. A card that was revoked or has expired never becomes valid again; suspension alone can be undone.
3. The content of a signed credential cannot be changed: no mutation of any byte is accepted as genuine.
4. A reader refuses what it cannot read; it raises nothing but this room's refusals, whatever the bytes.
5. Only a verified, current status list says "revoked" or "suspended"; without one the status is undetermined.
6. A status index is random and taken once; times are rounded to days, so that neither links two credentials.
7. A reprint shows exactly what was signed: the card's face is kept, sealed under the holder's key, as issued.
8. Checking a card tells the issuer nothing of its holder: keys and status lists are fetched whole, and the code is
   read on the device. Only a picture that cannot be read there may be sent, at its user's wish, to be read in memory.

Standards: RFC 9052 (COSE), RFC 8392 (CWT), RFC 9285 (Base45), Claim 169 of the IANA CWT registry (1.2.0), Token
Status List (draft 20), ICAO Doc 9303 parts 3 and 5 (TD1), ISO/IEC 7810 ID-1, RFC 7517 (JWK).
"""
