"""Membership: institutions join in minutes, describe their services, and ask each other for rights in the open.

Laws
1. Proof: who asks to join by a program proves that it holds the private key; what is not proved says so to the
   authority, and the private key itself is never taken.
2. States: an application is waiting, then approved, declined or withdrawn, once; an institution is active or suspended,
   every change has a reason, and the reasons are public.
3. Second eyes: who suspended an institution does not reinstate it; who asked for a right does not grant it.
4. Roll-over: a new key is added by a message that a key still active signed, for the same software only; nothing stops
   in between.
5. Ask, then have: a right that was asked for is granted by the owner of the service or the authority, never wider than
   it was asked for, and it ends on the day that was granted.
6. Addresses: the exchange asks a service at an address only if its operator named the host, or the governing authority
   described the service.

Standards
OpenAPI 3.0 and 3.1 (descriptions of services); RFC 9421 (proof of possession); RFC 8037 and RFC 7638 (keys and their
names); X-Road member classes and codes.
"""
