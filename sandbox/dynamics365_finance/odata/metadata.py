"""``$metadata`` and the service document, in our own words: just what generic clients need."""

import json
from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from sandbox.dynamics365_finance.odata.model import ENUMS, NAMESPACE, EntitySet

__all__ = ["metadata_xml", "public_entity", "service_document"]


def service_document(entities: Iterable[EntitySet], root: str) -> str:
    """The list of sets."""
    value = [{"name": e.name, "kind": "EntitySet", "url": e.name} for e in entities]
    return json.dumps({"@odata.context": f"{root}$metadata", "value": value})


def metadata_xml(entities: Iterable[EntitySet], actions: Iterable[tuple[str, str]]) -> str:
    """CSDL of all sets: types with their keys, enums, the container, bound actions."""
    entities = list(entities)
    types = "".join(_entity_type(one) for one in entities)
    enums = "".join(
        f"<EnumType Name={quoteattr(name)}>"
        + "".join(f'<Member Name={quoteattr(s)} Value="{n}"/>' for n, s in enumerate(symbols))
        + "</EnumType>"
        for name, symbols in ENUMS.items()
    )
    sets = "".join(
        f"<EntitySet Name={quoteattr(e.name)} EntityType={quoteattr(f'{NAMESPACE}.{e.entity}')}/>"
        for e in entities
    )
    by_name = {one.name: one for one in entities}
    bound = "".join(
        f'<Action Name={quoteattr(name)} IsBound="true"><Parameter Name="bound" Type='
        f"{quoteattr(f'{NAMESPACE}.{by_name[set_name].entity}')}/></Action>"
        for set_name, name in actions
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
        f'<edmx:DataServices><Schema Namespace="{NAMESPACE}" '
        'xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'{enums}{types}{bound}<EntityContainer Name="Resources">{sets}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )


def _entity_type(entity: EntitySet) -> str:
    keys = "".join(f"<PropertyRef Name={quoteattr(name)}/>" for name in entity.keys)
    properties = "".join(
        f"<Property Name={quoteattr(one.name)} Type={quoteattr(one.edm_type)}"
        f"{' Nullable=' + chr(34) + 'false' + chr(34) if one.name in entity.keys else ''}/>"
        for one in entity.properties.values()
    )
    return f"<EntityType Name={quoteattr(entity.entity)}><Key>{keys}</Key>{properties}</EntityType>"


def public_entity(entity: EntitySet) -> str:
    """One entity as the metadata service shows it."""
    return json.dumps(
        {
            "Name": entity.entity,
            "EntitySetName": entity.name,
            "IsReadOnly": not entity.is_writable,
            "Properties": [
                {
                    "Name": one.name,
                    "TypeName": one.edm_type,
                    "IsKey": one.name in entity.keys,
                    "IsMandatory": one.name in entity.keys,
                }
                for one in entity.properties.values()
            ],
        }
    )
