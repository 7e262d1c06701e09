"""``describe`` answers: the schema as the vendor shows it."""

from typing import Any

from sandbox.salesforce.schema import Field, FieldType
from sandbox.salesforce.store import Table

__all__ = ["describe_object", "summary_of"]

_NUMBERS = (FieldType.CURRENCY, FieldType.DOUBLE)


def summary_of(table: Table, version: str) -> dict[str, Any]:
    """The object's entry in the list of objects."""
    sobject = table.sobject
    base = f"/services/data/v{version}/sobjects/{sobject.name}"
    return {
        "name": sobject.name,
        "label": sobject.label,
        "labelPlural": f"{sobject.label}s",
        "keyPrefix": sobject.key_prefix,
        "custom": sobject.is_custom,
        "createable": True,
        "updateable": True,
        "deletable": True,
        "queryable": True,
        "replicateable": True,
        "retrieveable": True,
        "urls": {
            "sobject": base,
            "describe": f"{base}/describe",
            "rowTemplate": f"{base}/{{ID}}",
        },
    }


def describe_object(table: Table, version: str) -> dict[str, Any]:
    """The whole description of one object."""
    fields = [_field(field) for field in table.fields]
    return {**summary_of(table, version), "fields": fields, "recordTypeInfos": []}


def _field(field: Field) -> dict[str, Any]:
    is_number = field.type in _NUMBERS
    is_text = not is_number and field.type not in (
        FieldType.BOOLEAN,
        FieldType.DATE,
        FieldType.DATETIME,
    )
    return {
        "name": field.name,
        "label": field.name.removesuffix("__c").replace("_", " "),
        "type": str(field.type),
        "length": field.length if is_text else 0,
        "byteLength": field.length * 3 if is_text else 0,
        "precision": field.precision if is_number else 0,
        "scale": field.scale if is_number else 0,
        "digits": 0,
        "custom": field.is_custom,
        "externalId": field.is_external_id,
        "unique": field.is_unique,
        "caseSensitive": False,
        "idLookup": field.is_external_id or field.type is FieldType.ID,
        "nillable": not field.is_required and field.type is not FieldType.BOOLEAN,
        "createable": field.is_writable,
        "updateable": field.is_writable,
        "calculated": bool(field.days_since),
        "calculatedFormula": f"TODAY() - {field.days_since}" if field.days_since else None,
        "autoNumber": bool(field.auto_number),
        "defaultValue": field.default,
        "filterable": True,
        "sortable": True,
        "nameField": field.name == "Name",
        "referenceTo": [field.reference_to] if field.reference_to else [],
        "relationshipName": field.relationship_name or None,
        "restrictedPicklist": field.is_restricted,
        "picklistValues": [
            {"value": value, "label": value, "active": True, "defaultValue": False}
            for value in field.values
        ],
    }
