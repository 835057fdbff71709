"""Write the compact FHIR R4 definitions that the health room validates and searches with (development only).

    npm pack hl7.fhir.r4.examples@4.0.1 hl7.fhir.r4.expansions@4.0.1     (both CC0-1.0), unpack, then
    python tools/fhir_definitions.py EXAMPLES_PACKAGE EXPANSIONS_PACKAGE src/msingi/health/definitions/r4.json

Notation of the file, read by `msingi.health.structure` and `msingi.health.searching`:

- `types`: type or group path -> element -> `"min..max TYPE|TYPE"`, then ` @set` for a required code binding and
  ` >Patient,Group` for what a reference may point at. `value[x]` stays one line; its JSON names are derived.
- `codes`: value set -> its codes, separated by blanks.
- `search`: type -> parameter -> `[kind, "path:Type|path:Type", target]`; a path step `a?Patient` keeps references to
  that type, `a?k=v` keeps objects with that value; target is the one type a bare id means, or nothing. Its keys are
  the types that the room stores.
- `compartment`: type -> the elements that make a resource part of a patient's record, owner first.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

STORED = """AllergyIntolerance Appointment CarePlan CareTeam Claim ClinicalImpression Communication Condition Coverage
DetectedIssue Device DeviceUseStatement DiagnosticReport DocumentReference Encounter Endpoint EpisodeOfCare
ExplanationOfBenefit FamilyMemberHistory Flag Goal HealthcareService ImagingStudy Immunization ImmunizationEvaluation
ImmunizationRecommendation List Location Media Medication MedicationAdministration MedicationDispense MedicationRequest
MedicationStatement Observation Organization Patient Practitioner PractitionerRole Procedure Provenance Questionnaire
QuestionnaireResponse RelatedPerson RiskAssessment ServiceRequest Specimen Substance SupplyDelivery Task""".split()
BASES = ("Resource", "DomainResource", "Element", "BackboneElement")
KINDS = ("token", "reference", "date")
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
DEFINITION = "http://hl7.org/fhir/StructureDefinition/"
# Not in CompartmentDefinition-patient, yet about one person when the element is there.
ALSO_OWNED = {"Device": ["patient"], "Task": ["for"]}

Json = dict[str, Any]


def load(package: Path, prefix: str) -> list[Json]:
    """The conformance resources of one kind; examples among them are left out (they redefine real ones)."""
    found = (json.loads(path.read_text()) for path in sorted(package.glob(f"{prefix}-*.json")))
    return [resource for resource in found if "example" not in resource["id"]]


def type_names(element: Json) -> list[str]:
    """The FHIR type codes that an element allows, FHIRPath system types resolved."""
    names: list[str] = []
    for kind in element.get("type", []):
        code = kind["code"]
        if code.startswith("http://hl7.org/fhirpath/"):
            code = next(x["valueUrl"] for x in kind["extension"] if x["url"] == FHIR_TYPE)
        names.append(code)
    return names


def targets(element: Json) -> str:
    """What a reference may point at: `" >Patient,Group"`, or nothing when anything is allowed."""
    profiles = [
        t for kind in element.get("type", []) if kind["code"] == "Reference" for t in kind.get("targetProfile", [])
    ]
    names = sorted({profile.removeprefix(DEFINITION) for profile in profiles})
    return f" >{','.join(names)}" if names and "Resource" not in names else ""


def binding(element: Json, codes: dict[str, str]) -> str:
    """` @set` when the element is a `code` with a required, complete and enumerable binding."""
    bound = element.get("binding", {})
    name = bound.get("valueSet", "").split("|")[0].rsplit("/", 1)[-1]
    return (
        f" @{name}" if bound.get("strength") == "required" and "code" in type_names(element) and name in codes else ""
    )


def plain_groups(definition: Json) -> dict[str, str]:
    """Group paths whose base is Element, not BackboneElement (they take no modifierExtension)."""
    return {
        e["path"]: "Element"
        for e in definition["snapshot"]["element"][1:]
        if type_names(e) == ["Element"] and e["path"].count(".")
    }


def elements_of(definition: Json, codes: dict[str, str], inherited: set[str]) -> dict[str, dict[str, str]]:
    """Every group path of one StructureDefinition with its elements, those of the base types left out."""
    groups: dict[str, dict[str, str]] = {definition["type"]: {}}
    snapshot = definition["snapshot"]["element"]
    parents = {e["path"].rsplit(".", 1)[0] for e in snapshot if "." in e["path"]}
    for element in snapshot[1:]:
        path = element["path"]
        parent, name = path.rsplit(".", 1)
        if element["max"] == "0" or "sliceName" in element:
            continue
        common = "id extension modifierExtension".split() if "." in parent else sorted(inherited)
        if name in common:
            continue
        if "contentReference" in element:
            kinds = [element["contentReference"].lstrip("#")]
        else:
            kinds = [path] if path in parents else type_names(element)
        text = f"{element['min']}..{element['max']} {'|'.join(kinds)}"
        groups.setdefault(parent, {})[name] = text + binding(element, codes) + targets(element)
    return groups


def expansions(package: Path, wanted: set[str]) -> dict[str, str]:
    """The codes of each wanted value set whose expansion is complete and not over 2,000 codes."""
    codes: dict[str, str] = {}
    for value_set in load(package, "ValueSet"):
        name = value_set["url"].rsplit("/", 1)[-1]
        if name not in wanted or "expansion" not in value_set:
            continue
        found = list(dict.fromkeys(walk_codes(value_set["expansion"].get("contains", []))))
        total = value_set["expansion"].get("total", len(found))
        if found and len(found) <= 2000 and total <= len(found) and not any(" " in code for code in found):
            codes[name] = " ".join(found)
    return codes


def walk_codes(contains: list[Json]) -> list[str]:
    """The codes of an expansion, nested ones too, abstract ones not."""
    found: list[str] = []
    for entry in contains:
        if "code" in entry and not entry.get("abstract"):
            found.append(entry["code"])
        found += walk_codes(entry.get("contains", []))
    return found


def required_sets(definitions: list[Json]) -> set[str]:
    """Names of the value sets that some `code` element is bound to, required."""
    return {
        element["binding"]["valueSet"].split("|")[0].rsplit("/", 1)[-1]
        for definition in definitions
        for element in definition["snapshot"]["element"]
        if element.get("binding", {}).get("strength") == "required"
        and "valueSet" in element["binding"]
        and "code" in type_names(element)
    }


class Paths:
    """Turns the FHIRPath shapes of R4's search parameters into plain JSON paths."""

    def __init__(self, types: dict[str, dict[str, str]], bases: dict[str, str]) -> None:
        self.types = types
        self.bases = bases

    def element(self, owner: str, name: str) -> list[tuple[str, str]]:
        """(JSON name, type) of an element, a choice element expanded into all its names."""
        while owner:
            group = self.types.get(owner, {})
            if name in group:
                return [(name, kind) for kind in group[name].split(" ")[1].split("|")]
            if f"{name}[x]" in group:
                kinds = group[f"{name}[x]"].split(" ")[1].split("|")
                return [(name + kind[0].upper() + kind[1:], kind) for kind in kinds]
            owner = self.bases.get(
                owner, "BackboneElement" if "." in owner else "Element" if owner not in BASES else ""
            )
        return []

    def alternatives(self, expression: str) -> list[str]:
        """`"path:Type"` for every JSON path that one FHIRPath alternative reaches; empty for a shape not known."""
        text = re.sub(r"^\((.*?) as (\w+)\)", r"\1 as \2", expression.strip())
        text = re.sub(r" as (\w+)", r".as(\1)", text)
        if not re.fullmatch(r"\w+(\.\w+|\.as\(\w+\)|\.where\(resolve\(\) is \w+\)|\.where\(\w+='[\w-]+'\))*", text):
            return []
        steps = re.findall(r"where\(resolve\(\) is \w+\)|where\(\w+='[\w-]+'\)|as\(\w+\)|\w+", text)
        reached: list[tuple[str, str]] = [("", steps[0])]
        for step in steps[1:]:
            if step.startswith("as("):
                reached = [(p, kind) for p, kind in reached if kind.lower() == step[3:-1].lower()]
            elif step.startswith("where(resolve"):
                reached = [(f"{p}?{step[19:-1]}", kind) for p, kind in reached if kind == "Reference"]
            elif step.startswith("where("):
                key, value = step[6:-1].split("=")
                reached = [(f"{p}?{key}={value.strip(chr(39))}", kind) for p, kind in reached]
            else:
                reached = [
                    (f"{p}.{name}".lstrip("."), kind)
                    for p, owner in reached
                    for name, kind in self.element(owner, step)
                ]
        return [f"{p}:{kind}" for p, kind in reached if p]


def search_parameters(package: Path, paths: Paths) -> dict[str, dict[str, list[str]]]:
    """Token, reference and date parameters of the stored types, compiled to JSON paths."""
    found: dict[str, dict[str, list[str]]] = {name: {} for name in STORED}
    for parameter in load(package, "SearchParameter"):
        if parameter["type"] not in KINDS or not parameter.get("expression"):
            continue
        for name in STORED:
            if name not in parameter.get("base", []):
                continue
            own = [p for p in parameter["expression"].split(" | ") if re.match(rf"\(?{name}\b", p.strip())]
            compiled = [path for part in own for path in paths.alternatives(part)]
            if compiled:
                target = only_target(compiled, parameter.get("target", []))
                found[name][parameter["code"]] = [parameter["type"], "|".join(compiled), target]
    return found


def only_target(compiled: list[str], declared: list[str]) -> str:
    """The one resource type that a bare id in a search value can mean, or nothing when several are possible."""
    filtered = {path.rsplit(":", 1)[0].rpartition("?")[2] if "?" in path else "" for path in compiled}
    if len(filtered) == 1 and (name := filtered.pop()):
        return name if "=" not in name else ""
    return declared[0] if len(declared) == 1 else ""


def compartment(package: Path, search: dict[str, dict[str, list[str]]]) -> dict[str, list[str]]:
    """Type -> element paths that put a resource into a patient's record, `patient` and `subject` before the rest."""
    definition = json.loads((package / "CompartmentDefinition-patient.json").read_text())
    links = {entry["code"]: entry.get("param", []) for entry in definition["resource"]}
    found: dict[str, list[str]] = {}
    for name in STORED:
        wanted = sorted(links.get(name, []), key=lambda p: (p not in ("patient", "subject"), p))
        paths = [
            path.split(":")[0].split("?")[0]
            for parameter in wanted
            if parameter in search[name]
            for path in search[name][parameter][1].split("|")
        ]
        paths += ALSO_OWNED.get(name, [])
        if paths and name != "Patient":
            found[name] = list(dict.fromkeys(paths))
    return found


def main(examples: Path, expansion_package: Path, out: Path) -> None:
    """Read both packages, write the file, print its size."""
    structures = {
        d["type"]: d
        for d in load(examples, "StructureDefinition")
        if d.get("derivation") != "constraint" and d["kind"] in ("resource", "complex-type")
    }
    chosen = list(structures.values())
    codes = expansions(expansion_package, required_sets(chosen))
    types: dict[str, dict[str, str]] = {}
    bases: dict[str, str] = {}
    for definition in chosen:
        name = definition["type"]
        bases[name] = definition.get("baseDefinition", "").removeprefix(DEFINITION)
        inherited = (
            {
                e["path"].split(".")[1]
                for e in structures[bases[name]]["snapshot"]["element"][1:]
                if e["path"].count(".") == 1
            }
            if bases[name] in structures
            else set()
        )
        types.update(elements_of(definition, codes, inherited))
        bases.update(plain_groups(definition))
    search = search_parameters(examples, Paths(types, bases))
    used = {word[1:] for group in types.values() for text in group.values() for word in text.split() if word[0] == "@"}
    sections: dict[str, dict[str, Any]] = {
        "types": types,
        "bases": {k: v for k, v in bases.items() if v},
        "codes": {k: codes[k] for k in sorted(used)},
        "search": search,
        "compartment": compartment(examples, search),
    }
    lines = ['"fhir":"4.0.1"'] + [
        f'"{title}":{{\n'
        + ",\n".join(
            f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'), ensure_ascii=False)}" for k, v in content.items()
        )
        + "}"
        for title, content in sections.items()
    ]
    out.write_text("{" + ",\n".join(lines) + "}\n")
    print(
        f"{out}: {out.stat().st_size:,} bytes, {len(types)} types, {len(used)} code sets, "
        f"{sum(map(len, search.values()))} search parameters"
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
