"""The stewardship room: what the stack is made of, under which licences, and which decisions it makes by rule.

Laws
1. The inventory is read from what is installed and running, never from a list that somebody keeps.
2. Every component has a licence, and one that the policy does not allow, or cannot read, is named as a finding.
3. Every rule-based decision about people is in the register, with its logic, its limits and how to contest it.

Standards: CycloneDX 1.6 (software bill of materials), SPDX licence expressions, package URLs, publiccode.yml 0.7,
Algorithmic Transparency Recording in substance.
"""
