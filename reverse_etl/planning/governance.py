"""The governance matrix, typed: which field goes where, who owns it and under which rule.

Reads ``reverse_etl/governance.yml``, the only list of synced fields. The planner asks it what may
be written; writers ask it for the vendor's names and value forms (``to_native``, ``from_native``).
It must not know any vendor's verbs, and it never decides anything.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from ingestion.common.errors import ConfigError
from reverse_etl.ledger.commands import CommandClass, Value
from reverse_etl.planning.values import Format, native_value, problem_with, value_of

__all__ = [
    "FilledFrom",
    "Governance",
    "GovernedField",
    "Owner",
    "Rule",
    "TargetObject",
    "WaitsFor",
    "default_path",
    "load_governance",
]


class Rule(StrEnum):
    """What to do with a difference that the hub did not make itself."""

    OVERWRITE = "overwrite"
    REVIEW = "review"
    ADOPT = "adopt"


class Owner(StrEnum):
    """Whose word counts for a field. The target's own side is never overwritten."""

    HUB = "hub"
    ERP = "erp"
    CRM = "crm"


class FilledFrom(StrEnum):
    """Where a payload value comes from."""

    VIEW = "view"
    REVISION = "revision"
    CORRELATION_ID = "correlation_id"


@dataclass(frozen=True, slots=True)
class GovernedField:
    """One line of the matrix; see the head of governance.yml for what each key means."""

    name: str
    native: str
    format: Format
    owner: Owner = Owner.HUB
    receivers: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    max_length: int | None = None
    pattern: str = ""
    currency: str = ""
    initial: Rule = Rule.OVERWRITE
    foreign_edit: Rule = Rule.OVERWRITE
    approval: str = ""
    rides_along: bool = False
    filled_from: FilledFrom = FilledFrom.VIEW
    fixed_when_planned: bool = False

    def goes_to(self, system_id: str) -> bool:
        """Whether a system receives this field."""
        return not self.receivers or system_id in self.receivers

    def problem_with(self, value: Value, *, currency_code: str = "") -> str:
        """Why a value may not be sent, in plain words; empty when it may."""
        return problem_with(
            value,
            self.format,
            values=self.values,
            max_length=self.max_length,
            pattern=self.pattern,
            currency_code=currency_code,
        )


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """Commands of ``object_name`` that must be verified first, found by key or customer."""

    object_name: str
    by: Literal["after_key", "customer"]


@dataclass(frozen=True, slots=True)
class TargetObject:
    """One object of a kind that the hub writes.

    ``desire`` is as in governance.yml, or ``partial`` (a pushed table): the view speaks of its own
    keys only, and commands on all others are left alone.
    """

    kind: str
    name: str
    entity: str
    key_name: str
    key_native: str
    operation: str
    command_class: CommandClass
    flow: str
    priority: int
    desire: Literal["complete", "sparse", "partial"]
    first_load: Literal["guarded", "free"]
    sources: tuple[str, ...]
    waits_for: WaitsFor | None
    groups: Mapping[str, tuple[str, ...]]
    fields: Mapping[str, GovernedField]
    role: Owner
    operation_new: str = ""
    """The verb for a key that is in neither target nor ledger; empty: the same verb."""
    is_whole_row: bool = False
    """True where the target replaces rows: all compared fields go when one changed."""

    @property
    def view_name(self) -> str:
        """Name of the pair of views ``sync.<view>`` and ``observed.<view>``."""
        return f"{self.kind}__{self.name}"

    @property
    def written(self) -> tuple[GovernedField, ...]:
        """Fields that may be sent: all but those the target's own side owns."""
        return tuple(f for f in self.fields.values() if f.owner != self.role)

    @property
    def compared(self) -> tuple[GovernedField, ...]:
        """Fields whose difference is a reason to send."""
        return tuple(f for f in self.written if not f.rides_along)

    @property
    def carried(self) -> tuple[GovernedField, ...]:
        """Fields that ride along with a change and stand in the sync view."""
        return tuple(f for f in self.written if f.rides_along and f.filled_from is FilledFrom.VIEW)

    @property
    def learns(self) -> bool:
        """Whether it matters who wrote a value last (some field is not simply overwritten)."""
        rules = {rule for f in self.compared for rule in (f.initial, f.foreign_edit)}
        return rules != {Rule.OVERWRITE}

    def group_of(self, name: str) -> tuple[str, ...]:
        """The fields that travel with ``name``, the leading one first; itself when alone."""
        for members in self.groups.values():
            if name in members:
                return members
        return (name,)

    def leader_of(self, name: str) -> str:
        """The field whose empty desired value means "no opinion"; empty where null clears."""
        for members in self.groups.values():
            if name in members:
                return members[0]
        return ""

    def field(self, name: str) -> GovernedField:
        """One governed field. Raises ConfigError naming the nearest right one."""
        return _named(self.fields, name, f"field of {self.kind}.{self.name}")

    def to_native(self, payload: Mapping[str, Value]) -> dict[str, Value]:
        """A payload in the vendor's names and values.

        Money and dates stay text: the writer's protocol decides how they look on the wire.
        Fields without a native name (a verb of the writer stands for them) are left out.

        Raises:
            ConfigError: a field that the matrix does not hold.
        """
        named = ((self.field(name), value) for name, value in payload.items())
        return {f.native: native_value(value, f.format, f.values) for f, value in named if f.native}

    def from_native(self, row: Mapping[str, Any]) -> dict[str, Value]:
        """What the target holds, in hub names and canonical values; other columns are left out.

        Raises:
            InputRefused: a value that is not of the field's format.
        """
        found: dict[str, Value] = {}
        for governed in self.fields.values():
            if governed.native and governed.native in row:
                found[governed.name] = value_of(
                    row[governed.native], governed.format, governed.values
                )
        return found


@dataclass(frozen=True, slots=True)
class Governance:
    """The whole matrix."""

    objects: Mapping[tuple[str, str], TargetObject]

    def object(self, kind: str, name: str) -> TargetObject:
        """One target object. Raises ConfigError naming the nearest right one."""
        of_kind = {n: o for (k, n), o in self.objects.items() if k == kind}
        if not of_kind:
            kinds = sorted({k for k, _ in self.objects})
            raise ConfigError(
                f"governance.yml has no kind {kind!r}{_nearest(kind, kinds)}", code="governance"
            )
        return _named(of_kind, name, f"object of {kind}")

    def of_kind(self, kind: str) -> tuple[TargetObject, ...]:
        """Every object of a kind, most urgent first."""
        found = [o for (k, _), o in self.objects.items() if k == kind]
        return tuple(sorted(found, key=lambda target: (target.priority, target.name)))

    def of_flows(self, flows: Collection[str]) -> tuple[TargetObject, ...]:
        """Every object of every kind that belongs to one of the flows, most urgent first."""
        found = [one for one in self.objects.values() if one.flow in flows]
        return tuple(sorted(found, key=lambda target: (target.priority, target.kind, target.name)))


_Named = TypeVar("_Named")


def _named(among: Mapping[str, _Named], name: str, what: str) -> _Named:
    try:
        return among[name]
    except KeyError:
        raise ConfigError(
            f"governance.yml has no {what} named {name!r}{_nearest(name, among)}",
            code="governance",
        ) from None


def _nearest(wrong: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else ""


def default_path() -> Path:
    """Where the matrix of this installation lies."""
    return Path(__file__).parents[1] / "governance.yml"


@cache
def _load(path: Path) -> Governance:
    try:
        # The same safe loader, in C: every command reads the matrix, and it took a tenth of it.
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        raise ConfigError(f"no governance matrix at {path}", code="governance") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}", code="governance") from None
    kinds = _mapping(tree, f"{path}").get("kinds")
    objects: dict[tuple[str, str], TargetObject] = {}
    for kind, body in _mapping(kinds, f"{path}: kinds").items():
        settings = _mapping(body, f"{path}: kinds.{kind}")
        where = f"{path}: kinds.{kind}"
        role = _member(Owner, settings.get("role", "hub"), f"{where}.role")
        for name, raw in _mapping(settings.get("objects"), f"{where}.objects").items():
            objects[kind, name] = _object(kind, name, role, raw, f"{where}.objects.{name}")
    return Governance(objects)


def load_governance(path: Path | None = None) -> Governance:
    """Read and check the matrix.

    Raises:
        ConfigError: no such file, not YAML, an unknown key or value (named, with the nearest right
            one), a group or currency that names no field.
    """
    return _load(path or default_path())


_OBJECT_KEYS = (
    "entity", "key", "operation", "class", "flow", "priority", "desire", "first_load", "sources",
    "waits_for", "groups", "fields",
)  # fmt: skip
_FIELD_KEYS = tuple(f.name for f in fields(GovernedField) if f.name != "name")


def _object(kind: str, name: str, role: Owner, raw: Any, where: str) -> TargetObject:
    body = _mapping(raw, where)
    _refuse_unknown(body, _OBJECT_KEYS, where)
    missing = [k for k in ("key", "operation", "class", "flow", "fields") if k not in body]
    if missing:
        raise ConfigError(f"{where}: {', '.join(missing)} missing", code="governance")
    key = _mapping(body["key"], f"{where}.key")
    governed = {
        field_name: _field(field_name, settings, f"{where}.fields.{field_name}")
        for field_name, settings in _mapping(body["fields"], f"{where}.fields").items()
    }
    _check_currencies(governed, where)
    return TargetObject(
        kind=kind,
        name=name,
        entity=str(body.get("entity", name)),
        key_name=str(key.get("hub", "")),
        key_native=str(key.get("native", "")),
        operation=str(body["operation"]),
        command_class=_member(CommandClass, body["class"], f"{where}.class"),
        flow=str(body["flow"]),
        priority=int(body.get("priority", 100)),
        desire=_one_of(body.get("desire", "sparse"), ("complete", "sparse"), f"{where}.desire"),
        first_load=_one_of(
            body.get("first_load", "guarded"), ("guarded", "free"), f"{where}.first_load"
        ),
        sources=tuple(str(source) for source in body.get("sources", ())),
        waits_for=_waits_for(body.get("waits_for"), f"{where}.waits_for"),
        groups=_groups(body.get("groups", {}), governed, f"{where}.groups"),
        fields=governed,
        role=role,
    )


def _groups(
    raw: Any, governed: Mapping[str, GovernedField], where: str
) -> dict[str, tuple[str, ...]]:
    """Groups of fields that travel together; every member must be governed."""
    groups = {name: tuple(members) for name, members in _mapping(raw, where).items()}
    for group, members in groups.items():
        for member in members:
            if member not in governed:
                raise ConfigError(
                    f"{where}.{group}: no field {member!r}{_nearest(member, governed)}",
                    code="governance",
                )
    return groups


def _check_currencies(governed: Mapping[str, GovernedField], where: str) -> None:
    """A currency names a field of the same object, or ``group``."""
    for one in governed.values():
        if one.currency not in {"", "group", *governed}:
            raise ConfigError(
                f"{where}.fields.{one.name}.currency: no field {one.currency!r}"
                f"{_nearest(one.currency, governed)}",
                code="governance",
            )


def _waits_for(raw: Any, where: str) -> WaitsFor | None:
    if raw is None:
        return None
    body = _mapping(raw, where)
    _refuse_unknown(body, ("object", "by"), where)
    by: Literal["after_key", "customer"] = _one_of(
        body.get("by", "after_key"), ("after_key", "customer"), f"{where}.by"
    )
    return WaitsFor(str(body.get("object", "")), by)


def _field(name: str, raw: Any, where: str) -> GovernedField:
    body = _mapping(raw, where)
    _refuse_unknown(body, _FIELD_KEYS, where)
    form = _member(Format, body.get("format", "text"), f"{where}.format")
    values = {str(k): str(v) for k, v in _mapping(body.get("values", {}), where).items()}
    if form is Format.ENUM and not values:
        raise ConfigError(f"{where}: an enum needs values", code="governance")
    pattern = str(body.get("pattern", ""))
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{where}.pattern: {error}", code="governance") from None
    return GovernedField(
        name=name,
        native=str(body.get("native", name)),
        format=form,
        owner=_member(Owner, body.get("owner", "hub"), f"{where}.owner"),
        receivers=tuple(str(system) for system in body.get("receivers", ())),
        values=values,
        max_length=body.get("max_length"),
        pattern=pattern,
        currency=str(body.get("currency", "")),
        initial=_member(Rule, body.get("initial", "overwrite"), f"{where}.initial"),
        foreign_edit=_member(Rule, body.get("foreign_edit", "overwrite"), f"{where}.foreign_edit"),
        approval=str(body.get("approval", "")),
        rides_along=bool(body.get("rides_along", False)),
        filled_from=_member(FilledFrom, body.get("filled_from", "view"), f"{where}.filled_from"),
        fixed_when_planned=bool(body.get("fixed_when_planned", False)),
    )


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected names with settings", code="governance")
    return {str(name): entry for name, entry in value.items()}


def _refuse_unknown(body: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in body:
        if name not in known:
            raise ConfigError(
                f"{where}: unknown key {name!r}{_nearest(name, known)}", code="governance"
            )


_Enum = TypeVar("_Enum", bound=StrEnum)


def _member(among: type[_Enum], value: Any, where: str) -> _Enum:
    try:
        return among(str(value))
    except ValueError:
        names = [member.value for member in among]
        raise ConfigError(
            f"{where}: {value!r} is none of {', '.join(names)}{_nearest(str(value), names)}",
            code="governance",
        ) from None


_Choice = TypeVar("_Choice", bound=str)


def _one_of(value: Any, among: tuple[_Choice, ...], where: str) -> _Choice:
    for choice in among:
        if value == choice:
            return choice
    raise ConfigError(f"{where}: {value!r} is none of {', '.join(among)}", code="governance")
