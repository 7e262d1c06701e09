"""A small warehouse for tests: every table that the product declares, and short inserts.

Tables come from the product's own declarations. Rows are given by vendor field name; what a row
leaves out is null, save ``system_id`` and ``_loaded_at``. It must not hold any rule of the product.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from ingestion.common.config import BankAccount, Company, Config, Hub, System
from ingestion.common.warehouse import Run, create_declared_tables, write_config
from reverse_etl.planning.tables import create_tables

__all__ = ["AS_OF", "BANK", "CRM", "ERP", "STARTED_AT", "SmallWarehouse", "small_config"]

ERP = "sap_emea"
CRM = "crm_main"
BANK = "bank_main"
AS_OF = date(2020, 6, 1)
STARTED_AT = datetime(2020, 6, 1, 6, 0, tzinfo=UTC)


def small_config() -> Config:
    """One SAP system with a USD and a CAD company, one Salesforce org, two accounts of one bank."""
    return Config(
        hub=Hub(group_currency="USD", rates={"CAD": Decimal("0.75")}),
        systems={
            ERP: System(
                system_id=ERP,
                kind="sap_s4hana",
                base_url="http://127.0.0.1:1",
                key_prefix="SAP",
                companies={
                    "U001": Company(currency_code="USD", posting_open_from=date(2020, 5, 1)),
                    "CA02": Company(currency_code="CAD", posting_open_from=date(2020, 5, 1)),
                },
                options={"ar_gl_account": "12100000", "unidentified_gl_account": "21650000"},
            ),
            CRM: System(system_id=CRM, kind="salesforce", base_url="http://127.0.0.1:2"),
            BANK: System(
                system_id=BANK,
                kind="bank_files",
                accounts=[
                    _own_account("US-001", "U001", "USD", "hub"),
                    _own_account("CA-002", "CA02", "CAD", "hub"),
                    _own_account("US-ERP", "U001", "USD", "erp"),
                ],
            ),
        },
    )


def _own_account(account: str, company: str, currency: str, bank_line: Any) -> BankAccount:
    return BankAccount(
        account=account,
        system_id=ERP,
        company_code=company,
        currency_code=currency,
        gl_account="11001000",
        bank_line=bank_line,
    )


@dataclass
class SmallWarehouse:
    """Inserts rows into a DuckDB file; use as a context manager.

    Args:
        path: the file; made with all its tables on entering.
        as_of: the run's as-of date.
    """

    path: Path
    as_of: date = AS_OF
    config: Config = field(default_factory=small_config)
    connection: duckdb.DuckDBPyConnection = field(init=False)

    def __enter__(self) -> Self:
        self.connection = duckdb.connect(str(self.path))
        self.connection.execute("set TimeZone = 'UTC'")
        create_declared_tables(self.connection)
        write_config(self.connection, self.config, Run("run-1", self.as_of, STARTED_AT))
        create_tables(self.connection)
        for system in self.config.systems.values():
            self.insert(
                "config.reads",
                system_id=system.system_id,
                kind=system.kind,
                read_at=STARTED_AT,
                problem="",
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()

    def insert(self, table: str, **values: Any) -> None:
        """One row of ``schema.table``; unnamed columns stay null."""
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" for _ in values)
        schema, name = table.split(".")
        self.connection.execute(
            f'insert into {schema}."{name}" ({names}) values ({marks})', list(values.values())
        )

    def raw(self, table: str, **values: Any) -> None:
        """One row of a raw table, read by its system just before the run."""
        system = {"sap_s4hana_raw": ERP, "salesforce_raw": CRM, "bank_files_raw": BANK}
        defaults = {
            "system_id": system[table.split(".", maxsplit=1)[0]],
            "_loaded_at": STARTED_AT + timedelta(minutes=1),
        }
        self.insert(table, **(defaults | values))

    # ------------------------------------------------------------------ ERP

    def customer(self, customer: str, name: str = "", **values: Any) -> None:
        """A customer with its business partner, one address and company U001."""
        self.raw("sap_s4hana_raw.customers", Customer=customer, CustomerName=name, **values)
        self.raw("sap_s4hana_raw.business_partners", BusinessPartner=customer, Customer=customer)
        self.raw(
            "sap_s4hana_raw.addresses", BusinessPartner=customer, AddressID="1", CityName="Boston"
        )
        self.raw(
            "sap_s4hana_raw.customer_companies",
            Customer=customer,
            CompanyCode="U001",
            PaymentTerms="NT30",
        )

    def item(self, document: str, customer: str, amount: str, **values: Any) -> None:
        """A customer line item of U001 in USD, an invoice when the amount is a debit."""
        is_debit = not amount.startswith("-")
        defaults: Mapping[str, Any] = {
            "CompanyCode": "U001",
            "FiscalYear": "2020",
            "AccountingDocument": document,
            "AccountingDocumentItem": "001",
            "FinancialAccountType": "D",
            "GLAccount": "12100000",
            "Customer": customer,
            "DebitCreditCode": "S" if is_debit else "H",
            "AccountingDocumentType": "RV" if is_debit else "RG",
            "PostingDate": date(2020, 5, 1),
            "DocumentDate": date(2020, 5, 1),
            "NetDueDate": date(2020, 6, 15),
            "DocumentReferenceID": f"INV{document}",
            "CompanyCodeCurrency": "USD",
            "AmountInCompanyCodeCurrency": Decimal(amount),
            "TransactionCurrency": "USD",
            "AmountInTransactionCurrency": Decimal(amount),
        }
        self.raw("sap_s4hana_raw.operational_items", **{**defaults, **values})

    def payment(self, document: str, customer: str, amount: str, **values: Any) -> None:
        """A payment credit on a customer; ``amount`` is positive."""
        defaults = {"AccountingDocumentType": "DZ", "NetDueDate": None}
        self.item(document, customer, f"-{amount}", **{**defaults, **values})

    def credit_account(self, customer: str, limit: str, **values: Any) -> None:
        """A credit account in segment 1000."""
        defaults = {
            "BusinessPartner": customer,
            "CreditSegment": "1000",
            "CreditAccountIsBlocked": False,
            "CreditLimitAmount": Decimal(limit),
            "CreditLimitIsZero": False,
            "CreditSegmentCurrency": "USD",
        }
        self.raw("sap_s4hana_raw.credit_accounts", **{**defaults, **values})

    def order(self, number: str, customer: str, amount: str, **values: Any) -> None:
        """An open, unblocked sales order of U001."""
        defaults = {
            "SalesOrder": number,
            "SalesOrganization": "U001",
            "SoldToParty": customer,
            "RequestedDeliveryDate": date(2020, 6, 10),
            "TotalNetAmount": Decimal(amount),
            "TransactionCurrency": "USD",
            "TotalCreditCheckStatus": "A",
            "OverallSDProcessStatus": "A",
        }
        self.raw("sap_s4hana_raw.sales_orders", **{**defaults, **values})

    # ------------------------------------------------------------------ bank, CRM, hub

    def receipt(self, receipt_id: str, amount: str, **values: Any) -> None:
        """A booked credit entry on our USD account. ``receipt_id``: 20 characters."""
        defaults = {
            "receipt_id": receipt_id,
            "statement_id": "s1",
            "account": "US 001",
            "amount": Decimal(amount),
            "currency_code": "USD",
            "booking_date": date(2020, 5, 29),
            "value_date": date(2020, 5, 29),
            "status": "BOOK",
            "is_reversal": False,
            "account_servicer_reference": f"BANK-{receipt_id}",
        }
        self.raw("bank_files_raw.entries", **{**defaults, **values})

    def account(self, native_id: str, erp_number: str | None, **values: Any) -> None:
        """A CRM account that carries (or lacks) an ERP customer number."""
        defaults = {"Id": native_id, "Name": f"Account {native_id}", "IsDeleted": False}
        self.raw(
            "salesforce_raw.accounts", **{**defaults, "ERP_Customer_Id__c": erp_number, **values}
        )

    def decide(
        self, receipt_id: str, decision: str, customer_id: str | None, **values: Any
    ) -> None:
        """One row of a receipt's best decision."""
        defaults = {
            "decision_id": f"d-{receipt_id}",
            "receipt_id": receipt_id,
            "system_id": ERP,
            "company_code": "U001",
            "decision": decision,
            "rank": 1,
            "customer_id": customer_id,
            "kind": "apply",
            "currency_code": "USD",
        }
        self.insert("decisions.applications", **{**defaults, **values})
