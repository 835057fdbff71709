"""Sign-in: how a person, a member of staff or an institution's software proves who it is.

Laws
1. A wrong PIN and an unknown number get the same answer, after the same time.
2. A lock stands only between one subject and one place (a known device, a network, or all new devices together for
   codes), or closes a network to new devices for a quarter of an hour: failures made elsewhere never lock a device
   on which the subject has signed in before. On our own page even a lock by network turns nobody away: there it is
   only no longer told whether a PIN was right, and who has PIN and phone signs in.
3. A one-time code works once, for at most 300 s, and dies after 5 wrong tries; it is never shown in a page.
4. An authorization code works once, for at most 60 s, for the client, the redirect address and the PKCE verifier
   (S256 only) that it was made for; a second use ends every token that came from the first. Without PKCE it is given
   only to confidential software that signs with its key, and is held by the nonce of its ID token (RFC 9700, 2.1.1).
5. Rules of FAPI 2.0 are no settings: for a client marked `fapi` a pushed request, `private_key_jwt` and DPoP are
   demanded always.
6. An answer goes only to an address that the client registered, character for character; anything else is a page.
7. Every client's software knows a person under the pseudonym of its institution, and gets only claims that it may
   ask for and that the person agreed to.
8. A token is signed with the current key, and accepted with every key that is still valid; a token of an ended grant
   is refused.
9. Every attempt, right or wrong, is an act that leaves a leaf; a wrong one on an existing account is seen by its owner.

10. An institution learns yes or no, and by guessing not more: its noes are counted by person and over all people, and
   stand in nobody else's way.
11. An account given back at a centre tells its owner on every known phone, and does nothing weighty for three days.

12. A way from an institution to a person that closed after too many tries is told to that person, who opens it again
   with two factors, or at a centre: no stranger who knows a number shuts its holder out (`ways`).

Standards: OpenID Connect Core 1.0, RP-Initiated and Back-Channel Logout 1.0, CIBA 1.0 (poll), RFC 6749, 7009
(revocation), 7523 (client assertions), 7636 (PKCE), 7662 (introspection), 8414 (metadata), 9068 (JWT access tokens),
9101 (signed requests), 9126 (PAR), 9207 (`iss`), 9396 (authorization details), 9449 (DPoP, with nonces), FAPI 2.0
Security Profile, FAPI-CIBA, Web Authentication Level 3.
"""
