"""The portal: pages for people and for staff, on the cheapest phone, by the slowest network, in every language.

Laws
1. The portal has no tables and no acts: whatever it shows or does is another room's act, permitted and logged there.
2. Every page works without scripts, and the browser is told to run none.
3. A page weighs at most 14 kB, the style sheet 8 kB (gzip); nothing comes from a third party.
4. Text stands out from its ground at WCAG's level AA, whatever colours a country gives, by day and by night.
5. Every text exists in every language, with the same blanks.
6. Nothing is changed except by a form of this session; a confirmation that is sent twice acts once.
7. What is filled into a sentence is escaped and isolated, so that no name or number can turn it around.
8. Yes and no weigh the same: a refusal is as near, as large and as plain as a consent.
9. Changing the language loses nothing that was typed.

The portal is an ordinary OpenID client of the stack's own provider: authorization code with PKCE, state, nonce and
issuer check; its session is one sealed cookie. Amounts, dates and names are written as the country profile says.

Standards: WCAG 2.2 AA; HTML; CSP Level 3; OpenID Connect Core 1.0; RFC 7636 (PKCE); RFC 9207 (issuer); RFC 6265bis
(cookies); Unicode Bidirectional Algorithm (UAX 9); CLDR plural rules.
"""
