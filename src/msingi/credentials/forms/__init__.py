"""The forms in which one set of facts is signed: SD-JWT VC, ISO 18013-5 mdoc, W3C VCDM 2.0; and who signs them.

Pure functions: facts, a holder's key and a signer in, one credential out. Nothing here reads a clock, a database or
a network. `presentation` reads what is written here, `issuance` decides what is written.

Standards: RFC 9901 (SD-JWT), SD-JWT VC draft 19, ISO/IEC 18013-5 (mdoc, and its certificate profile, annex B),
W3C Verifiable Credentials Data Model 2.0 with VC-JOSE-COSE, RFC 5280 (certificates), Token Status List draft 20.
"""
