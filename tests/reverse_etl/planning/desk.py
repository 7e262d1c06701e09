"""A small desk to plan on: an in-memory warehouse with hand-made views and a real store.

Views are tables with text columns named as governance.yml names them. Commands are brought to a
state by the same events that delivery writes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb

from ingestion.common.config import Company, Config, Hub, System
from reverse_etl.ledger.events import Entry, EventName
from reverse_etl.ledger.store import Store
from reverse_etl.planning.diff_sql import CONTEXT_COLUMNS
from reverse_etl.planning.governance import Governance, load_governance
from reverse_etl.planning.planner import Plan, plan
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import create_tables

SAP, CRM = "sap_emea", "crm"
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class Desk:
    """Warehouse, store, clock and the planner under test."""

    def __init__(self, folder: Path) -> None:
        self.now = START
        self.connection = duckdb.connect()
        self.store = Store.open(folder / "ops.sqlite", now=lambda: self.now)
        self.governance: Governance = load_governance()
        self.policy = Policy()
        self.config = Config(
            hub=Hub(group_currency="USD", rates={"CAD": Decimal("0.75")}),
            systems={
                SAP: System(
                    system_id=SAP,
                    kind="sap_s4hana",
                    base_url="http://127.0.0.1:1",
                    key_prefix="SAP",
                    companies={"U001": Company(currency_code="USD")},
                ),
                CRM: System(system_id=CRM, kind="salesforce", base_url="http://127.0.0.1:2"),
            },
        )
        create_tables(self.connection)
        self.connection.execute("create schema sync")
        self.connection.execute("create schema observed")
        self.connection.execute("create schema config")
        self.connection.execute("create schema marts")
        self.connection.execute("create table config.run (started_at timestamptz)")
        self.connection.execute(
            "create table marts.rec_gl_ties (system_id varchar, company_code varchar,"
            " company_currency_code varchar, difference decimal(28, 6), is_tied boolean)"
        )
        self.tie("U001")
        for target in self.governance.objects.values():
            wanted = [*target.compared, *target.carried]
            desired = ", ".join(
                f'"{name}" varchar'
                for name in ("system_id", "object_key", *(f.name for f in wanted), *CONTEXT_COLUMNS)
            )
            observed = ", ".join(
                f'"{name}" varchar'
                for name in ("system_id", "object_key", *(f.name for f in target.compared))
            )
            self.connection.execute(f"create table sync.{target.view_name} ({desired})")
            self.connection.execute(f"create table observed.{target.view_name} ({observed})")

    def close(self) -> None:
        self.store.close()
        self.connection.close()

    def tie(self, company_code: str, difference: str = "0") -> None:
        self.connection.execute(
            "delete from marts.rec_gl_ties where company_code = ?", [company_code]
        )
        self.connection.execute(
            "insert into marts.rec_gl_ties values (?, ?, 'USD', ?, ?)",
            [SAP, company_code, difference, difference == "0"],
        )

    def wants(self, name: str, key: str, **values: object) -> None:
        """The hub wants this row: replaces the row of the sync view."""
        self._put("sync", name, key, values)

    def holds(self, name: str, key: str, **values: object) -> None:
        """The target holds this row: replaces the row of the observed view."""
        self._put("observed", name, key, values)

    def drops(self, side: str, name: str, key: str) -> None:
        self.connection.execute(
            f"delete from {side}.{name.replace('.', '__')} where object_key = ?", [key]
        )

    def _put(self, side: str, name: str, key: str, values: Mapping[str, object]) -> None:
        self.drops(side, name, key)
        row = {"system_id": SAP if name.startswith("sap") else CRM, "object_key": key, **values}
        columns = ", ".join(f'"{column}"' for column in row)
        marks = ", ".join("?" for _ in row)
        self.connection.execute(
            f"insert into {side}.{name.replace('.', '__')} ({columns}) values ({marks})",
            list(row.values()),
        )

    def plan(self, *objects: str, **options: object) -> Plan:
        """Plan with ``initial`` unless told otherwise."""
        settings: dict[str, object] = {"initial": True, **options}
        return plan(
            self.connection,
            self.store,
            self.config,
            self.governance,
            self.policy,
            objects=objects,
            now=self.now,
            run_id="run-1",
            **settings,  # type: ignore[arg-type]
        )

    def commands(self, object_name: str = "", state: str = "") -> list[dict[str, object]]:
        """Recorded commands, oldest first."""
        rows = []
        for page in self.store.mirror.commands():
            for row in page:
                one = dict(zip(_COMMAND_COLUMNS, row, strict=True))
                if object_name in {"", one["object_name"]} and state in {"", one["state"]}:
                    rows.append(one)
        return rows

    def differences(self, object_name: str = "") -> list[tuple[object, ...]]:
        """Key, field, desired, acknowledged, observed, class, action."""
        return self.connection.execute(
            "select object_key, field, desired, acknowledged, observed, class, action"
            " from plan.differences where object_name = ? or ? = '' order by all",
            [object_name, object_name],
        ).fetchall()

    def bring(self, command_id: object, *names: EventName) -> None:
        """Write the events that delivery would write about a command."""
        with self.store.unit() as unit:
            row = self.store.database.run(
                unit.connection,
                "SELECT command_no FROM commands WHERE command_id = ?",
                (str(command_id),),
            ).first()
            for name in names:
                unit.emit([Entry(name, row[0], _DATA.get(name, ""))])

    def verify_all(self, object_name: str = "") -> None:
        """Deliver everything that is ready and see it read back."""
        self.now += timedelta(minutes=1)
        for one in self.commands(object_name, "ready"):
            self.bring(one["command_id"], EventName.SENDING, EventName.ACCEPTED, EventName.VERIFIED)
        self.now += timedelta(minutes=1)

    def next_run(self) -> None:
        """A new run began to read after everything so far."""
        self.now += timedelta(hours=1)
        self.connection.execute("delete from config.run")
        self.connection.execute("insert into config.run values (?)", [self.now])
        self.now += timedelta(minutes=1)


_DATA = {
    EventName.SENDING: '{"attempt":1,"holder":"test"}',
    EventName.ACCEPTED: '{"native_id":"n"}',
    EventName.REJECTED: (
        '{"code":"bad","field":"","is_business":true,"may_have_effect":false,"message":"no"}'
    ),
}
_COMMAND_COLUMNS = (
    "command_id", "correlation_id", "system_id", "kind", "object_name", "business_key",
    "operation", "revision", "command_class", "payload", "payload_hash", "lane", "flow",
    "state", "native_id", "external_key", "approval_rule", "amount", "currency_code",
    "planned_at", "updated_at",
)  # fmt: skip
