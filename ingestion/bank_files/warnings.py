"""What about a taken file wants a person's eye: gaps, counts, advices that do not add up."""

from collections.abc import Iterator, Sequence

from ingestion.bank_files.remittances import Remittance, does_not_add_up
from ingestion.bank_files.statements import (
    Content,
    Entry,
    Sequences,
    Statement,
    StatementKind,
)
from ingestion.common.errors import InputRefused

__all__ = ["remittance_warnings", "unconfirmed", "warnings_of"]


def warnings_of(
    statements: Sequence[Statement], file_name: str, sequences: Sequences
) -> Iterator[InputRefused]:
    """Warnings about statements, once all files of a read are known."""
    for statement in statements:
        yield from statement.warnings
        if statement.kind is StatementKind.FINAL:
            yield from _gap(statement, file_name, sequences)
        if statement.declared_entries not in (None, statement.entries_read):
            yield InputRefused(
                f"{statement.label} in {file_name} says {statement.declared_entries} entries "
                f"and holds {statement.entries_read}; its balances add up",
                code="entry_count",
                where=file_name,
            )


def _gap(statement: Statement, file_name: str, sequences: Sequences) -> Iterator[InputRefused]:
    gap = sequences.gap_before(statement)
    if gap is None:
        return
    numbers = str(gap[0]) if len(gap) == 1 else f"{gap[0]} to {gap[-1]}"
    yield InputRefused(
        f"{statement.label} in {file_name} has number {statement.sequence_number}, "
        f"but {numbers} did not arrive: ask the bank for them",
        code="sequence_gap",
        where=file_name,
    )


def remittance_warnings(content: Content, file_name: str) -> Iterator[InputRefused]:
    """Remittances whose lines are not their payment, wherever in the file they stand."""
    for remittance in content.remittances:
        warning = does_not_add_up(remittance, file_name)
        if warning is not None:
            yield warning
    for statement in content.statements:
        for entry in statement.entries:
            warning = does_not_add_up(_as_remittance(entry), file_name) if entry.lines else None
            if warning is not None:
                yield warning


def _as_remittance(entry: Entry) -> Remittance:
    return Remittance(
        trace_reference=entry.end_to_end_id or entry.account_servicer_reference,
        payer_name=entry.payer_name,
        payer_account=entry.payer_account,
        payment_amount=entry.amount,
        currency_code=entry.currency_code,
        payment_date=entry.value_date,
        lines=entry.lines,
    )


def unconfirmed(statement: Statement, count: int, file_name: str) -> InputRefused:
    """Interim movements that the statement of their day does not hold."""
    return InputRefused(
        f"{statement.label} in {file_name} lacks {count} movements that an interim report showed "
        "as booked: they stay receipts until a person has asked the bank",
        code="interim_unconfirmed",
        where=file_name,
    )
