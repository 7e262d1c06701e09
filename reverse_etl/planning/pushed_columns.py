"""Columns of a pushed table: which may travel, in which format, and what is wrong with a value.

Pure: types and names in, formats and SQL text out. What cannot travel exactly is refused by name;
nothing is rounded, cut or guessed.
"""

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from ingestion.common.errors import ConfigError
from reverse_etl.ledger.commands import CommandClass
from reverse_etl.planning.governance import FilledFrom, Governance, TargetObject
from reverse_etl.planning.values import Format

__all__ = ["form_of", "governed_target", "nearest", "sort_of", "wrong_sql"]

_SIGNED = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})
_WHOLE = _SIGNED | {f"U{name}" for name in _SIGNED}
_FLOATING = frozenset({"FLOAT", "REAL", "DOUBLE"})
_TEXTS = frozenset({"VARCHAR", "UUID", "TIME", "ENUM", "CHAR"})
#: Formats that a column of a sort may be declared as.
_MAY_BE = {
    "whole": {"integer", "money", "text"},
    "decimal": {"money", "text"},
    "floating": {"text"},
    "text": {"text", "money", "date", "boolean", "integer", "enum"},
    "date": {"date", "text"},
    "boolean": {"boolean", "text"},
    "timestamp": {"timestamp", "date", "text"},
}
_USUALLY = {
    "whole": "integer", "text": "text", "date": "date", "boolean": "boolean",
    "timestamp": "timestamp",
}  # fmt: skip


def sort_of(column_type: str) -> str:
    """The sort of a column's type; empty for what cannot travel as one value."""
    base = re.split(r"[(\s]", column_type.upper())[0]
    if column_type.endswith("]") or base in {"STRUCT", "MAP", "UNION"}:
        return ""
    if base in _WHOLE or re.fullmatch(r"DECIMAL\(\d+,\s*0\)", column_type.upper()):
        return "whole"
    if base == "DECIMAL":
        return "decimal"
    if base in _FLOATING:
        return "floating"
    if base.startswith("TIMESTAMP"):
        return "timestamp"
    if base in _TEXTS:
        return "text"
    return {"DATE": "date", "BOOLEAN": "boolean"}.get(base, "")


def form_of(column: str, column_type: str, declared: str | None, hint: str) -> str:
    """The format a column travels in, a ``Format`` or ``timestamp``.

    Args:
        column: its name, for messages.
        column_type: DuckDB's.
        declared: what the target's settings say, None when nothing.
        hint: how to declare a format, for messages.

    Raises:
        ConfigError: the type cannot travel, not as declared, or only when it is declared.
    """
    sort = sort_of(column_type)
    if not sort:
        raise ConfigError(
            f"column {column} is {column_type}: one value per column can travel; take it apart or "
            "leave it out in a view",
            code="push_column",
        )
    found = declared or _USUALLY.get(sort)
    if sort == "floating" and found is None:
        raise ConfigError(
            f"column {column} is {column_type}, which has lost digits: cast it to DECIMAL in a "
            "view",
            code="push_column",
        )
    if found is None:
        raise ConfigError(
            f"column {column} is {column_type}: say how its digits are written: {hint}",
            code="push_column",
        )
    if found not in _MAY_BE[sort]:
        raise ConfigError(
            f"column {column} is {column_type} and cannot be sent as {found}", code="push_column"
        )
    return found


def governed_target(
    governance: Governance, kind: str, object_name: str, columns: Collection[str]
) -> TargetObject:
    """A governed object, narrowed to the columns that are pushed.

    Raises:
        ConfigError: an unknown object or column (with the nearest right one), a column that the
            target's own side owns, a group without all its members, or an object that only the
            loop may write (postings, and what waits for other commands).
    """
    target = governance.object(kind, object_name)
    if target.command_class is CommandClass.POSTING or target.waits_for is not None:
        raise ConfigError(
            f"{kind}.{object_name} is written by the loop only: it follows decisions, not a table",
            code="push_object",
        )
    written = {f.name for f in target.written}
    for column in columns:
        if target.field(column).name not in written:
            raise ConfigError(
                f"column {column}: the target owns it; it is never written", code="push_column"
            )
    for members in target.groups.values():
        missing = sorted(set(members) - set(columns))
        if missing and len(missing) < len(members):
            raise ConfigError(
                f"{', '.join(members)} travel together: column {missing[0]} is missing",
                code="push_column",
            )
    fields = {
        name: field
        for name, field in target.fields.items()
        if name in columns or field.filled_from is not FilledFrom.VIEW
    }
    groups = {name: members for name, members in target.groups.items() if members[0] in fields}
    return replace(target, fields=fields, groups=groups, desire="partial", sources=())


def nearest(wrong: str, known: Iterable[str]) -> str:
    """A hint for a wrong name: the nearest right one, else those there are."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(names[:20])}" if names else ""


def wrong_sql(column: str, column_type: str, form: Format) -> str:
    """SQL that is true for values that are not of a format; empty where all are."""
    sort = sort_of(column_type)
    text = f"nullif(trim(cast({column} as varchar)), '')"
    match form:
        case Format.MONEY if sort == "text":
            exact = r"'[+-]?[0-9]{1,22}(\.[0-9]{1,6}0*)?'"
            return f"not coalesce(regexp_full_match({text}, {exact}), true)"
        case Format.MONEY:
            # What does not fit decimal(28, 6) exactly must not be rounded in silence.
            return f"{column} is distinct from try_cast({column} as decimal(28, 6))"
        case Format.INTEGER if sort == "text":
            return f"not coalesce(regexp_full_match({text}, '[+-]?[0-9]{{1,18}}'), true)"
        case Format.INTEGER:
            return f"{column} is not null and try_cast({column} as bigint) is null"
        case Format.DATE if sort == "text":
            return f"{text} is not null and try_cast(left({text}, 10) as date) is null"
        case Format.BOOLEAN if sort == "text":
            return f"{text} is not null and try_cast({text} as boolean) is null"
        case _:
            return ""
