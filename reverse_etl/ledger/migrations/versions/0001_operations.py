"""The first schema of the operations database.

Revision ID: 0001
"""

from uuid import uuid4

from alembic import op
from sqlalchemy import BigInteger, Column, Index, Integer, Text, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_UNFINISHED = "state NOT IN ('verified','rejected','dead','superseded','void')"


def _text(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=default is None, server_default=default)


def _flag(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


def upgrade() -> None:
    """Make every table, the head of an empty chain and the database's own id."""
    _make_log()
    _make_chain()
    _make_state()
    _make_facts()
    _make_decisions()
    _make_working_state()
    head = text(
        "INSERT INTO chain (chain_id, last_event_no, last_command_no, last_seal_no, hash)"
        " VALUES (1, 0, 0, 0, :hash)"
    )
    op.execute(head.bindparams(hash="0" * 64))
    identity = text("INSERT INTO meta (name, value) VALUES ('database_id', :value)")
    op.execute(identity.bindparams(value=uuid4().hex))


def downgrade() -> None:
    """There is nothing before the first schema, and a log is never thrown away."""
    raise RuntimeError("the first schema cannot be undone: restore a backup instead")


def _make_log() -> None:
    """What is only ever inserted: commands, events and their seals."""
    op.create_table(
        "commands",
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
        Index(
            "ix_commands_customer",
            "customer_id",
            sqlite_where=text("customer_id <> ''"),
            postgresql_where=text("customer_id <> ''"),
        ),
    )
    op.create_table(
        "dependencies",
        Column("command_no", _NUMBER, primary_key=True, autoincrement=False),
        Column("after_no", _NUMBER, primary_key=True, autoincrement=False),
        Index("ix_dependencies_after", "after_no"),
    )
    op.create_table(
        "events",
        Column("event_no", _NUMBER, primary_key=True, autoincrement=False),
        _text("at"),
        _text("name"),
        Column("command_no", _NUMBER, nullable=True),
        _text("subject"),
        _text("actor"),
        _text("data"),
        Index(
            "ix_events_command",
            "command_no",
            sqlite_where=text("command_no IS NOT NULL"),
            postgresql_where=text("command_no IS NOT NULL"),
        ),
        Index(
            "ix_events_subject",
            "subject",
            sqlite_where=text("subject <> ''"),
            postgresql_where=text("subject <> ''"),
        ),
    )


def _make_chain() -> None:
    """Seals over the events, the head of their chain, and texts that the log shows masked."""
    op.create_table(
        "seals",
        Column("seal_no", _NUMBER, primary_key=True, autoincrement=False),
        Column("first_event_no", _NUMBER, nullable=False, unique=True),
        Column("last_event_no", _NUMBER, nullable=False),
        _text("at"),
        Column("previous_hash", Text, nullable=False, unique=True),
        _text("hash"),
    )
    op.create_table(
        "chain",
        Column("chain_id", Integer, primary_key=True, autoincrement=False),
        Column("last_event_no", _NUMBER, nullable=False),
        Column("last_command_no", _NUMBER, nullable=False),
        Column("last_seal_no", _NUMBER, nullable=False),
        _text("hash"),
    )
    op.create_table(
        "contents",
        Column("content_hash", Text, primary_key=True),
        _text("content"),
    )


def _make_state() -> None:
    """Where every command stands, rebuilt from the log."""
    op.create_table(
        "command_state",
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
        Column("sole_no", _NUMBER, nullable=False),
        Index(
            "ix_state_heads",
            "system_id",
            "priority",
            "command_no",
            sqlite_where=text("is_lane_head = 1"),
            postgresql_where=text("is_lane_head = 1"),
        ),
        Index(
            "ix_state_lanes",
            "lane",
            "lane_phase",
            "command_no",
            sqlite_where=text("lane_phase IS NOT NULL"),
            postgresql_where=text("lane_phase IS NOT NULL"),
        ),
        Index(
            "ix_state_holder",
            "holder",
            sqlite_where=text("holder IS NOT NULL"),
            postgresql_where=text("holder IS NOT NULL"),
        ),
        Index(
            "ux_state_unfinished",
            "system_id",
            "object_name",
            "business_key",
            "sole_no",
            unique=True,
            sqlite_where=text(_UNFINISHED),
            postgresql_where=text(_UNFINISHED),
        ),
    )


def _make_facts() -> None:
    """What the log established, rebuilt from it as well."""
    op.create_table(
        "acknowledged",
        Column("system_id", Text, primary_key=True),
        Column("object_name", Text, primary_key=True),
        Column("object_key", Text, primary_key=True),
        _text("fields"),
    )
    op.create_table(
        "exceptions",
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
        Index(
            "ix_exceptions_open",
            "system_id",
            "object_name",
            "object_key",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )


def _make_decisions() -> None:
    """What people decided: approvals, limits, links."""
    op.create_table(
        "approvals",
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
    op.create_table(
        "approved_limits",
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
    op.create_table(
        "links",
        Column("system_id", Text, primary_key=True),
        Column("native_id", Text, primary_key=True),
        Column("customer_id", Text, primary_key=True),
        Column("relation", Text, primary_key=True),
        _text("how"),
        _text("linked_at"),
        _text("unlinked_at", None),
    )


def _make_working_state() -> None:
    """Leases, inbox and the database's own settings."""
    op.create_table(
        "leases",
        Column("holder", Text, primary_key=True),
        _text("host"),
        _text("process"),
        _text("taken_at"),
        _text("expires_at"),
    )
    op.create_table(
        "inbox",
        Column("source", Text, primary_key=True),
        Column("message_id", Text, primary_key=True),
        _text("received_at"),
        _text("body"),
        _text("handled_at", None),
        _text("outcome"),
        Index(
            "ix_inbox_pending",
            "received_at",
            sqlite_where=text("handled_at IS NULL"),
            postgresql_where=text("handled_at IS NULL"),
        ),
    )
    op.create_table(
        "meta",
        Column("name", Text, primary_key=True),
        _text("value"),
    )
