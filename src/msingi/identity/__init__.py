"""Identity: who someone is. People are enrolled once, get a number, and keep a history that cannot contradict itself.

Laws
1. A number is issued once. It is drawn at random, has no meaning, and is never given to anybody else.
2. A number has a valid check digit, which detects every wrong digit and every exchange of two neighbours.
3. Nobody is enrolled twice silently: whoever agrees with somebody known from the threshold on is held for a
   person's decision. Enrolments that run at the same time cannot slip past each other.
4. The versions of a person never overlap: each is valid until the next one begins, and none is ever changed.
5. The index holds no plain names: every key in it is a number made with the country's blinding secret.
6. Nobody is turned away for a missing document, photo, phone, address or birth date.
7. A life cycle has no short cuts: only the changes of status that `rules.CHANGES` lists ever happen.
8. One officer alone never merges, parts, kills or revives: see the laws of `identity.lifecycle`.

Each law has a property test in tests/identity.

What is known of a person is one sealed text per version, under the person's own key; only status, region, birth
year and sex stand beside it in clear, for statistics. The number and the phone are found by blinded keys.

How a request flows: `routes` (doors) -> `acts` (permit, transaction, leaf) -> `enrolment` (the pipeline of one
batch) -> `rules`, `numbers`, `blocking`, `scoring`, `photo` (pure) -> `store` (SQL).

Standards: Verhoeff, "Error detecting decimal codes" (1969) for the check digit; Fellegi and Sunter, "A theory for
record linkage", JASA 64 (1969), with unsupervised EM for the weights; E.164 for phones; ISO 8601 for dates that
are known to the day, month or year; ISO 639 for languages; RFC 9562 for the internal key; the functional
requirements of GovStack's identity building block for enrolment, unique number, life cycle and events.
"""
