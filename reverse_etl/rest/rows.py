"""One object's rows on the wire and back: our columns and the target's fields.

Pure. Money keeps its digits both ways; a value that cannot be written as configured is refused
(InputRefused) and becomes that row's exception, never a guess.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from ingestion.rest.client import found_at, number, put_at
from ingestion.rest.settings import FieldSettings, RestObject
from reverse_etl.delivery.writer import Sending
from reverse_etl.ledger.commands import Value
from reverse_etl.planning.values import Format, value_of

__all__ = ["RowForm"]

_AMOUNT = re.compile(r"-?\d+(\.\d+)?")
_WHOLE = re.compile(r"0|-?[1-9]\d*")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_UNDECLARED = FieldSettings()


class RowForm:
    """How the rows of one object look.

    Args:
        settings: the object.
        fields: settings by column; those of the object when not given.
    """

    def __init__(
        self, settings: RestObject, fields: Mapping[str, FieldSettings] | None = None
    ) -> None:
        self._settings = settings
        self._fields = settings.fields if fields is None else fields
        self._columns = {
            one.native: name for name, one in self._fields.items() if one.native is not None
        }

    def place_of(self, column: str) -> Sequence[str]:
        """Where a column stands in a row."""
        return self._fields.get(column, _UNDECLARED).native or (column,)

    def column_of(self, native: str) -> str:
        """The column behind a field that the target names in a refusal; its own name if none."""
        pointer = tuple(native[1:].split("/")) if native.startswith("/") else (native,)
        return self._columns.get(pointer, native)

    # -- out -------------------------------------------------------------------------------------

    def row(self, sending: Sending, *, has_key: bool, has_nulls: bool) -> dict[str, Any]:
        """A command's row for the request.

        Args:
            sending: the command.
            has_key: whether the key stands in the row.
            has_nulls: whether a column without a value is said so; a new row leaves it out.

        Raises:
            InputRefused: a value that is not of its field's format.
        """
        row: dict[str, Any] = {}
        if has_key:
            put_at(row, self._settings.key_field, self._key(sending.command.business_key))
        if self._settings.external_key_field is not None:
            put_at(row, self._settings.external_key_field, sending.external_key)
        for column, value in sending.command.payload.items():
            if value is None and not has_nulls:
                continue
            settings = self._fields.get(column, _UNDECLARED)
            place = settings.native or (column,)
            put_at(row, place, self._out(column, value, settings))
        return row

    def _key(self, key: str) -> Value:
        if self._settings.key_format == "text":
            return key
        if not _WHOLE.fullmatch(key):
            raise InputRefused(
                f"the key {key!r} is not a plain whole number", code="bad_key", where="key"
            )
        return int(key)

    @staticmethod
    def _out(column: str, value: Value, settings: FieldSettings) -> Any:
        if value is None or settings.format != "money":
            return value
        text = str(value)
        if not _AMOUNT.fullmatch(text):
            raise InputRefused(
                f"{column}: {text!r} is not an amount", code="bad_amount", where=column
            )
        return number(text) if settings.wire == "number" else text

    # -- back ------------------------------------------------------------------------------------

    def key_of(self, row: Any, place: Sequence[str] | None = None) -> str:
        """The key in a row (or in a result, at another place), empty when it names none."""
        found = found_at(row, self._settings.key_field if place is None else place)
        return "" if found is None else str(found)

    def external_key_of(self, row: Any) -> str:
        """The hub's own key in a row, empty when it holds none."""
        place = self._settings.external_key_field
        found = found_at(row, place) if place else None
        return "" if found is None else str(found)

    def held(self, payload: Mapping[str, Value], row: Any) -> dict[str, Value]:
        """What a row holds of a payload's columns; a field that is not there is left out."""
        found: dict[str, Value] = {}
        for column, sent in payload.items():
            settings = self._fields.get(column, _UNDECLARED)
            place = settings.native or (column,)
            value = found_at(row, place)
            if value is None:
                if sent is None:
                    found[column] = None
                continue
            found[column] = self._back(value, settings, sent)
        return found

    def text(self, column: str, row: Any) -> str | None:
        """A column of a row as canonical text, for the diff; its format must be known."""
        settings = self._fields[column]
        value = found_at(row, settings.native or (column,))
        back = None if value is None else self._back(value, settings, None)
        if back is None or back == "":
            return None
        if isinstance(back, bool):
            return "true" if back else "false"
        return str(back)

    @staticmethod
    def _back(value: Any, settings: FieldSettings, sent: Value) -> Value:
        """A found value in the form of the sent one; what is of no such form is shown as it is."""
        try:
            match settings.format:
                case "money" | "date" | "boolean" | "integer":
                    return value_of(value, Format(settings.format))
                case "timestamp":
                    return _instant(value)
                case _:
                    return _plain(value, sent)
        except InputRefused:
            return str(value)


def _plain(value: Any, sent: Value) -> Value:
    """A value of a field that the configuration does not describe."""
    if isinstance(value, Decimal):
        is_whole = isinstance(sent, int) and value == value.to_integral_value()
        return int(value) if is_whole else canonical_text(value)
    if isinstance(value, str) and isinstance(sent, str) and value != sent:
        if _INSTANT.fullmatch(sent) and _INSTANT.fullmatch(value):
            return sent if _instant(value) == _instant(sent) else value
        return value
    if isinstance(value, str | int | bool):
        return value
    return str(value)


def _instant(value: Any) -> str:
    """An instant as one text: UTC with a ``Z`` where it names a zone, no empty fraction."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    offset = found.utcoffset()
    if offset is not None:
        return f"{_seconds((found - offset).replace(tzinfo=None))}Z"
    return _seconds(found)


def _seconds(found: datetime) -> str:
    text = found.isoformat(timespec="microseconds")
    return text.rstrip("0").rstrip(".")
