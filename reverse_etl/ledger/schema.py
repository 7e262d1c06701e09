"""The tables of the operations database, for both dialects (SQLAlchemy Core).

``commands``, ``events``, ``seals``, ``contents`` and ``dependencies`` are only ever inserted into.
Everything marked *projection* can be thrown away and rebuilt from them. ``leases``, ``inbox`` and
``meta`` are working state. A change here needs a migration; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

__all__ = ["PROJECTIONS", "SCHEMA_REVISION", "metadata"]

#: The newest migration; ``Database.open`` runs Alembic only when the database has another.
SCHEMA_REVISION = "0002"

metadata = MetaData()
#: SQLite makes only an INTEGER primary key an alias of its row id.
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
UNFINISHED = "state NOT IN ('verified','rejected','dead','superseded','void')"


def _text(name: str, default: str | None = "") -> Column[str]:
    """A text column that is never null, or, with ``default=None``, one that may be."""
    return Column(name, Text, nullable=default is None, server_default=default)


def _flag(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


commands = Table(
    "commands",
    metadata,
    Column("command_no", _NUMBER, primary_key=True, autoincrement=False),
    Column("command_id", Text, nullable=False, unique=True),
    _text("correlation_id"),
    _text("system_id"),
    _text("kind"),
    _text("object_name"),
    _text("business_key"),
    _text("operation"),
    Column("revision", Integer, nullable=False),
    _text("command_class"),
    _text("payload"),
    _text("payload_hash"),
    _text("lane"),
    _text("flow"),
    _text("planned_at"),
    _text("after"),
    Column("priority", Integer, nullable=False),
    _text("approval_rule"),
    _text("proposed_by"),
    _text("proposer_os_user"),
    _text("amount_text"),
    _text("currency_code"),
    _text("subject"),
    _text("customer_id"),
    Index("ix_commands_key", "system_id", "object_name", "business_key"),
    Index("ix_commands_correlation", "correlation_id"),
    Index("ix_commands_customer", "customer_id", sqlite_where=text("customer_id <> ''"),
          postgresql_where=text("customer_id <> ''")),
)  # fmt: skip

dependencies = Table(
    "dependencies",
    metadata,
    Column("command_no", _NUMBER, primary_key=True, autoincrement=False),
    Column("after_no", _NUMBER, primary_key=True, autoincrement=False),
    Index("ix_dependencies_after", "after_no"),
)

events = Table(
    "events",
    metadata,
    Column("event_no", _NUMBER, primary_key=True, autoincrement=False),
    _text("at"),
    _text("name"),
    Column("command_no", _NUMBER, nullable=True),
    _text("subject"),
    _text("actor"),
    _text("data"),
    Index("ix_events_command", "command_no", sqlite_where=text("command_no IS NOT NULL"),
          postgresql_where=text("command_no IS NOT NULL")),
    Index("ix_events_subject", "subject", sqlite_where=text("subject <> ''"),
          postgresql_where=text("subject <> ''")),
)  # fmt: skip

seals = Table(
    "seals",
    metadata,
    Column("seal_no", _NUMBER, primary_key=True, autoincrement=False),
    Column("first_event_no", _NUMBER, nullable=False, unique=True),
    Column("last_event_no", _NUMBER, nullable=False),
    _text("at"),
    # Two seals can never follow the same one: the database itself refuses a fork.
    Column("previous_hash", Text, nullable=False, unique=True),
    _text("hash"),
)

chain = Table(
    "chain",
    metadata,
    Column("chain_id", Integer, primary_key=True, autoincrement=False),
    Column("last_event_no", _NUMBER, nullable=False),
    Column("last_command_no", _NUMBER, nullable=False),
    Column("last_seal_no", _NUMBER, nullable=False),
    _text("hash"),
)

contents = Table(
    "contents",
    metadata,
    Column("content_hash", Text, primary_key=True),
    _text("content"),
)

command_state = Table(
    "command_state",
    metadata,
    Column("command_no", _NUMBER, primary_key=True, autoincrement=False),
    _text("system_id"),
    _text("object_name"),
    _text("business_key"),
    _text("operation"),
    _text("command_class"),
    _text("flow"),
    _text("lane"),
    Column("priority", Integer, nullable=False),
    _text("state"),
    # NULL: not in its lane; 1: queued in its lane; 2: on its way, nothing overtakes it.
    Column("lane_phase", Integer, nullable=True),
    _flag("is_lane_head"),
    _flag("is_held"),
    _flag("needs_approval"),
    _text("approval_expires_at", None),
    _flag("attempts"),
    _flag("failures"),
    _flag("absences"),
    _flag("may_have_effect"),
    _text("not_before", None),
    _text("holder", None),
    _text("native_id"),
    _text("since"),
    # 0 for a state command, its own number for a posting: see ux_state_unfinished.
    Column("sole_no", _NUMBER, nullable=False),
    Index("ix_state_heads", "system_id", "priority", "command_no",
          sqlite_where=text("is_lane_head = 1"), postgresql_where=text("is_lane_head = 1")),
    Index("ix_state_lanes", "lane", "lane_phase", "command_no",
          sqlite_where=text("lane_phase IS NOT NULL"),
          postgresql_where=text("lane_phase IS NOT NULL")),
    Index("ix_state_holder", "holder", sqlite_where=text("holder IS NOT NULL"),
          postgresql_where=text("holder IS NOT NULL")),
    # One unfinished command per key of a state object, and the list of all unfinished commands.
    Index("ux_state_unfinished", "system_id", "object_name", "business_key", "sole_no", unique=True,
          sqlite_where=text(UNFINISHED), postgresql_where=text(UNFINISHED)),
)  # fmt: skip

acknowledged = Table(
    "acknowledged",
    metadata,
    Column("system_id", Text, primary_key=True),
    Column("object_name", Text, primary_key=True),
    Column("object_key", Text, primary_key=True),
    # JSON: field -> [value text or null, command_no or null, event_no of the acknowledgement].
    _text("fields"),
)

exceptions = Table(
    "exceptions",
    metadata,
    Column("exception_id", Text, primary_key=True),
    _text("class"),
    _text("code"),
    _text("field"),
    _text("message"),
    _flag("is_retryable"),
    _text("system_id"),
    _text("object_name"),
    _text("object_key"),
    Column("command_no", _NUMBER, nullable=True),
    _text("correlation_id"),
    _text("team"),
    _text("region"),
    _text("customer_id"),
    _text("customer_name"),
    _text("invoice"),
    _text("amount_text"),
    _text("currency_code"),
    _text("content_hash"),
    _text("opened_at"),
    _text("last_seen_at"),
    Column("occurrences", Integer, nullable=False, server_default="1"),
    _text("state"),
    _text("closed_at", None),
    _text("closed_by"),
    _text("resolution"),
    Index("ix_exceptions_open", "system_id", "object_name", "object_key",
          sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
)  # fmt: skip

approvals = Table(
    "approvals",
    metadata,
    Column("event_no", _NUMBER, primary_key=True, autoincrement=False),
    Column("command_no", _NUMBER, nullable=False, index=True),
    _text("decision"),
    _text("payload_hash"),
    _text("by"),
    _text("os_user"),
    _text("reason"),
    _text("at"),
    _text("expires_at", None),
    _flag("is_void"),
)

approved_limits = Table(
    "approved_limits",
    metadata,
    Column("system_id", Text, primary_key=True),
    Column("customer", Text, primary_key=True),
    Column("credit_segment", Text, primary_key=True),
    _text("limit_kind"),
    _text("limit_amount"),
    _text("currency_code"),
    _text("approved_by"),
    _text("second_approver"),
    _text("approved_at"),
)

links = Table(
    "links",
    metadata,
    Column("system_id", Text, primary_key=True),
    Column("native_id", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("relation", Text, primary_key=True),
    _text("how"),
    _text("linked_at"),
    _text("unlinked_at", None),
)

disputes = Table(
    "disputes",
    metadata,
    # One row per line: what one receipt left unpaid of one item.
    Column("dispute_id", Text, primary_key=True),
    Column("item_key", Text, primary_key=True),
    Column("receipt_id", Text, primary_key=True),
    _text("system_id"),
    _text("company_code"),
    _text("customer_id"),
    _text("customer"),
    _text("reason_code"),
    _text("external_code"),
    _text("claim_text"),
    _text("amount_text"),
    _text("currency_code"),
    _text("status"),
    Column("version", Integer, nullable=False, server_default="0"),
    _text("verdict"),
    _text("accepted_text"),
    _text("decided_by"),
    _text("decider_os_user"),
    _text("decided_at", None),
    # JSON: [[who, UTC text], …], the word of others on this version.
    _text("approvals", "[]"),
    _text("assigned_to"),
    _text("note"),
    _text("opened_by"),
    _text("opened_at"),
    _text("due_at"),
    _text("closed_at", None),
    Index("ix_disputes_item", "item_key"),
)

leases = Table(
    "leases",
    metadata,
    Column("holder", Text, primary_key=True),
    _text("host"),
    _text("process"),
    _text("taken_at"),
    _text("expires_at"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("source", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    _text("received_at"),
    _text("body"),
    _text("handled_at", None),
    _text("outcome"),
    Index("ix_inbox_pending", "received_at", sqlite_where=text("handled_at IS NULL"),
          postgresql_where=text("handled_at IS NULL")),
)  # fmt: skip

meta = Table("meta", metadata, Column("name", Text, primary_key=True), _text("value"))

#: What ``rebuild`` throws away and makes again from events, commands and dependencies.
PROJECTIONS = (
    command_state,
    acknowledged,
    exceptions,
    approvals,
    approved_limits,
    links,
    disputes,
)
