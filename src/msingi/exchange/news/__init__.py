"""News: institutions publish events, others subscribe, and each gets its own in a mailbox or by callback.

Laws
1. Rights: who gets an event holds, when it is published, a living right to the service that the event type belongs to;
   the event holds no more than the fields of that right, and where the right rests on consent, the person's consent
   is live.
2. Own names: an event about a person goes only to those who follow that person, and names the person to each by that
   institution's own pseudonym.
3. Nothing lost: an event that was published stays in the mailbox until it is acknowledged; a callback that fails is
   tried again, later each time, and then rests as a dead letter that can still be fetched.
4. Leaf: every event about a person that goes to an institution stands in the person's record.
5. Later is not otherwise: a request to be answered later is verified when it comes and decided, when it is carried
   out, like any other.

Standards
GovStack Information Mediator, publish/subscribe (event types, subscriptions, publication, pulling); CloudEvents 1.0
(the shape of an event); RFC 9421 (what is sent to a callback is signed).
"""
