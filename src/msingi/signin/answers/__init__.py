"""Yes/no authentication: an institution asks whether somebody is who they say, and learns nothing else.

Laws
1. The answer is a signed yes or no; an unknown number, a wrong proof and a person without proof are the same no.
2. Every question is an act that the person asked about sees.
3. Wrong proofs given at one institution lock the questions of that institution about that person, and no other.
"""
