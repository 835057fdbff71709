"""The 18 principles of the Universal DPI Safeguards Framework, each with what evidences it in the running system.

Laws
1. Every figure is measured when the report is made; nothing is kept by hand.
2. Where evidence is missing, the report says so: a gap is a finding, and a document is not called a check.
3. The report is signed, and its signature verifies with the public keys of the stack alone.
"""
