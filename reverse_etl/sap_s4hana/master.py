"""Customer master data: partners, customers, their companies and dunning, created or changed.

The key is the customer's own number, so the same change twice is one change. Every entity is read
for its ETag just before it is changed; who changed it in between wins, and we read again. Which
field belongs to which entity stands in governance.yml (``Set/Field``). What values mean is not its
business, and it never deletes.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError, VendorRejected
from ingestion.sap_s4hana.client import SapClient, literal
from reverse_etl.delivery.writer import (
    Accepted,
    CannotTell,
    LookUp,
    Outcome,
    ReadBack,
    Retry,
    Sending,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.outcomes import found_by_fields, rejected_input
from reverse_etl.planning.governance import Governance, TargetObject
from reverse_etl.sap_s4hana.settings import OUTCOMES

__all__ = ["COMPANIES", "CUSTOMERS", "DUNNING", "MasterData", "Tree"]

KIND, SERVICE = "sap_s4hana", "API_BUSINESS_PARTNER"


@dataclass(frozen=True, slots=True)
class Part:
    """An entity that hangs on another: its set, how it is reached, its own keys."""

    navigation: str
    keys: tuple[str, ...]
    is_collection: bool = True
    is_always_made: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """One object: its root set and keys, what hangs on it, and what a new one always has."""

    object_name: str
    root: str
    keys: tuple[str, ...]
    parts: Mapping[str, Part] = field(default_factory=dict)
    constants: Mapping[str, Value] = field(default_factory=dict)


CUSTOMERS = Tree(
    "customers",
    "A_BusinessPartner",
    ("BusinessPartner",),
    {
        "A_Customer": Part("to_Customer", ("Customer",), is_collection=False, is_always_made=True),
        "A_BusinessPartnerAddress": Part(
            "to_BusinessPartnerAddress", ("BusinessPartner", "AddressID")
        ),
        "A_BusinessPartnerTaxNumber": Part(
            "to_BusinessPartnerTax", ("BusinessPartner", "BPTaxType")
        ),
        "A_BusinessPartnerBank": Part(
            "to_BusinessPartnerBank", ("BusinessPartner", "BankIdentification")
        ),
    },
    # Organisation: persons and groups are not customers of a receivables hub.
    {"BusinessPartnerCategory": "2"},
)
COMPANIES = Tree("customer_companies", "A_CustomerCompany", ("Customer", "CompanyCode"))
DUNNING = Tree("customer_dunning", "A_CustomerDunning", ("Customer", "CompanyCode", "DunningArea"))

Row = Mapping[str, Any]


class MasterData:
    """``<object>/upsert`` of one tree."""

    def __init__(self, client: SapClient, governance: Governance, tree: Tree) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, tree.object_name)
        self._tree = tree

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Create or change, one after another; each has its own answer."""
        return {s.command.command_id: await self._send(s) for s in batch}

    async def _send(self, sending: Sending) -> Outcome:
        try:
            keys = self._keys(sending)
            wanted = self._by_set(sending)
        except InputRefused as refused:
            return rejected_input(refused)
        try:
            found = await self._read(keys)
        except LedgerloopError as error:
            outcome = OUTCOMES.of_error(error)
            return outcome if isinstance(outcome, Retry) else Retry(error.code, error.message)
        try:
            if found is None:
                await self._client.change("POST", SERVICE, self._tree.root, self._new(keys, wanted))
            else:
                await self._change(keys, wanted, found)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error, field_of=self._field_of)
        return Accepted(sending.command.business_key)

    def _keys(self, sending: Sending) -> dict[str, str]:
        """The root's keys from the business key, ``a/b/c``; only the last one may be empty."""
        parts = sending.command.business_key.split("/")
        names = self._tree.keys
        if len(parts) != len(names) or not all(parts[:1] + parts[1:-1]):
            raise InputRefused(
                f"{sending.command.business_key!r} is not {'/'.join(names)}",
                code="key_form",
                where=self._target.key_name,
            )
        return dict(zip(names, parts, strict=True))

    def _by_set(self, sending: Sending) -> dict[str, dict[str, Value]]:
        """The payload by entity set; an empty text clears a field."""
        found: dict[str, dict[str, Value]] = defaultdict(dict)
        for native, value in self._target.to_native(sending.command.payload).items():
            set_name, _, name = native.partition("/")
            found[set_name][name] = "" if value is None else value
        return found

    def _new(
        self, keys: Mapping[str, str], wanted: Mapping[str, Mapping[str, Value]]
    ) -> dict[str, Value]:
        """The body of a new root with what hangs on it, empty fields left out."""
        body: dict[str, Value] = {
            **self._tree.constants,
            **keys,
            **_filled(wanted, self._tree.root),
        }
        for set_name, part in self._tree.parts.items():
            values: dict[str, Value] = {**_filled(wanted, set_name)}
            if not values and not part.is_always_made:
                continue
            body[part.navigation] = {"results": [values]} if part.is_collection else values
        return body

    async def _change(
        self, keys: Mapping[str, str], wanted: Mapping[str, Mapping[str, Value]], found: Row
    ) -> None:
        """Change every entity that has changed fields; one that is missing is made."""
        for set_name, values in wanted.items():
            part = self._tree.parts.get(set_name)
            row = found if part is None else _first(found, part, values)
            if row is None:
                owner = {next(iter(self._key_names(set_name))): next(iter(keys.values()))}
                body = {**owner, **{name: v for name, v in values.items() if v != ""}}
                await self._client.change("POST", SERVICE, set_name, body)
                continue
            names = self._key_names(set_name)
            place = ",".join(f"{name}={literal(str(row[name]))}" for name in names)
            body = {name: value for name, value in values.items() if name not in names}
            etag = str(row.get("__metadata", {}).get("etag") or "*")
            await self._client.change("PATCH", SERVICE, f"{set_name}({place})", body, etag=etag)

    def _key_names(self, set_name: str) -> tuple[str, ...]:
        part = self._tree.parts.get(set_name)
        return self._tree.keys if part is None else part.keys

    async def _read(self, keys: Mapping[str, str]) -> Row | None:
        """The root with its parts; None where there is no such key.

        Raises:
            LedgerloopError: the system could not be read.
        """
        place = ",".join(f"{name}={literal(value)}" for name, value in keys.items())
        expand = ",".join(part.navigation for part in self._tree.parts.values())
        query = f"?$expand={expand}" if expand else ""
        try:
            return (await self._client.get(f"{SERVICE}/{self._tree.root}({place}){query}")).entity
        except VendorRejected as error:
            if error.status == 404:
                return None
            raise

    def _field_of(self, native: str) -> str:
        for name, governed in self._target.fields.items():
            if governed.native.partition("/")[2] == native:
                return name
        return native

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether the rows hold what the commands want."""
        try:
            return found_by_fields(batch, await self.read_back(batch))
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when a row cannot be read; one that is not there has no fields."""
        return {s.command.command_id: await self._held(s) for s in batch}

    async def _held(self, sending: Sending) -> ReadBack:
        found = await self._read(self._keys(sending))
        if found is None:
            return ReadBack(None)
        wanted = self._by_set(sending)
        shown: dict[str, Any] = {}
        for name in sending.command.payload:
            native = self._target.field(name).native
            set_name, _, vendor_field = native.partition("/")
            part = self._tree.parts.get(set_name)
            row = found if part is None else _first(found, part, wanted[set_name])
            shown[native] = None if row is None else row.get(vendor_field)
        return ReadBack(self._target.from_native(shown), sending.command.business_key)


def _filled(wanted: Mapping[str, Mapping[str, Value]], set_name: str) -> dict[str, Value]:
    return {name: value for name, value in wanted.get(set_name, {}).items() if value != ""}


def _first(found: Row, part: Part, values: Mapping[str, Value]) -> Row | None:
    """The nested row that is meant: the one with the keys given, else the first."""
    nested = found.get(part.navigation) or {}
    if not part.is_collection:
        return nested if "__deferred" not in nested and nested else None
    rows: list[Row] = nested.get("results", []) if isinstance(nested, dict) else nested
    given = {name: values[name] for name in part.keys if values.get(name)}
    meant = [row for row in rows if all(row.get(name) == value for name, value in given.items())]
    return min(meant, key=lambda row: str(row.get(part.keys[-1])), default=None)
