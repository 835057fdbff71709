"""Health: each institution's clinical record of a person, in FHIR R4, open to the person and to who treats them.

Laws
1. A resource of a patient's record has exactly one owner, a person of the identity room; without one it is refused.
2. A transaction bundle is stored whole or not at all, and its result does not depend on the order of its entries.
3. An institution has at most one Patient for a person, and sees only what it stored itself; anything else comes
   through the exchange, under a consent.
4. The stored copy never holds the identity number: the institution's own pseudonym of the person stands for it.
5. A body is sealed under its owner's key, in every version: erasing the key erases the record.
6. What is stored matches the definitions of the standard: no unknown element, nothing mandatory missing.
7. A decimal comes out with the digits that went in.
8. A search never answers more than was asked: an unknown parameter is refused, every match is checked again on the
   unsealed resource, and each person found learns of it.
9. A page follows the one before: what existed when the search began appears exactly once.
10. A summary says of each required section what is known, or why nothing is.

Standards: HL7 FHIR R4 (4.0.1): RESTful API 3.1, search 3.1.1, JSON 2.6.2, data types 2.24, Patient compartment;
International Patient Summary 2.0.0 ($summary); CVX vaccine codes for the counts of immunisation.
"""
