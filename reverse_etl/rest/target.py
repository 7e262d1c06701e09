"""An object of a REST target as the planner sees it: a field per column of the pushed table."""

from collections.abc import Mapping
from dataclasses import dataclass

from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from ingestion.rest.settings import FieldSettings, RestObject, rest_objects
from reverse_etl.ledger.commands import CommandClass
from reverse_etl.planning.governance import GovernedField, Owner, TargetObject
from reverse_etl.planning.pushed_columns import form_of, nearest
from reverse_etl.planning.values import Format
from reverse_etl.rest.writer import CREATE, UPDATE, UPSERT

__all__ = ["FLOW", "RestTarget", "target_of"]

#: The flow of everything that is pushed by configuration alone; policy.toml [flows] may name it.
FLOW = "push"
_KIND = "rest"


@dataclass(frozen=True, slots=True)
class RestTarget:
    """What is planned, and how its columns travel.

    Attributes:
        target: the object for planner and diff.
        fields: settings by column, each with its format.
        timestamps: columns that travel as instants.
        can_list: whether the target lists all its rows.
    """

    target: TargetObject
    fields: Mapping[str, FieldSettings]
    timestamps: frozenset[str]
    can_list: bool


def target_of(system: System, object_name: str, columns: Mapping[str, str]) -> RestTarget:
    """The object for a table with these columns (name to DuckDB type, without the key).

    Raises:
        ConfigError: an unknown object or column (with the nearest right one), or a column whose
            type cannot travel as configured.
    """
    objects = rest_objects(system)
    if object_name not in objects:
        raise ConfigError(
            f"systems.{system.system_id} has no object {object_name!r}"
            f"{nearest(object_name, objects)}",
            code="push_object",
        )
    settings = objects[object_name]
    fields = {
        name: _field(system, object_name, settings, name, column_type)
        for name, column_type in columns.items()
    }
    return RestTarget(
        _target(object_name, settings, fields),
        fields,
        frozenset(name for name, one in fields.items() if one.format == "timestamp"),
        settings.read_all is not None,
    )


def _field(
    system: System, object_name: str, settings: RestObject, name: str, column_type: str
) -> FieldSettings:
    """A column's settings with its format. A configured object names its fields or none."""
    declared = settings.fields.get(name)
    where = f"systems.{system.system_id}.objects.{object_name}.fields"
    hint = f'[{where}] {name} = {{ format = "money", wire = "number" }} (or wire = "text")'
    form = form_of(name, column_type, declared.format if declared else None, hint)
    if form == "money" and (declared is None or declared.wire is None):
        raise ConfigError(
            f"column {name} is money: say how it is written: {hint}", code="push_column"
        )
    return (declared or FieldSettings()).model_copy(update={"format": form})


def _target(
    object_name: str, settings: RestObject, fields: Mapping[str, FieldSettings]
) -> TargetObject:
    verbs = settings.writes
    is_create_only = set(verbs) == {CREATE}
    operation = CREATE if is_create_only else UPSERT if UPSERT in verbs else UPDATE
    return TargetObject(
        kind=_KIND,
        name=object_name,
        entity=object_name,
        key_name="key",
        key_native="/".join(settings.key_field),
        operation=operation,
        # What can only be created happens once: it is a posting, and never sent again as a change.
        command_class=CommandClass.POSTING if is_create_only else CommandClass.STATE,
        flow=FLOW,
        priority=100,
        desire="partial",
        first_load="free",
        sources=(),
        waits_for=None,
        groups={},
        fields={name: _governed(name, one) for name, one in fields.items()},
        role=Owner.CRM,
        operation_new=CREATE if CREATE in verbs and UPDATE in verbs else "",
        is_whole_row=verbs[operation].is_whole_row,
    )


def _governed(name: str, settings: FieldSettings) -> GovernedField:
    form = Format.TEXT if settings.format == "timestamp" else Format(str(settings.format))
    return GovernedField(
        name=name,
        native="/".join(settings.native or (name,)),
        format=form,
        max_length=settings.max_length,
        pattern=settings.pattern,
        currency=settings.currency,
    )
