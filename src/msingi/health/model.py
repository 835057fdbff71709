"""Nouns of the health room."""
from __future__ import annotations
import msgspec
class Issue(msgspec.Struct, frozen=True):
    code: str
    rule: str
    expression: str = ""
    severity: str = "error"
