"""Fingers, irises and faces: kept sealed, and compared by a matcher (ABIS) that is not part of this stack (a sub-room).

Laws
1. Templates are kept sealed under their person's key, and are gone with it; then the matcher is told to delete its own.
2. The matcher learns no name, number or person id: only a random reference, and the records encrypted to its key.
3. What a matcher finds is a question for the queue, beside what names and dates say. Nothing is decided by it.
4. Nobody is turned away: whoever has no fingers, or cannot be captured, is recorded as an exception, with the reason.
5. A request that got no answer is sent again, with the same id; an answer that comes twice counts once.

Each law has a test in tests/identity/test_biometrics.py. This stack has no matcher of its own and claims no accuracy.

Standards: MOSIP ABIS API 0.9 (insert, identify, delete, ping, pendingJobs, referenceCount; its messages carried by HTTP
instead of a queue); ISO/IEC 19785-3 CBEFF XML as MOSIP profiles it; MOSIP data share encryption VER_R2.
"""
