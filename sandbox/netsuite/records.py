"""The record service: create, read, list, change, upsert, delete and transform records.

Speaks values of the store; ``app`` speaks HTTP. What a kind of transaction posts stands in
``transactions``; customers and custom records have no postings.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.core.faults import Fault, Faults
from sandbox.netsuite.books import Books, ClockPort
from sandbox.netsuite.errors import RequestRefused
from sandbox.netsuite.rendering import rendered
from sandbox.netsuite.schema import SCHEMAS, TRANSACTION_TYPES, parsed
from sandbox.netsuite.state import NetSuiteState, Record
from sandbox.netsuite.transactions import Transactions

__all__ = ["Records"]

_ENTITY_FIELDS = frozenset({"entity", "customer", "custrecord_2663_parent_customer", "parent"})
_ACCOUNT_FIELDS = frozenset({"account", "arAcct", "receivablesAccount"})


class Records:
    """All records of an account."""

    def __init__(self, state: NetSuiteState, clock: ClockPort, faults: Faults) -> None:
        self._state = state
        self._clock = clock
        self._faults = faults
        self._books = Books(state, clock)
        self._transactions = Transactions(state, self._books, clock)

    # -- reading --------------------------------------------------------------------------------

    def find(self, kind: str, key: str) -> Record:
        """A record by internal id or ``eid:…``. Raises RequestRefused 404."""
        self._rules(kind)
        number = key
        if key.startswith("eid:"):
            number = self._state.by_external.get((kind, key.removeprefix("eid:")), "")
        record = self._state.of_kind(kind).get(number)
        if record is None:
            raise RequestRefused(
                404,
                "NONEXISTENT_ID",
                f"The record instance does not exist. Provide a valid record instance ID ({key}).",
            )
        return record

    def shown(self, kind: str, key: str, root: str) -> dict[str, Any]:
        """A record as JSON."""
        return rendered(self._state, self._books, self.find(kind, key), root)

    def ids(self, kind: str, query: str) -> list[str]:
        """Internal ids of a type in order; ``q`` knows ``field IS "value"`` and ``EQUAL``."""
        self._rules(kind)
        rows = self._state.of_kind(kind)
        found = sorted(rows, key=int)
        if query:
            name, operator, value = [*query.split(None, 2), "", ""][:3]
            if operator.upper() not in ("IS", "EQUAL"):
                raise RequestRefused(
                    400, "INVALID_PARAMETER", f"Invalid query operator {operator}.", path="q"
                )
            wanted = value.strip().strip('"')
            found = [one for one in found if str(rows[one].values.get(name)) == wanted]
        return found

    # -- changing -------------------------------------------------------------------------------

    def create(
        self, kind: str, body: Mapping[str, Any], *, is_strict: bool = True, external_id: str = ""
    ) -> Record:
        """Make a record. Raises RequestRefused: bad content, refused posting, key taken."""
        values = self._parsed(kind, body, is_strict)
        if external_id:
            values["externalId"] = external_id
        taken = values.get("externalId")
        if taken and (kind, taken) in self._state.by_external:
            raise RequestRefused(
                400,
                "USER_ERROR",
                f"This record already exists: an External ID must be unique ({taken}).",
                path="externalId",
            )
        return self._made(kind, values)

    def _made(self, kind: str, values: dict[str, Any]) -> Record:
        now = self._clock.now()
        family = "transaction" if kind in TRANSACTION_TYPES else kind
        first = 5001 if family == "transaction" else 101
        record = Record(kind, "", values, now, now)
        if kind == "customer":
            self._complete_customer(values)
        elif kind in TRANSACTION_TYPES:
            self._transactions.prepare(record)
        record.id = self._state.next_number(family, first)
        if kind in TRANSACTION_TYPES:
            self._transactions.number(record)
            self._transactions.post(record)
        self._state.add(record)
        if kind in TRANSACTION_TYPES:
            try:
                self._transactions.apply(
                    record, values.pop("apply", None), values.pop("credit", None)
                )
            except RequestRefused:
                self._transactions.forget(record)
                raise
        return record

    def _complete_customer(self, values: dict[str, Any]) -> None:
        if not values.get("companyName") and not values.get("lastName"):
            raise RequestRefused(
                400, "USER_ERROR", "Please enter value(s) for: Company Name", path="companyName"
            )
        if values.get("subsidiary") is None:
            raise RequestRefused(
                400, "USER_ERROR", "Please enter value(s) for: Primary Subsidiary",
                path="subsidiary",
            )  # fmt: skip
        company = self._state.settings.subsidiaries[values["subsidiary"]]
        values.setdefault("currency", self._state.currency_ids[company.currency_code])
        values.setdefault("entityId", values.get("companyName") or values.get("lastName"))
        values.setdefault("creditHoldOverride", "AUTO")

    def change(
        self,
        kind: str,
        key: str,
        body: Mapping[str, Any],
        *,
        replace: frozenset[str] = frozenset(),
        is_strict: bool = True,
    ) -> Record:
        """PATCH: the given fields; lines of a sublist are merged unless it is replaced."""
        record = self.find(kind, key)
        values = self._parsed(kind, body, is_strict)
        name = f"PATCH {kind}"
        if self._faults.swallow(name):
            return record
        dropped = self._faults.dropped_field(name, values)
        if dropped is not None:
            values.pop(dropped)
        new_key = values.get("externalId")
        if new_key and self._state.by_external.get((kind, new_key), record.id) != record.id:
            raise RequestRefused(400, "USER_ERROR", "External ID must be unique", path="externalId")
        if kind in TRANSACTION_TYPES:
            self._transactions.change(record, values, replace)
        else:
            record.values.update(values)
        if new_key:
            self._state.by_external[kind, new_key] = record.id
        record.changed_at = self._clock.now()
        self._state.touch(record)
        return record

    def upsert(
        self,
        kind: str,
        key: str,
        body: Mapping[str, Any],
        *,
        replace: frozenset[str] = frozenset(),
        is_strict: bool = True,
    ) -> Record:
        """PUT with ``eid:``: change what is there, else make it under that key."""
        external_id = key.removeprefix("eid:")
        if not key.startswith("eid:"):
            return self.change(kind, key, body, replace=replace, is_strict=is_strict)
        self._rules(kind)
        if (kind, external_id) in self._state.by_external:
            return self.change(kind, key, body, replace=replace, is_strict=is_strict)
        return self.create(kind, body, is_strict=is_strict, external_id=external_id)

    def delete(self, kind: str, key: str) -> None:
        """Take a record away for good. Raises RequestRefused: applied, or its period is closed."""
        record = self.find(kind, key)
        if kind in TRANSACTION_TYPES:
            self._transactions.check_deletable(record)
            self._books.unpost(record)
        elif kind == "customer" and any(
            record.id in (one.ref("entity"), one.ref("customer"))
            for rows in self._state.records.values()
            for one in rows.values()
        ):
            raise RequestRefused(
                400, "USER_ERROR", "This record cannot be deleted because it has dependent records"
            )
        self._state.remove(record, self._clock.now())

    def transform(
        self, kind: str, key: str, target: str, body: Mapping[str, Any], *, replace: frozenset[str],
        is_strict: bool = True,
    ) -> Record:  # fmt: skip
        """``!transform``: a payment or credit memo made of an invoice, applied to it by default."""
        source = self.find(kind, key)
        if kind != "invoice" or target not in ("creditMemo", "customerPayment"):
            raise RequestRefused(
                400, "INVALID_CONTENT", f"{kind} cannot be transformed into {target}."
            )
        made: dict[str, Any] = {
            name: {"id": source.values[name]} for name in ("subsidiary", "currency")
        }
        party = "entity" if target == "creditMemo" else "customer"
        made[party] = {"id": source.ref("entity")}
        due = self._state.open_amount(source)
        if target == "creditMemo":
            made["createdFrom"] = {"id": source.id}
            if "item" not in replace:
                made["item"] = {
                    "items": [
                        {"item": {"id": one["item"]}, "amount": one["amount"]}
                        for one in source.values["item"]
                    ]
                }
        else:
            made["payment"] = due
        made.update(body)
        if "apply" not in body:
            wanted = sum(
                (line.get("amount", 0) for line in (body.get("item") or {}).get("items", [])), 0
            )
            part = min(due, wanted) if wanted else due
            made["apply"] = {"items": [{"doc": {"id": source.id}, "apply": True, "amount": part}]}
        return self.create(target, made, is_strict=is_strict)

    # -- forms ----------------------------------------------------------------------------------

    def _rules(self, kind: str) -> Mapping[str, Any]:
        rules = SCHEMAS.get(kind)
        if rules is None:
            raise RequestRefused(404, "NONEXISTENT_ID", f"Record type '{kind}' does not exist.")
        return rules

    def _parsed(self, kind: str, body: Any, is_strict: bool) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise RequestRefused(400, "INVALID_CONTENT", "Expected a JSON object.")
        rules = self._rules(kind)
        if self._faults.take(Fault.LOCK, kind):
            raise RequestRefused(400, "RCRD_HAS_BEEN_CHANGED", "Record has been changed")
        return parsed(rules, body, self._resolve, is_strict=is_strict)

    def _resolve(self, name: str, form: str, value: str) -> str | None:
        """The internal id of a reference, or None when there is no such record."""
        state = self._state
        if name == "subsidiary":
            return value if value in state.settings.subsidiaries else None
        if name == "currency":
            return value if value in state.settings.currencies else state.currency_ids.get(value)
        if name in _ACCOUNT_FIELDS:
            return value if value in state.settings.accounts else None
        if name == "item":
            return value if value in state.settings.items else None
        if name in _ENTITY_FIELDS:
            return self._record_id("customer", form, value)
        if name in ("doc", "createdFrom"):
            if form == "id":
                return value if value in state.kind_of else None
            found = (state.by_external.get((kind, value)) for kind in TRANSACTION_TYPES)
            return next((one for one in found if one), None)
        return value

    def _record_id(self, kind: str, form: str, value: str) -> str | None:
        if form == "externalId":
            return self._state.by_external.get((kind, value))
        return value if value in self._state.of_kind(kind) else None
