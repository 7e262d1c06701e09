"""A booking and its parts: split, put together, and told more by another message.

Money is never changed here: parts are used only where they sum to the booking, and what one
message says only fills what the other left empty.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ingestion.bank_files.statements import Entry, total_of

__all__ = ["ENRICHED_FIELDS", "enriched", "parts_of", "whole_of"]

#: What another message about the same movement may add where nothing stands yet.
ENRICHED_FIELDS = (
    "end_to_end_id",
    "remittance_text",
    "structured_references",
    "creditor_reference",
    "payer_name",
    "payer_account",
    "ultimate_payer_name",
    "virtual_account",
    "original_reference",
    "return_reason",
)
_JOINED = {"remittance_text": "\n", "structured_references": ";", "creditor_reference": ";"}


def enriched(entry: Entry, other: Entry) -> Entry:
    """An entry with what another message says about it."""
    added = {name: getattr(other, name) for name in ENRICHED_FIELDS if not getattr(entry, name)}
    is_reversal = entry.is_reversal or (other.is_reversal and other.amount == entry.amount)
    return replace(entry, **added, is_reversal=is_reversal, lines=entry.lines or other.lines)


def whole_of(parts: Sequence[Entry]) -> Entry:
    """Parts of one booking as one entry: texts joined, and otherwise what they agree on."""
    first = parts[0]
    said: dict[str, Any] = {}
    for name in ENRICHED_FIELDS:
        values = dict.fromkeys(value for one in parts if (value := getattr(one, name)))
        joiner = _JOINED.get(name)
        if joiner is not None:
            said[name] = joiner.join(values)
        else:
            said[name] = next(iter(values)) if len(values) == 1 else ""
    return replace(
        first,
        **said,
        amount=total_of(parts),
        account_servicer_reference=first.whole_reference,
        batch_reference="",
        transactions=len(parts),
        lines=tuple(line for one in parts for line in one.lines),
    )


def parts_of(whole: Entry, details: Sequence[Entry]) -> list[Entry]:
    """A booking as the payments that a notice names; each has a reference of its own.

    Dates, code and place are the booking's, since the statement is what books.
    """
    reference = whole.account_servicer_reference
    taken: set[str] = {"", reference}
    found = []
    for number, one in enumerate(details, 1):
        own = one.account_servicer_reference
        if own in taken:
            own = f"{reference or one.batch_reference}/{number}"
        taken.add(own)
        found.append(
            replace(
                one,
                position=whole.position,
                booking_date=whole.booking_date,
                value_date=whole.value_date,
                account_servicer_reference=own,
                batch_reference=reference or one.batch_reference,
                entry_reference=one.entry_reference or whole.entry_reference,
                bank_code=whole.bank_code or one.bank_code,
                virtual_account=one.virtual_account or whole.virtual_account,
                remittance_text=one.remittance_text
                or ("" if one.structured_references else whole.remittance_text),
            )
        )
    return found
