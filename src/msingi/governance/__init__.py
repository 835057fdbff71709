"""Governance: what a person can do about their data, what is kept and for how long, and the proof of both.

Laws
1. Every request and complaint has an owner and a deadline from the moment it is opened, and the deadline is the law's.
2. A deadline that passes at an institution moves the case to the authority by itself; one that passes there is counted.
3. A refusal names a ground that the law accepts for that right, says why in words, and can be appealed once.
4. Only the person, whoever may act for them, and the office whose turn it is see a case; every look is in the record.
5. Nothing is destroyed before its time or under a legal hold, nor without a leaf and a signed certificate.
6. Erasure destroys the person's key; what a law requires to keep is sealed anew, and the person is told what and why.
7. What is said about the processing is read from the running system, never from a list that somebody keeps.
8. Public figures of cases are protected as all figures are: noise, one edition a quarter, no small numbers.

Standards: Regulation (EU) 2016/679, articles 12 to 22, 30 and 35 in substance; the country's own law as data
(`law.toml`); Universal DPI Safeguards Framework 1.0 (18 principles); RFC 7515 (signatures); C2SP tlog-proof (evidence).
"""
