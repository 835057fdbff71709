"""The inventory in the field's formats."""

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from msingi.stewardship.model import Component, Verdict


def cyclonedx(components: list[Component], version: str, at: datetime) -> dict[str, Any]:
    """A software bill of materials, CycloneDX 1.6 as JSON, with the dependency graph.

    The serial number follows from the content, so that the same stack gives the same document.
    """
    known = {c.name.lower().replace("_", "-").replace(".", "-"): c for c in components}
    content = ";".join(c.purl for c in components)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": at.isoformat(timespec="seconds"),
            "component": {
                "type": "application",
                "bom-ref": "msingi",
                "name": "msingi",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": [_component(c) for c in components],
        "dependencies": [
            {"ref": "msingi", "dependsOn": [c.purl for c in components if c.direct]},
            *({"ref": c.purl, "dependsOn": [known[n].purl for n in c.needs if n in known]} for c in components),
        ],
    }


def _component(c: Component) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": "library",
        "bom-ref": c.purl,
        "name": c.name,
        "version": c.version,
        "purl": c.purl,
        "description": c.summary,
    }
    if c.licence:
        shown["licenses"] = [{"expression": c.licence}]
    if c.homepage.startswith("http"):
        shown["externalReferences"] = [{"type": "website", "url": c.homepage}]
    return shown


def findings(components: list[Component]) -> list[dict[str, str]]:
    """Components whose licence needs a look: share-alike, refused, or not to be told (law 2)."""
    return [
        {"component": c.name, "version": c.version, "licence": c.licence or "unknown", "verdict": c.verdict.value}
        for c in components
        if c.verdict is not Verdict.ALLOWED
    ]
