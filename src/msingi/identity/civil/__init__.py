"""Births and deaths: told by whoever saw them, registered by a registrar, and provable on paper (a sub-room).

Laws
1. Nothing that was told is lost: a notification waits until a registrar registers or rejects it, with a reason.
2. An entry has a number of its year's register that no other entry has, and no number is skipped by a correction.
3. A death is registered once, of somebody who lived until then, on a day between birth and today; what is wrong is
   made void by two registrars, and stays readable as void.
4. A certificate says what the entry says, in the words of its newest version; one that was corrected or made void
   since still has a good signature, and is told to be out of date by whoever asks.

Each law has a test in tests/identity/test_civil.py. Registered births are the numerator of SDG 16.9.1.

Standards: United Nations, Principles and Recommendations for a Vital Statistics System, rev. 3 (notification,
registration, late registration, certificate); the event states of OpenCRVS (notified, registered, rejected,
corrected); RFC 7515 (JWS) for the certificate's code.
"""
