"""Exchange: an institution asks another for what it needs to know about a person, and nothing more.

Laws
1. Standing: the institution, its subsystem and the key that signed are active at the moment of the decision.
2. Right: an answer needs a right of that subsystem to that service, method and path, for the stated purpose on one
   legal basis; what leaves is never more than the fields of that right.
3. Consent: where the legal basis is consent, a live consent covers every field; it is read in the same transaction
   as the decision, so a withdrawal that has committed is obeyed by every later decision.
4. Signature: every request is signed and carries a digest of its body; every answer is signed and bound to its
   request; a message counts once.
5. Leaf: every decided request, answered or refused, leaves one record with the person whom it names, committed
   before the service is asked.
6. A right never exceeds its service: fields, purposes and legal bases of a right are among those of the service.
7. A question is answered with yes or no: the value that it looks at does not leave, and counts as a field of its own.
8. Whole or nothing: a service gets no whole request, and a client no whole answer, whose digest is wrong.

Standards
X-Road Message Protocol for REST 1.0 and its service metadata protocol (requests, headers, hashes, errors, catalogue);
RFC 9421 HTTP Message Signatures; RFC 9530 Digest Fields; RFC 8941 Structured Field Values; RFC 7638 JWK Thumbprint;
RFC 8037 Ed25519 in JOSE; RFC 9440 Client-Cert; GovStack Information Mediator (directory services).

One departure from X-Road is deliberate: a refusal answers with its own status (401, 403, 404, 409) instead of 500.
X-Road clients recognise errors by the header `X-Road-Error`, which is always present.
"""
