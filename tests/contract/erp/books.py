"""The books of a sandbox whose kind keeps them in ``sandbox.core.ledger``, as the suite asks."""

from decimal import Decimal

from sandbox.core.ledger import Ledger
from tests.contract.erp.bench import Books

__all__ = ["books_of"]

ZERO = Decimal(0)


def books_of(
    ledger: Ledger,
    company_code: str,
    *,
    bank_account: str = "11001000",
    receivables_account: str = "12100000",
) -> Books:
    """Balances by journals, open items line by line, both in the company's currency."""
    totals = ledger.totals().get(company_code, {}).values()
    items = [
        line.amount_company_open
        for journal in ledger.journals.values()
        if journal.header.company_code == company_code
        for line in journal.lines
        if line.account == receivables_account and line.amount_open
    ]
    return Books(
        bank=ledger.balances.get((company_code, bank_account), ZERO),
        receivables=ledger.balances.get((company_code, receivables_account), ZERO),
        items=sum((one or ZERO for one in items), ZERO),
        is_balanced=all(one["debit"] == one["credit"] for one in totals),
    )
