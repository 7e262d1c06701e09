"""Five ERPs beside the small story: one CRM account of customers in three of them, groups, limits.

SAP customer 6, NetSuite's C100 and Dynamics' AP-1 are one CRM account; C200 stands under C100.
Every ERP has one customer with a limit, one that may have none at all and one without any limit.
SAP 10 is the head of 11, 12 and 13 head each other. 77 is a number in two ERPs.
"""

from datetime import UTC, date, datetime
from decimal import Decimal

from ingestion.common.config import BankAccount, Company, Config, System
from tests.support.warehouse import BANK, ERP, STARTED_AT, SmallWarehouse, small_config

__all__ = ["D365", "NETSUITE", "OF_CLOSED_PERIOD", "TRYTON", "WORKDAY", "many_config", "tell_many"]

NETSUITE, D365, WORKDAY, TRYTON = "netsuite_na", "d365_apac", "workday_services", "tryton_works"
SIX, TEN, ELEVEN, TWELVE, THIRTEEN = (f"{number:010d}" for number in (6, 10, 11, 12, 13))
#: SAP's zero without the flag: the limit is not checked at all.
SIXTEEN = f"{16:010d}"
#: The system, company and currency of the receipt that each ERP got in a closed period.
OF_CLOSED_PERIOD = {
    ERP: ("DE01", "EUR"),
    NETSUITE: ("2", "USD"),
    D365: ("JPMF", "JPY"),
    WORKDAY: ("WDE", "EUR"),
    TRYTON: ("1", "EUR"),
}
_NOON = datetime(2020, 5, 1, 12, 0, tzinfo=UTC)


def many_config() -> Config:
    """The small story's systems, a European company in SAP, and four more ERPs."""
    base = small_config()
    sap = base.systems[ERP]
    added = {"DE01": Company(currency_code="EUR", posting_open_from=date(2020, 5, 1))}
    systems = {**base.systems, ERP: sap.model_copy(update={"companies": sap.companies | added})}
    for system_id, kind, prefix, company, currency in (
        (NETSUITE, "netsuite", "NS", "2", "USD"),
        (D365, "dynamics365_finance", "D365", "JPMF", "JPY"),
        (WORKDAY, "workday", "WD", "WDE", "EUR"),
        (TRYTON, "tryton", "TRY", "1", "EUR"),
    ):
        systems[system_id] = System(
            system_id=system_id,
            kind=kind,
            base_url="http://127.0.0.1:3",
            key_prefix=prefix,
            companies={
                company: Company(
                    currency_code=currency,
                    credit_segment=company,
                    posting_open_from=date(2020, 5, 1),
                )
            },
        )
    accounts = [
        BankAccount(
            account=f"OWN {company}",
            system_id=system_id,
            company_code=company,
            currency_code=currency,
            bank_line="hub",
        )
        for system_id, (company, currency) in OF_CLOSED_PERIOD.items()
    ]
    bank = systems[BANK]
    systems[BANK] = bank.model_copy(update={"accounts": [*bank.accounts, *accounts]})
    rates = {**base.hub.rates, "EUR": Decimal("1.1"), "JPY": Decimal("0.009")}
    hub = base.hub.model_copy(update={"rates": rates})
    return base.model_copy(update={"hub": hub, "systems": systems})


def tell_many(w: SmallWarehouse) -> None:
    """Insert the story of the five."""
    _sap(w)
    _netsuite(w)
    _dynamics(w)
    _workday_and_tryton(w)
    w.account("001M", f"SAP-{SIX};ns-c100; AP-1", Name="Many")
    w.account("001N", "77")
    w.account("001P", "SAP-10;NS-GONE", Name="Partly")
    w.account("001Q", "W-1.0;T1")
    for system_id, (company, currency) in OF_CLOSED_PERIOD.items():
        receipt = f"{system_id:x<20}"
        day = date(2020, 4, 15)
        w.receipt(
            receipt,
            "7",
            account=f"OWN {company}",
            currency_code=currency,
            booking_date=day,
            value_date=day,
        )
        w.decide(
            receipt,
            "unidentified",
            None,
            system_id=system_id,
            company_code=company,
            kind="on_account",
            currency_code=currency,
            amount="7",
        )
    w.insert(
        "policy.group_limits",
        customer_id="crm_main/001M",
        limit_amount=Decimal(200),
        currency_code="EUR",
    )


def _sap(w: SmallWarehouse) -> None:
    for customer in (SIX, TEN, ELEVEN, TWELVE, THIRTEEN, SIXTEEN, f"{77:010d}"):
        w.customer(customer, f"Customer {int(customer)}")
    for customer, head in ((ELEVEN, "10"), (TWELVE, THIRTEEN), (THIRTEEN, TWELVE)):
        w.connection.execute(
            "update sap_s4hana_raw.customer_companies set CustomerHeadOffice = ?"
            " where Customer = ?",
            [head, customer],
        )
    euro = {"CompanyCode": "DE01", "CompanyCodeCurrency": "EUR", "TransactionCurrency": "EUR"}
    w.item("601", SIX, "100", **euro)
    w.item("1001", TEN, "10", NetDueDate=date(2020, 5, 1), **euro)
    w.item("1101", ELEVEN, "20", **euro)
    w.item("1201", TWELVE, "30", **euro)
    w.raw(
        "sap_s4hana_raw.gl_balances",
        CompanyCode="DE01",
        GLAccount="12100000",
        CompanyCodeCurrency="EUR",
        AmountInCompanyCodeCurrency=Decimal(160),
    )
    w.credit_account(SIX, "1000")
    w.credit_account(SIXTEEN, "0")


def _netsuite(w: SmallWarehouse) -> None:
    for number, (name, limit, parent) in enumerate(
        (("C100", "500", None), ("C200", "0", "C100"), ("C300", None, None), ("77", None, None))
    ):
        _row(
            w,
            "netsuite_raw.customers",
            NETSUITE,
            id=str(number),
            entityid=name,
            companyname=f"Company {name}",
            parententityid=parent,
            creditlimit=None if limit is None else Decimal(limit),
            currencysymbol="USD",
        )
        _row(
            w,
            "netsuite_raw.customer_subsidiaries",
            NETSUITE,
            entity=str(number),
            subsidiary="2",
        )
    for document, customer, amount in (("71", "C100", "40"), ("72", "C200", "10")):
        _row(
            w,
            "netsuite_raw.transaction_lines",
            NETSUITE,
            transaction=document,
            transactionline="0",
            tranid=f"INV{document}",
            type="CustInvc",
            entityid=customer,
            subsidiary="2",
            trandate=date(2020, 5, 1),
            duedate=date(2020, 5, 31),
            currencysymbol="USD",
            amount=Decimal(amount),
            foreignamount=Decimal(amount),
            foreigntotal=Decimal(amount),
            voided="F",
        )


def _dynamics(w: SmallWarehouse) -> None:
    for account, limit, is_mandatory, is_unlimited in (
        ("AP-1", "100000", "No", "No"),
        ("AP-2", "0", "Yes", "No"),
        ("AP-3", "0", "No", "No"),
        ("AP-4", "5", "No", "Yes"),
    ):
        _row(
            w,
            "dynamics365_finance_raw.customers",
            D365,
            dataAreaId="jpmf",
            CustomerAccount=account,
            OrganizationName=f"Company {account}",
            CreditLimit=Decimal(limit),
            CreditLimitIsMandatory=is_mandatory,
            CredManCustUnlimitedCredit=is_unlimited,
            OnHoldStatus="All" if account == "AP-1" else "No",
        )
    _row(
        w,
        "dynamics365_finance_raw.customer_transactions",
        D365,
        dataAreaId="jpmf",
        RecId=81,
        Voucher="V81",
        Invoice="FTI-81",
        TransType="Sales",
        AccountNum="AP-1",
        TransDate=_NOON,
        DueDate=datetime(2020, 6, 30, 12, 0, tzinfo=UTC),
        CurrencyCode="JPY",
        AmountCur=Decimal(10000),
        AmountMST=Decimal(10000),
        Approved="Yes",
        IsReversed="No",
        IsReversal="No",
        ReversalRecId=0,
    )


def _workday_and_tryton(w: SmallWarehouse) -> None:
    for number, limit in ((1, "100"), (2, "0"), (3, None)):
        amount = None if limit is None else Decimal(limit)
        _row(
            w,
            "workday_raw.customers",
            WORKDAY,
            WID=f"wid-{number}",
            Customer_ID=f"W-{number}",
            Customer_Name=f"Worker {number}",
            Credit_Limit=amount,
            Currency_Reference="EUR",
        )
        party = {"code": f"T{number}", "name": f"Party {number}"}
        _row(w, "tryton_raw.parties", TRYTON, id=number, active=True, **party)
        _row(
            w,
            "tryton_raw.credit",
            TRYTON,
            id=number,
            code=party["code"],
            company=1,
            credit_limit_amount=amount,
        )


def _row(w: SmallWarehouse, table: str, system_id: str, **values: object) -> None:
    w.insert(table, system_id=system_id, _loaded_at=STARTED_AT, **values)
