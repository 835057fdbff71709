"""Presentation: what an institution may ask to be shown, and how what a wallet shows is verified (a sub-room).

Laws
1. An institution asks only for fields to which it has a right, for the purpose and on the legal basis of that right.
2. A presentation answers one request: nonce, audience and response address are its own, and it counts once.
3. What leaves the verifier are the claims that were asked for, and none that a wallet added.
4. A value that the query restricts is checked again here, whatever the wallet checked.
5. Status comes from lists that are fetched ahead and kept: no check makes a connection, so none tells an issuer
   who was checked. What could not be learned is "undetermined"; only a verified current list says "revoked".
6. A presentation on the device that asked is handed over only to the browser session that asked.
7. No presentation is kept: the claims asked for are kept sealed until they are collected, at most ten minutes.
8. The person whose credential it was sees who asked, for which purpose, on which legal basis, and which fields.
9. Whatever the bytes, a reader raises nothing but refusals, and no mutation of a presentation is accepted.

Standards: OpenID4VP 1.0 (with DCQL), HAIP 1.0, RFC 9101 (request objects), RFC 9901 (SD-JWT), SD-JWT VC (draft 19),
ISO/IEC 18013-5 and 18013-7 (mdoc), RFC 7516 and 7518 (JWE), RFC 5280 (certificates), Token Status List (draft 20).
"""
