"""Transactions that are made once under the hub's key: what sending and looking have in common.

Before ``PUT <record>/eid:<key>`` the key is looked up: on a record that is there already, the same
request would merge its lines a second time. After a refusal it is looked up again, because an
earlier delivery may have made the record meanwhile.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.common.money import canonical_text
from ingestion.netsuite.client import NetSuiteClient, record_path
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    LookUp,
    Outcome,
    Rejected,
    Retry,
    Sending,
    Unknown,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.netsuite.payments import needed
from reverse_etl.netsuite.references import References, rows_in
from reverse_etl.netsuite.settings import OUTCOMES, NetSuiteOptions, external_id_of
from reverse_etl.planning.governance import TargetObject

__all__ = ["LINKS", "Keyed", "positive"]

#: The head of transactions of one type, by external id.
_SHOWN = """SELECT t.id, t.externalid, t.tranid, t.foreigntotal, t.memo, c.entityid, m.subsidiary,
u.symbol, a.acctnumber, TO_CHAR(t.trandate, 'YYYY-MM-DD') AS trandate,
TO_CHAR(t.duedate, 'YYYY-MM-DD') AS duedate
FROM transaction t
JOIN transactionline m ON m.transaction = t.id AND m.mainline = 'T'
JOIN transactionaccountingline x ON x.transaction = t.id AND x.transactionline = m.id
JOIN account a ON a.id = x.account
JOIN currency u ON u.id = t.currency LEFT JOIN customer c ON c.id = t.entity
WHERE t.type = '{type}' AND t.externalid"""
#: What is applied to what, by one side or the other.
LINKS = "SELECT previousdoc, nextdoc, foreignamount FROM nexttransactionlinelink WHERE "


class Keyed:
    """Records of one type under external ids.

    Args:
        client: the account.
        references: what was looked up so far.
        options: of the system.
        target: the object of governance.yml; its entity is the record type.
        transaction_type: the record type in SuiteQL, such as ``CustInvc``.
    """

    def __init__(
        self,
        client: NetSuiteClient,
        references: References,
        options: NetSuiteOptions,
        target: TargetObject,
        transaction_type: str,
    ) -> None:
        self.client = client
        self.references = references
        self.options = options
        self.target = target
        self._query = _SHOWN.format(type=transaction_type)

    async def load(self, batch: Sequence[Sending]) -> None:
        """Look up what the commands name. Raises LedgerloopError when it cannot be read."""
        payloads = [sending.command.payload for sending in batch]
        wanted = {
            "account": [self.options.ar_gl_account, *_named(payloads, "bank_gl_account")],
            "currency": _named(payloads, "currency_code"),
            "customer": _named(payloads, "customer"),
        }
        for kind, names in wanted.items():
            await self.references.load(kind, names)

    def head_of(self, payload: Mapping[str, Value]) -> dict[str, Any]:
        """Subsidiary, currency and day of a record. Raises InputRefused."""
        native = self.target.to_native(payload)
        symbol = needed(native, "currency")
        return {
            "subsidiary": {"id": needed(native, "subsidiary")},
            "currency": {"id": self.references.id_of("currency", symbol, where="currency_code")},
            "tranDate": needed(native, "tranDate"),
        }

    def customer_of(self, payload: Mapping[str, Value]) -> str:
        """Internal id of the customer. Raises InputRefused."""
        return self.references.id_of("customer", needed(payload, "customer"), where="customer")

    def account_of(self, payload: Mapping[str, Value]) -> str:
        """Internal id of the bank's account. Raises InputRefused."""
        number = needed(payload, "bank_gl_account")
        return self.references.id_of("account", number, where="bank_gl_account")

    async def put(self, sending: Sending, body: Mapping[str, Any]) -> Outcome:
        """Make the record under the command's key, unless it is there."""
        held = (await self.look_up([sending]))[sending.command.command_id]
        if isinstance(held, Found):
            return Accepted(held.native_id)
        if isinstance(held, CannotTell):
            return Retry("not_read", held.reason)
        path = record_path(self.target.entity, f"eid:{external_id_of(sending.external_key)}")
        try:
            return Accepted(await self.client.change("PUT", path, body))
        except LedgerloopError as error:
            outcome = OUTCOMES.of_error(error, field_of=self.field_of)
        if not isinstance(outcome, Rejected):
            return outcome
        held = (await self.look_up([sending]))[sending.command.command_id]
        if isinstance(held, CannotTell):
            return Unknown("refused_unseen", held.reason)
        return Accepted(held.native_id) if isinstance(held, Found) else outcome

    def field_of(self, native: str) -> str:
        """The governed field that a vendor's error path is about; the path where none is."""
        name = native.partition(".")[0].partition("[")[0]
        for field_name, governed in self.target.fields.items():
            if governed.native == name:
                return field_name
        return native

    async def rows(self, batch: Sequence[Sending]) -> dict[str, list[dict[str, Any]]]:
        """Heads under each command's external id, by command id. Raises LedgerloopError."""
        by_key = {external_id_of(s.external_key): s.command.command_id for s in batch}
        found: dict[str, list[dict[str, Any]]] = {s.command.command_id: [] for s in batch}
        for row in await rows_in(self.client, self._query, sorted(by_key), order="t.id"):
            found[by_key[row["externalid"]]].append(row)
        return found

    def shown(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
        """What the heads under one key say, in hub names; twice made shows as twice the money."""
        first = rows[0]
        total = sum((abs(Decimal(str(row.get("foreigntotal") or "0"))) for row in rows), Decimal(0))
        return {
            "company_code": first.get("subsidiary"),
            "customer": str(first.get("entityid") or "").upper(),
            "amount": canonical_text(total),
            "currency_code": first.get("symbol"),
            "posting_date": first.get("trandate"),
        }

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the external id."""
        try:
            rows = await self.rows(batch)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        return {
            command_id: Found(str(one[0]["id"])) if one else Absent()
            for command_id, one in rows.items()
        }


def _named(payloads: Sequence[Mapping[str, Value]], name: str) -> list[str]:
    return [str(one.get(name) or "") for one in payloads]


def positive(payload: Mapping[str, Value], name: str) -> Decimal:
    """An amount above zero. Raises InputRefused."""
    amount = Decimal(needed(payload, name))
    if amount <= 0:
        raise InputRefused(f"{name} {amount} is not above zero", code="not_positive", where=name)
    return amount
