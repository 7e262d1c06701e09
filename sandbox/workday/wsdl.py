"""The service description that clients read first: our own words for the served part.

Generated from ``schema``, so it says exactly what is understood. Document/literal, SOAP 1.1, an
empty SOAPAction, every element and attribute qualified.
"""

from lxml import etree

from sandbox.workday.schema import ADD_ONLY, OPERATIONS, SIMPLE, TYPES, Part
from sandbox.workday.trees import NAMESPACE

__all__ = ["wsdl_of"]

_WSDL = "http://schemas.xmlsoap.org/wsdl/"
_SOAP = "http://schemas.xmlsoap.org/wsdl/soap/"
_XSD = "http://www.w3.org/2001/XMLSchema"
_NAMES = {"wsdl": _WSDL, "soapbind": _SOAP, "xsd": _XSD, "wd": NAMESPACE}
_FAULTS = ("Validation_Fault", "Processing_Fault")


def wsdl_of(address: str, version: str) -> bytes:
    """The WSDL of the service at an address."""
    root = etree.Element(
        f"{{{_WSDL}}}definitions", nsmap=_NAMES, name="Revenue_Management",
        targetNamespace=NAMESPACE,
    )  # fmt: skip
    schema = etree.SubElement(
        etree.SubElement(root, f"{{{_WSDL}}}types"),
        f"{{{_XSD}}}schema",
        targetNamespace=NAMESPACE,
        elementFormDefault="qualified",
        attributeFormDefault="qualified",
    )
    _declare(schema, version)
    for name in [m for one in OPERATIONS for m in (f"{one}_Request", f"{one}_Response")]:
        _message(root, name)
    for name in (*_FAULTS, "Workday_Common_Header"):
        _message(root, name)
    _port_type(root)
    _binding(root)
    service = etree.SubElement(root, f"{{{_WSDL}}}service", name="Revenue_ManagementService")
    port = etree.SubElement(
        service, f"{{{_WSDL}}}port", name="Revenue_Management",
        binding="wd:Revenue_ManagementBinding",
    )  # fmt: skip
    etree.SubElement(port, f"{{{_SOAP}}}address", location=address)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def _declare(schema: etree._Element, version: str) -> None:
    requests = {f"{name}_Request" for name in OPERATIONS}
    answers = {f"{name}_Response" for name in OPERATIONS}
    for name, parts in TYPES.items():
        kind = _complex(schema, f"{name}Type" if name in requests | answers else name, parts)
        if name in requests:
            _attribute(kind, "version", version)
        if name in ADD_ONLY:
            _attribute(kind, "Add_Only", "", "xsd:boolean")
        if name in requests | answers:
            _element(schema, name, f"wd:{name}Type")
    _element(schema, "Workday_Common_Header", "wd:Workday_Common_Header")
    references = {p.name.removesuffix("_Reference") for ps in TYPES.values() for p in ps
                  if p.type == "ref"}  # fmt: skip
    for name in sorted(references):
        _reference(schema, name)
    _complex(schema, "Validation_Error", (
        Part("Message", "string", False), Part("Detail_Message", "string", False),
        Part("Xpath", "string", False),
    ))  # fmt: skip
    _complex(schema, "Validation_Fault", (Part("Validation_Error", "Validation_Error", True),))
    _complex(schema, "Processing_Fault", (Part("Detail_Message", "string", False),))
    for name in _FAULTS:
        _element(schema, name, f"wd:{name}")


def _element(parent: etree._Element, name: str, kind: str) -> None:
    etree.SubElement(parent, f"{{{_XSD}}}element", name=name, type=kind)


def _complex(schema: etree._Element, name: str, parts: tuple[Part, ...]) -> etree._Element:
    kind = etree.SubElement(schema, f"{{{_XSD}}}complexType", name=name)
    sequence = etree.SubElement(kind, f"{{{_XSD}}}sequence")
    for part in parts:
        if part.type in SIMPLE:
            type_name = f"xsd:{part.type}"
        elif part.type == "ref":
            type_name = f"wd:{part.name.removesuffix('_Reference')}ObjectType"
        else:
            type_name = f"wd:{part.type}"
        etree.SubElement(
            sequence, f"{{{_XSD}}}element", name=part.name, type=type_name, minOccurs="0",
            maxOccurs="unbounded" if part.is_many else "1",
        )  # fmt: skip
    return kind


def _attribute(
    kind: etree._Element, name: str, fixed: str = "", type_name: str = "xsd:string"
) -> None:
    found = etree.SubElement(kind, f"{{{_XSD}}}attribute", name=name, type=type_name)
    if fixed:
        found.set("default", fixed)


def _reference(schema: etree._Element, name: str) -> None:
    """``<name>ObjectType``: ids with their types, and a descriptor for people."""
    ids = etree.SubElement(schema, f"{{{_XSD}}}complexType", name=f"{name}ObjectIDType")
    content = etree.SubElement(ids, f"{{{_XSD}}}simpleContent")
    extension = etree.SubElement(content, f"{{{_XSD}}}extension", base="xsd:string")
    _attribute(extension, "type")
    kind = etree.SubElement(schema, f"{{{_XSD}}}complexType", name=f"{name}ObjectType")
    sequence = etree.SubElement(kind, f"{{{_XSD}}}sequence")
    etree.SubElement(
        sequence, f"{{{_XSD}}}element", name="ID", type=f"wd:{name}ObjectIDType", minOccurs="0",
        maxOccurs="unbounded",
    )  # fmt: skip
    _attribute(kind, "Descriptor")


def _message(root: etree._Element, name: str) -> None:
    message = etree.SubElement(root, f"{{{_WSDL}}}message", name=f"{name}Msg")
    etree.SubElement(message, f"{{{_WSDL}}}part", name="body", element=f"wd:{name}")


def _port_type(root: etree._Element) -> None:
    ports = etree.SubElement(root, f"{{{_WSDL}}}portType", name="Revenue_ManagementPort")
    for name in OPERATIONS:
        one = etree.SubElement(ports, f"{{{_WSDL}}}operation", name=name)
        etree.SubElement(one, f"{{{_WSDL}}}input", message=f"wd:{name}_RequestMsg")
        etree.SubElement(one, f"{{{_WSDL}}}output", message=f"wd:{name}_ResponseMsg")
        for fault in _FAULTS:
            etree.SubElement(one, f"{{{_WSDL}}}fault", name=fault, message=f"wd:{fault}Msg")


def _binding(root: etree._Element) -> None:
    binding = etree.SubElement(
        root, f"{{{_WSDL}}}binding", name="Revenue_ManagementBinding",
        type="wd:Revenue_ManagementPort",
    )  # fmt: skip
    etree.SubElement(
        binding, f"{{{_SOAP}}}binding", style="document",
        transport="http://schemas.xmlsoap.org/soap/http",
    )  # fmt: skip
    for name in OPERATIONS:
        one = etree.SubElement(binding, f"{{{_WSDL}}}operation", name=name)
        etree.SubElement(one, f"{{{_SOAP}}}operation", soapAction="", style="document")
        for side in ("input", "output"):
            part = etree.SubElement(one, f"{{{_WSDL}}}{side}")
            etree.SubElement(part, f"{{{_SOAP}}}body", use="literal")
        for fault in _FAULTS:
            part = etree.SubElement(one, f"{{{_WSDL}}}fault", name=fault)
            etree.SubElement(part, f"{{{_SOAP}}}fault", name=fault, use="literal")
