"""What may stand in ``ledgerloop.toml`` about a REST target: endpoints, key, answers, limits.

Data only. Every key is checked when the configuration is loaded; a wrong one is refused by name
with the nearest right one. A target has no raw tables (``OBJECTS`` is empty): what it holds is only
read to compare and to prove. reverse_etl/rest/README.md explains each key with a worked example.
"""

from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ingestion.common.config import System, explain
from ingestion.common.errors import ConfigError
from ingestion.common.objects import ObjectSpec

__all__ = [
    "OBJECTS",
    "Batch",
    "Errors",
    "FieldSettings",
    "LookUpEndpoint",
    "ReadAll",
    "ReadEndpoint",
    "RestObject",
    "RestOptions",
    "Write",
    "check_objects",
    "rest_objects",
    "rest_options",
]

#: A REST target feeds no table of the warehouse.
OBJECTS: tuple[ObjectSpec, ...] = ()

Auth = Literal["none", "bearer", "basic", "header"]
ActionName = Literal["accept", "reject", "reject_technical", "retry", "retry_system", "unknown"]
FieldFormat = Literal["text", "money", "date", "boolean", "integer", "timestamp"]
Method = Literal["GET", "POST", "PUT", "PATCH"]
Scalar = str | int | bool

#: What a path may hold, and in which endpoints.
_WRITE_WORDS = frozenset({"key", "external_key"})
_READ_WORDS = frozenset({"key", "keys", "external_key", "external_keys", "native_id"})
_MANY_WORDS = frozenset({"keys", "external_keys"})


def _place(value: Any) -> tuple[str, ...]:
    """A place in a JSON document: ``""`` is the whole, ``/a/b`` a JSON pointer, ``a`` a name."""
    if isinstance(value, tuple):
        return value
    if not isinstance(value, str):
        raise ValueError('write a name or a JSON pointer, such as "id" or "/data/id"')  # noqa: TRY004 (pydantic reports only ValueError)
    if not value.startswith("/"):
        return (value,) if value else ()
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in value[1:].split("/"))


Place = Annotated[tuple[str, ...], BeforeValidator(_place)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSettings(_Strict):
    """One field of a row. What is not named here travels under its column's name.

    ``wire`` says how money is written, a JSON number or a text; it is never guessed.
    ``is_readable`` is false for what the target never shows again. ``currency`` names the column
    that holds the currency of an amount.
    """

    native: Place | None = None
    format: FieldFormat | None = None
    wire: Literal["number", "text"] | None = None
    is_readable: bool = True
    max_length: int | None = Field(None, ge=1)
    pattern: str = ""
    currency: str = ""

    @model_validator(mode="after")
    def _money_has_a_wire(self) -> Self:
        if (self.format == "money") != (self.wire is not None):
            raise ValueError('format = "money" and wire = "number" or "text" go together')
        if self.native == ():
            raise ValueError("native cannot be the whole row")
        return self


class Errors(_Strict):
    """Where a refusal says what is wrong; relative to the answer, or to a row's result.

    ``is_checked_when_ok``: the target answers 200 to what it refuses; a code there is a refusal.
    """

    code: Place | None = None
    message: Place | None = None
    field: Place | None = None
    is_checked_when_ok: bool = False


class Batch(_Strict):
    """Several rows in one request. Results are joined by key, never by position.

    Without ``results_at`` a good answer stands for every row and a refusal for none; then, and
    whenever the whole request is refused, halves are sent until only the bad rows are refused.
    A row's result is good when its ``result_status`` is below 400, or ``result_ok`` is one of
    ``ok_values``, or, with neither, when it holds no error code.
    """

    method: Method = "POST"
    path: str
    rows_at: Place = ()
    rows_max: int = Field(100, ge=1, le=10_000)
    body: dict[str, Any] = Field(default_factory=dict)
    results_at: Place | None = None
    result_key: Place | None = None
    result_status: Place | None = None
    result_ok: Place | None = None
    ok_values: tuple[Scalar, ...] = (True,)
    result_native_id: Place | None = None
    errors: Errors = Errors()

    @model_validator(mode="after")
    def _results_can_be_judged(self) -> Self:
        _check_path(self.path, frozenset())
        if self.body and not self.rows_at:
            raise ValueError("body needs rows_at: a list of rows has no room for anything else")
        if self.results_at is None:
            return self
        if not (self.result_status or self.result_ok or self.errors.code):
            raise ValueError(
                "results_at needs one of result_status, result_ok, errors.code: how does a row's "
                "result say that it was refused?"
            )
        return self


class Write(_Strict):
    """How rows are written: one by one at ``path``, several at once by ``batch``, or both.

    ``idempotency_header`` carries the command's key with a single row, ``idempotency_field`` with
    every row: the target promises that the same key again makes no second effect.
    ``is_whole_row``: the endpoint replaces the row, so all columns are sent when one changed.
    """

    method: Method | None = None
    path: str = ""
    row_at: Place = ()
    body: dict[str, Any] = Field(default_factory=dict)
    is_key_in_body: bool | None = None
    native_id_at: Place | None = None
    idempotency_header: str = ""
    idempotency_field: Place | None = None
    is_whole_row: bool = False
    batch: Batch | None = None

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if not self.path and self.batch is None:
            raise ValueError("needs a path, a batch, or both")
        _check_path(self.path, _WRITE_WORDS)
        return self

    @property
    def batch_max(self) -> int:
        """Rows in one request at most."""
        return self.batch.rows_max if self.batch else 1

    @property
    def is_deduplicated(self) -> bool:
        """Whether a row that arrives twice makes one effect, whichever endpoint it took."""
        if self.idempotency_field is not None:
            return True
        # A PUT to the row's own address is the same row again, whoever sends it.
        is_put = self.method == "PUT" and ("{key}" in self.path or "{external_key}" in self.path)
        return (bool(self.idempotency_header) or is_put) and self.batch is None


class ReadEndpoint(_Strict):
    """How rows are read by key: one (``{key}``), or several at once (``{keys}`` or ``keys_at``).

    ``rows_at`` names the list of rows; without it the answer holds one row, at ``row_at``. A row
    that is not there is 404 or an empty list.
    """

    method: Literal["GET", "POST"] = "GET"
    path: str
    row_at: Place = ()
    rows_at: Place | None = None
    keys_at: Place | None = None
    rows_max: int = Field(1, ge=1, le=1_000)
    native_id_at: Place | None = None
    body: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_its_rows(self) -> Self:
        words = _check_path(self.path, _READ_WORDS)
        is_many = bool(words & _MANY_WORDS) or self.keys_at is not None
        if not words and self.keys_at is None:
            raise ValueError("the path names no key: write {key}, {keys} or {external_key}")
        if self.rows_max > 1 and not is_many:
            raise ValueError("rows_max above 1 needs {keys} in the path, or keys_at")
        if is_many and self.rows_at is None:
            raise ValueError("several keys need rows_at: where does the list of rows stand?")
        return self

    @property
    def is_by_external_key(self) -> bool:
        """Whether rows are asked for by the hub's own key of the command."""
        return "{external_key" in self.path


class LookUpEndpoint(ReadEndpoint):
    """A read that may prove absence. ``is_read_your_writes`` has no default: say what it is.

    Only where it is true does *absent* count; where false, a row that does not show up in ten
    minutes becomes an exception for a person.
    """

    is_read_your_writes: bool


class ReadAll(_Strict):
    """How every row of the object is listed, to compare with what the target really holds.

    Pages by number (``page_parameter``), or by what the answer says at ``next_at``: an address, or
    with ``cursor_parameter`` a value for it.
    """

    path: str
    rows_at: Place = ()
    page_parameter: str = ""
    page_first: int = 1
    next_at: Place | None = None
    cursor_parameter: str = ""
    pages_max: int = Field(100_000, ge=1)

    @model_validator(mode="after")
    def _pages_one_way(self) -> Self:
        _check_path(self.path, frozenset())
        if self.page_parameter and self.next_at is not None:
            raise ValueError("page_parameter and next_at are two ways of paging: choose one")
        return self


class RestObject(_Strict):
    """One object of a REST target. Times in seconds.

    Either ``upsert``, or ``create`` and ``update``, or one of these two alone. ``statuses`` and
    ``codes`` say what an answer means; a code goes before a status.
    """

    key_field: Place
    key_format: Literal["text", "integer"] = "text"
    external_key_field: Place | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    fields: dict[str, FieldSettings] = Field(default_factory=dict)
    upsert: Write | None = None
    create: Write | None = None
    update: Write | None = None
    look_up: LookUpEndpoint | None = None
    read_back: ReadEndpoint | None = None
    read_all: ReadAll | None = None
    errors: Errors = Errors()
    statuses: dict[int, ActionName] = Field(default_factory=dict)
    codes: dict[str, ActionName] = Field(default_factory=dict)
    settle_seconds: float = Field(2.0, ge=0)
    verify_seconds: float = Field(120.0, ge=0)
    request_timeout_seconds: float = Field(60.0, gt=0)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.upsert and (self.create or self.update):
            raise ValueError("upsert is create and update in one: name it alone")
        if not self.writes:
            raise ValueError("nothing can be written: name upsert, create or update")
        if self.update and "{external_key}" in self.update.path:
            raise ValueError("an update is addressed by {key}: its command has another key")
        if self.reads is None:
            raise ValueError(
                "nothing is verified without being read back: name read_back (or look_up)"
            )
        for one in (self.look_up, self.read_back):
            if one is not None and one.is_by_external_key and self.external_key_field is None:
                raise ValueError("{external_key} needs external_key_field: where is it stored?")
        if self.look_up is not None and "{native_id}" in self.look_up.path:
            raise ValueError("a look_up cannot use {native_id}: an unknown outcome has none")
        if self.key_field == ():
            raise ValueError("key_field cannot be the whole row")
        return self

    @property
    def writes(self) -> Mapping[str, Write]:
        """The declared verbs."""
        named = {"upsert": self.upsert, "create": self.create, "update": self.update}
        return {name: one for name, one in named.items() if one is not None}

    @property
    def reads(self) -> ReadEndpoint | None:
        """What proves an effect."""
        return self.read_back or self.look_up


class RestOptions(_Strict):
    """Options of the whole system. Secrets never stand here: see the README."""

    auth: Auth = "none"
    auth_header: str = "X-Api-Key"
    requests_per_second_max: float | None = Field(None, gt=0)
    concurrency_max: int = Field(8, ge=1, le=512)


_MODELS = (RestObject, Write, Batch, LookUpEndpoint, ReadAll, Errors, FieldSettings)
_OBJECT_KEYS = sorted({name for model in _MODELS for name in model.model_fields})
_OPTION_KEYS = sorted(RestOptions.model_fields)


def check_objects(system: System, where: str) -> None:
    """Check options and objects of a REST system, for ``load_config``.

    Raises:
        ConfigError: an unknown key (with the nearest right one), a wrong value, or endpoints that
            do not fit together.
    """
    rest_options(system, where)
    rest_objects(system, where)


def rest_options(system: System, where: str = "") -> RestOptions:
    """The options of a system, typed. Raises ConfigError."""
    where = where or f"systems.{system.system_id}"
    try:
        return RestOptions.model_validate(system.options)
    except ValidationError as error:
        text = explain(f"{where}.options", error, _OPTION_KEYS)
        raise ConfigError(text, code="config_key") from None


def rest_objects(system: System, where: str = "") -> dict[str, RestObject]:
    """The objects of a system, typed, by name. Raises ConfigError."""
    where = where or f"systems.{system.system_id}"
    found: dict[str, RestObject] = {}
    for name, body in system.objects.items():
        if not name.isidentifier() or name != name.lower():
            raise ConfigError(
                f"{where}.objects: {name!r} is no name: use lower case letters, digits and _",
                code="config_key",
            )
        try:
            found[name] = RestObject.model_validate(body)
        except ValidationError as error:
            text = explain(f"{where}.objects.{name}", error, _OBJECT_KEYS)
            raise ConfigError(text, code="config_key") from None
    return found


def _check_path(path: str, words: frozenset[str]) -> frozenset[str]:
    """The words in braces of a path; only those that the endpoint can fill."""
    if path and not path.startswith("/"):
        raise ValueError(f"path {path!r} must begin with / (it is added to base_url)")
    try:
        found = frozenset(word for _, word, _, _ in Formatter().parse(path) if word is not None)
    except ValueError as error:
        raise ValueError(f"path {path!r}: {error}") from None
    if unknown := sorted(found - words):
        known = ", ".join(f"{{{word}}}" for word in sorted(words)) or "none"
        raise ValueError(f"path {path!r}: {{{unknown[0]}}} cannot be filled here; known: {known}")
    return found
