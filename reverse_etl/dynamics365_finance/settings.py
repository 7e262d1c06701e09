"""Dynamics 365 Finance as a target: limits, what refusals mean, options. Data, no behaviour.

Sets and fields: contracts/erp.md §3. What no source verified is an option of the system
(``[systems.<id>.options]``) and stands in README.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ingestion.common.config import System
from ingestion.common.errors import ConfigError, InputRefused
from ingestion.dynamics365_finance.settings import DEFAULT_OPTIONS
from reverse_etl.delivery.writer import Limits
from reverse_etl.outcomes import Action, OutcomeTable

__all__ = [
    "CUSTOMERS",
    "DISPUTES",
    "INVOICES",
    "INVOICE_JOURNALS",
    "INVOICE_JOURNAL_LINES",
    "INVOICE_LINES",
    "JOURNALS",
    "JOURNAL_LINES",
    "KEYS_PER_QUERY",
    "KIND",
    "OUTCOMES",
    "REASON_CODES",
    "D365Options",
    "limits_of",
]

KIND = "dynamics365_finance"
CUSTOMERS = "CustomersV3"
JOURNALS, JOURNAL_LINES = "CustomerPaymentJournalHeaders", "CustomerPaymentJournalLines"
INVOICE_JOURNALS = "GeneralLedgerCustInvoiceJournalHeaders"
INVOICE_JOURNAL_LINES = "GeneralLedgerCustInvoiceJournalLines"
INVOICES, INVOICE_LINES = "FreeTextInvoiceHeaders", "FreeTextInvoiceLines"
DISPUTES = "CustDisputes"

#: Keys of one ``or`` chain: a URL stays under 4,000 characters (the product has no ``in``).
KEYS_PER_QUERY = 40

#: Reason codes of deductions (domain §B5) as reason codes of an installation, which brings its own
#: in the option ``reason_codes``.
REASON_CODES: Mapping[str, str] = MappingProxyType(
    {
        "PRICE": "PRICE", "QTY": "QTY", "SHORTAGE": "QTY", "DAMAGE": "DAMAGE", "RETURN": "RETURN",
        "FREIGHT": "FREIGHT", "TAX": "TAX", "EXEMPTION": "TAX", "DUPLICATE": "DUPLIC",
        "LATE-DELIVERY": "LATE", "COMPLIANCE": "LATE", "PROMO": "PROMO", "TRADE": "PROMO",
        "REBATE": "REBATE", "UNEARNED-DISC": "DISC", "EARNED-DISC": "DISC", "WHT": "WHT",
        "BANK-FEE": "BANK-FEE", "FX": "FX", "NOT-RECEIVED": "NOTREC", "WRONG-PO": "WRONGPO",
        "ROUNDING": "ROUND", "OTHER": "OTHER",
    }
)  # fmt: skip

#: The product's own code is always empty: the client makes one of what the text says.
OUTCOMES = OutcomeTable(
    codes={
        # An earlier delivery may have made it: the writer looks before it believes this.
        "already_exists": Action.REJECT_TECHNICAL,
        "read_only": Action.REJECT_TECHNICAL,
    },
    statuses={
        400: Action.REJECT,
        401: Action.RETRY_SYSTEM,
        403: Action.REJECT_TECHNICAL,
        404: Action.REJECT,
        405: Action.REJECT_TECHNICAL,
        409: Action.RETRY,
        # Somebody changed the row between our read and our write: read it again.
        412: Action.RETRY,
        415: Action.REJECT_TECHNICAL,
        428: Action.REJECT_TECHNICAL,
        # Throttled, by the priority our application was given: the whole system pauses.
        429: Action.RETRY_SYSTEM,
        503: Action.RETRY_SYSTEM,
    },
    retry_seconds={"412": 0.0, "not_sent": 2.0},
)


@dataclass(frozen=True, slots=True)
class D365Options:
    """What differs between installations; see README.md for each one's evidence.

    Attributes:
        journal_name: the payment journal that receipts go into.
        journal_numbers: ``manual``: we choose them, so that a second journal of a receipt is
            refused; ``sequence``: the product does, and we look before every write.
        post_action: bound action that posts a journal; empty waits for whoever posts it.
        settle_action: bound action that settles an open payment; empty: a person does.
        release_action: bound action that releases an order; empty: a person does.
        hold_status: what a credit hold is written as (``Invoice`` still lets payments be posted).
        has_credit_management: whether the module's unlimited flag is there.
        package_group: data project of package imports; empty sends none.
        bulk_from: receipts from which on a package is used.
        package_wait_seconds: how long a sender waits for an import.
        posting_seconds: how long a journal may wait for its posting before it is an exception.
        settle_seconds: how long after a lost answer a write may still appear.
        returns_account, write_off_account: main accounts of credit notes and write-offs.
        invoice_journal_name: the customer invoice journal of debit memos and returned payments.
        debit_memo_account: main account that debit memos credit.
        discount_account, charges_account: main accounts of cash discounts and bank charges, to take
            back what a settlement granted when its payment is returned.
        reason_codes: hub reason to the installation's as ``PRICE=P1;FREIGHT=F1``.
    """

    journal_name: str = "CustPay"
    journal_numbers: str = "manual"
    post_action: str = ""
    settle_action: str = "settle"
    release_action: str = "release"
    hold_status: str = "Invoice"
    has_credit_management: bool = True
    package_group: str = "LEDGERLOOP"
    bulk_from: int = 1_000
    package_wait_seconds: float = 90.0
    posting_seconds: float = 86_400.0
    settle_seconds: float = 120.0
    returns_account: str = "418100"
    write_off_account: str = "618160"
    invoice_journal_name: str = "CustInv"
    debit_memo_account: str = "418100"
    discount_account: str = "403300"
    charges_account: str = "605150"
    reason_codes: str = ""
    unidentified_gl_account: str = DEFAULT_OPTIONS["unidentified_gl_account"]
    open_transactions_entity: str = DEFAULT_OPTIONS["open_transactions_entity"]
    settlements_entity: str = DEFAULT_OPTIONS["settlements_entity"]
    ledger_entries_entity: str = DEFAULT_OPTIONS["ledger_entries_entity"]
    order_holds_entity: str = DEFAULT_OPTIONS["order_holds_entity"]
    settled_invoices_entity: str = "PaymentJournalLineSettledInvoices"

    def __post_init__(self) -> None:
        """Raises ConfigError for a choice that does not exist."""
        choices = {
            "journal_numbers": ("manual", "sequence"),
            "hold_status": ("Invoice", "All", "PurchOrder"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"option {name} is one of {', '.join(known)}, not {getattr(self, name)!r}",
                    code="option_value",
                )

    def native_reason(self, reason_code: str) -> str:
        """The installation's code of a hub reason. Raises InputRefused for one that has none."""
        code = reason_code.upper().replace("_", "-")
        own = dict(pair.split("=", 1) for pair in self.reason_codes.split(";") if "=" in pair)
        native = own.get(code) or REASON_CODES.get(code)
        if not native:
            raise InputRefused(
                f"reason {reason_code} has no code in Dynamics 365 (option reason_codes)",
                code="reason_not_mapped",
                where="reason_code",
            )
        return native

    @classmethod
    def of(cls, system: System) -> "D365Options":
        """Options of a system; on loopback journals are posted at once, so times are short."""
        seconds = {"settle_seconds": 3.0, "posting_seconds": 60.0} if system.is_loopback else {}
        named = {
            name: type(getattr(_DEFAULTS, name))(value)
            for name, value in system.options.items()
            if name in cls.__slots__
        }
        return cls(**{**seconds, **named})


_DEFAULTS = D365Options()


def limits_of(options: D365Options) -> Mapping[tuple[str, str], Limits]:
    """Limits by object and operation."""
    documents = Limits(
        batch_max=100,
        concurrency_max=2,
        request_timeout_seconds=120.0,
        settle_seconds=options.settle_seconds,
        verify_seconds=options.posting_seconds,
        allows_many_per_lane=True,
    )
    applying = Limits(
        concurrency_max=3,
        request_timeout_seconds=120.0,
        settle_seconds=options.settle_seconds,
        verify_seconds=options.posting_seconds,
    )
    has_packages = bool(options.package_group) and options.journal_numbers == "manual"
    keyed = Limits(
        concurrency_max=3,
        settle_seconds=min(options.settle_seconds, 30.0),
        is_keyed=True,
    )
    return MappingProxyType(
        {
            ("payments", "post"): Limits(
                batch_max=100,
                bulk_from=options.bulk_from if has_packages else None,
                bulk_max=10_000,
                concurrency_max=2,
                request_timeout_seconds=120.0 + options.package_wait_seconds,
                settle_seconds=options.settle_seconds,
                verify_seconds=options.posting_seconds,
                allows_many_per_lane=True,
            ),
            ("applications", "apply"): applying,
            ("credit_memos", "post"): documents,
            ("returned_payments", "post"): documents,
            ("refunds", "post"): documents,
            ("refund_clearings", "apply"): applying,
            ("debit_memos", "post"): documents,
            ("credit_limits", "update"): Limits(
                batch_max=50,
                concurrency_max=3,
                settle_seconds=min(options.settle_seconds, 30.0),
                is_keyed=True,
                allows_many_per_lane=True,
            ),
            ("sales_orders", "release"): keyed,
            ("disputes", "upsert"): keyed,
        }
    )
