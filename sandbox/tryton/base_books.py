"""Fills a new Tryton database with what every company has before its first invoice.

Runs inside Tryton's own virtual environment (``.venv-tryton``), as a process of its own, over
XML-RPC with proteus; nothing of it is imported into the hub. Currencies with rates, a company in
US dollars, the universal chart of accounts, fiscal years, a payment method, a write-off method, a
product and the hub's extra accounts. It must not make parties or documents: those belong to whoever
uses the books.

Call: ``python base_books.py URL USER < password``.
"""

import importlib
import sys
from datetime import date
from decimal import Decimal
from typing import Any

proteus: Any = importlib.import_module("proteus")
account_tools: Any = importlib.import_module("trytond.modules.account.tests.tools")
invoice_tools: Any = importlib.import_module("trytond.modules.account_invoice.tests.tools")
company_tools: Any = importlib.import_module("trytond.modules.company.tests.tools")

#: Code, decimals, units of it for one dollar.
CURRENCIES = (
    ("USD", 2, "1"),
    ("EUR", 2, "0.92"),
    ("GBP", 2, "0.82"),
    ("CAD", 2, "1.39"),
    ("JPY", 0, "150"),
    ("KWD", 3, "0.307"),
)
#: Whoever needs a closed period closes it: what is posted must have its year.
YEARS = (2024, 2025, 2026, 2027)
#: Accounts beside the universal chart: code, name, code of the account whose type and parent fit.
EXTRA_ACCOUNTS = (
    ("2.9.9", "Unidentified receipts", "6.3.6"),
    ("5.9.1", "Cash discounts given", "expense"),
    ("5.9.2", "Bank charges on receipts", "expense"),
    ("5.9.3", "Returns and allowances", "expense"),
)


def main(url: str, user: str, password: str) -> None:
    """Make the books; an unfinished run leaves a database to throw away."""
    with proteus.config.set_xmlrpc_session(url, user, password):
        _make()


def _make() -> None:
    _currencies()
    company_tools.create_company(currency="USD")
    company = company_tools.get_company()
    company.party.name = "Ledgerloop Trading"
    company.party.save()
    account_tools.create_chart(company)
    accounts = account_tools.get_accounts(company)
    for year in YEARS:
        _fiscal_year(company, year)
    _extra_accounts(accounts)
    _payment_method(accounts)
    _write_off(accounts)
    _product(accounts)
    _plain_paper()
    term = invoice_tools.create_payment_term()
    term.save()


def _currencies() -> None:
    currency_model = proteus.Model.get("currency.currency")
    rate_model = proteus.Model.get("currency.currency.rate")
    for code, digits, rate in CURRENCIES:
        rounding = Decimal(1).scaleb(-digits)
        currency = currency_model(name=code, code=code, symbol=code, rounding=rounding)
        currency.digits = digits
        currency.save()
        rate_model(date=date(2000, 1, 1), rate=Decimal(rate), currency=currency).save()


def _fiscal_year(company: Any, year: int) -> None:
    bounds = (date(year, 1, 1), date(year, 12, 31))
    made = account_tools.create_fiscalyear(company, today=bounds)
    made.name, made.start_date, made.end_date = str(year), *bounds
    made = invoice_tools.set_fiscalyear_invoice_sequences(made)
    sequence = made.invoice_sequences[0].out_invoice_sequence
    sequence.prefix, sequence.padding = f"INV-{year}-", 5
    sequence.save()
    made.click("create_period")


def _extra_accounts(accounts: Any) -> None:
    account_model = proteus.Model.get("account.account")
    for code, name, like in EXTRA_ACCOUNTS:
        model = accounts[like] if like in accounts else _account(like)
        made = account_model(name=name, code=code, type=model.type, parent=model.parent)
        made.reconcile = code == "2.9.9"
        made.save()


def _account(code: str) -> Any:
    (found,) = proteus.Model.get("account.account").find([("code", "=", code)])
    return found


def _payment_method(accounts: Any) -> None:
    (journal,) = proteus.Model.get("account.journal").find([("code", "=", "CASH")])
    method = proteus.Model.get("account.invoice.payment.method")()
    method.name, method.journal = "Bank transfer", journal
    method.credit_account = method.debit_account = accounts["cash"]
    method.save()


def _write_off(accounts: Any) -> None:
    journal = proteus.Model.get("account.journal")(name="Write-off", code="WOFF", type="write-off")
    journal.save()
    method = proteus.Model.get("account.move.reconcile.write_off")()
    method.name, method.journal = "Small differences", journal
    method.credit_account = method.debit_account = accounts["expense"]
    method.save()


def _plain_paper() -> None:
    """Let an invoice be printed as one line: its office document costs more than its posting."""
    (report,) = proteus.Model.get("ir.action.report").find(
        [("report_name", "=", "account.invoice")]
    )
    report.template_extension = "txt"
    report.report_content_custom = b"Invoice ${record.number}"
    report.save()


def _product(accounts: Any) -> None:
    category = proteus.Model.get("product.category")(name="Goods", accounting=True)
    category.account_expense, category.account_revenue = accounts["expense"], accounts["revenue"]
    category.save()
    (unit,) = proteus.Model.get("product.uom").find([("name", "=", "Unit")])
    template = proteus.Model.get("product.template")()
    template.name, template.default_uom, template.type = "Delivery", unit, "service"
    template.salable, template.list_price = True, Decimal(1)
    template.account_category = category
    template.save()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.stdin.read().strip())
