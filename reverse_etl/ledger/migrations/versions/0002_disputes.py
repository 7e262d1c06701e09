"""Disputes: what a customer did not pay and why, one row per line of a dispute.

Revision ID: 0002
"""

from alembic import op
from sqlalchemy import Column, Integer, Text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _text(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=default is None, server_default=default)


def upgrade() -> None:
    """Make the table; it is a projection, so the log fills it."""
    op.create_table(
        "disputes",
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
        _text("approvals", "[]"),
        _text("assigned_to"),
        _text("note"),
        _text("opened_by"),
        _text("opened_at"),
        _text("due_at"),
        _text("closed_at", None),
    )
    op.create_index("ix_disputes_item", "disputes", ["item_key"])


def downgrade() -> None:
    """The events stay; an older hub only shows them in the story of a key."""
    op.drop_index("ix_disputes_item", "disputes")
    op.drop_table("disputes")
