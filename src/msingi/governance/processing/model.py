"""Nouns of the register of processing and of the impact assessment."""

from typing import Any

from msgspec import Struct


class Recipient(Struct, frozen=True):
    """Who may ask for what through the exchange, on which basis and law."""

    institution: str
    service: str
    basis: str
    law: str
    fields: tuple[str, ...]


class Activity(Struct, frozen=True):
    """One processing activity (GDPR article 30 in substance): a purpose and all that the system does for it.

    `kept` says for each table how many columns are held, how many of them are sealed or hashed, how long, and why.
    """

    purpose: str
    text: str
    bases: tuple[str, ...]
    law: str
    controller: str
    kept: tuple[dict[str, Any], ...]
    recipients: tuple[Recipient, ...]
    rules: tuple[str, ...]


class Register(Struct, frozen=True):
    """The register of processing: every purpose, and how often each act was done lately."""

    country: str
    regulator: str
    law: str
    sandbox: bool
    made_at: str
    activities: tuple[Activity, ...]
    acts: dict[str, int]
    measures: tuple[str, ...]


class Risk(Struct, frozen=True):
    """One risk of the assessment: what speaks against it, as measured, and what is left open."""

    risk: str
    title: str
    covered: tuple[str, ...]
    open: tuple[str, ...]


class Assessment(Struct, frozen=True):
    """The data-protection impact assessment: necessity per purpose, risks with their measures, and what is open."""

    country: str
    law: str
    made_at: str
    purposes: int
    columns: int
    sealed: int
    consented: tuple[str, ...]
    risks: tuple[Risk, ...]
    open_risks: int
