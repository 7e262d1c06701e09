"""``$metadata`` (EDMX) and the service document, made from the declared types."""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

import orjson

from sandbox.sap_s4hana.odata.model import EdmKind, EntityType, FunctionImport, Property

__all__ = ["edmx", "service_document"]


def edmx(
    service: str,
    entities: Sequence[EntityType],
    functions: Sequence[FunctionImport],
    complex_types: dict[str, tuple[Property, ...]],
) -> bytes:
    """The service's metadata document."""
    types = "".join(_entity_type(entity, entities) for entity in entities)
    complexes = "".join(
        f'<ComplexType Name="{name}">{"".join(map(_property, props))}</ComplexType>'
        for name, props in complex_types.items()
    )
    associations, association_sets = _associations(service, entities)
    sets = "".join(map(_entity_set, entities))
    imports = "".join(_function(service, function) for function in functions)
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"'
        ' xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
        ' xmlns:sap="http://www.sap.com/Protocols/SAPData">'
        '<edmx:DataServices m:DataServiceVersion="2.0">'
        f'<Schema Namespace="{service}" xml:lang="en" sap:schema-version="1"'
        ' xmlns="http://schemas.microsoft.com/ado/2008/09/edm">'
        f"{types}{complexes}{associations}"
        f'<EntityContainer Name="{service}_Entities" m:IsDefaultEntityContainer="true"'
        f' sap:supported-formats="json">{sets}{association_sets}{imports}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    ).encode()


_FACETS = {
    EdmKind.DATE: ' Precision="0" sap:display-format="Date"',
    EdmKind.TIME: ' Precision="0"',
    EdmKind.INSTANT: ' Precision="7"',
}


def _property(prop: Property) -> str:
    facets = _FACETS.get(prop.kind, "")
    if prop.kind is EdmKind.TEXT and prop.length:
        facets = f' MaxLength="{prop.length}"'
    elif prop.kind is EdmKind.DECIMAL:
        facets = f' Precision="{prop.length}" Scale="{prop.scale}"'
    flags = (
        (prop.is_key, ' Nullable="false"'),
        (prop.is_alpha, ' sap:display-format="UpperCase"'),
        (prop.is_etag, ' ConcurrencyMode="Fixed"'),
        (bool(prop.unit), f' sap:unit="{prop.unit}"'),
        (not prop.is_creatable, ' sap:creatable="false"'),
        (not prop.is_updatable, ' sap:updatable="false"'),
    )
    marks = "".join(text for is_set, text in flags if is_set)
    label = quoteattr(prop.name)
    return f'<Property Name="{prop.name}" Type="{prop.kind}"{facets}{marks} sap:label={label}/>'


def _relation(entity: EntityType, name: str) -> str:
    return f"assoc_{entity.name}_{name}"


def _entity_type(entity: EntityType, entities: Sequence[EntityType]) -> str:
    here = {other.name for other in entities}
    keys = "".join(f'<PropertyRef Name="{entity.properties[i].name}"/>' for i in entity.keys)
    navigations = "".join(
        f'<NavigationProperty Name="{n.name}" Relationship="{entity.service}.'
        f'{_relation(entity, n.name)}" FromRole="From_{n.name}" ToRole="To_{n.name}"/>'
        for n in entity.navigations.values()
        if n.target in here
    )
    return (
        f'<EntityType Name="{entity.type_name}" sap:content-version="1"><Key>{keys}</Key>'
        f"{''.join(map(_property, entity.properties))}{navigations}</EntityType>"
    )


def _associations(service: str, entities: Sequence[EntityType]) -> tuple[str, str]:
    by_name = {entity.name: entity for entity in entities}
    types, sets = [], []
    for entity in entities:
        for nav in entity.navigations.values():
            target = by_name.get(nav.target)
            if target is None:
                continue
            name = _relation(entity, nav.name)
            many = "*" if nav.is_collection else "0..1"
            types.append(
                f'<Association Name="{name}" sap:content-version="1">'
                f'<End Type="{entity.full_name}" Multiplicity="1" Role="From_{nav.name}"/>'
                f'<End Type="{target.full_name}" Multiplicity="{many}" Role="To_{nav.name}"/>'
                "</Association>"
            )
            sets.append(
                f'<AssociationSet Name="{name}_Set" Association="{service}.{name}">'
                f'<End EntitySet="{entity.name}" Role="From_{nav.name}"/>'
                f'<End EntitySet="{target.name}" Role="To_{nav.name}"/></AssociationSet>'
            )
    return "".join(types), "".join(sets)


def _entity_set(entity: EntityType) -> str:
    flags = "".join(
        f' sap:{name}="false"'
        for name, allowed in (
            ("creatable", entity.is_creatable),
            ("updatable", entity.is_updatable),
            ("deletable", entity.is_deletable),
        )
        if not allowed
    )
    return (
        f'<EntitySet Name="{entity.name}" EntityType="{entity.full_name}"{flags}'
        ' sap:content-version="1"/>'
    )


def _function(service: str, function: FunctionImport) -> str:
    returned = f"{service}.{function.return_type}"
    if function.is_collection:
        returned = f"Collection({returned})"
    parameters = "".join(
        f'<Parameter Name="{p.name}" Type="{p.kind}" Mode="In" MaxLength="{p.length}"/>'
        for p in function.parameters
    )
    return (
        f'<FunctionImport Name="{function.name}" ReturnType="{returned}"'
        f' m:HttpMethod="{function.method}">{parameters}</FunctionImport>'
    )


def service_document(entities: Sequence[EntityType]) -> bytes:
    """The list of sets at the service root."""
    return orjson.dumps({"d": {"EntitySets": [entity.name for entity in entities]}})
