"""How people come to be enrolled: told ahead, at a centre by appointment, or in the field offline (a sub-room).

Laws
1. What somebody told ahead is found by the reference alone, which cannot be guessed; it is a draft, gives no number,
   and is forgotten when it was used or its time is over.
2. No desk is given to two people at one time.
3. A packet is enrolled at most once, however often it arrives, and only if a registered device signed exactly it.
4. Nothing that arrived is lost: what cannot be enrolled waits for a person, with the rule that it broke, and a gap in
   a device's count shows what has not arrived.
5. From the moment that a device is revoked, no packet of it is enrolled without a person's decision.

Each law has a test in tests/identity/test_reception.py. The format of a packet: docs/how-to/enrol-in-the-field.md.

Standards: RFC 7515 (JWS) inside RFC 7516 (JWE) with ECDH-ES on X25519 and A256GCM (RFC 8037, RFC 7518); RFC 9562 for
packet ids; the content of a packet follows MOSIP's registration packet in what it holds, not in its folders.
"""
