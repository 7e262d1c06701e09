"""Tryton as a target: options, limits, what refusals mean. Data, no behaviour.

Refusals: contracts/tryton.md. An error inside a 200 was raised before the commit, so nothing of the
request is there; the same holds for 503 (a lock that PostgreSQL did not give).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ingestion.common.config import System
from ingestion.tryton.settings import DEFAULT_OPTIONS, TIMEOUT_SECONDS
from reverse_etl.delivery.writer import Limits
from reverse_etl.outcomes import Action, OutcomeTable

__all__ = ["KIND", "OUTCOMES", "TrytonOptions", "limits_of"]

KIND = "tryton"

OUTCOMES = OutcomeTable(
    codes={
        "changed_meanwhile": Action.RETRY,
        # A lock on a row that another transaction held: this row's matter, not the system's.
        "http_503": Action.RETRY,
        # A model, method or field that is not there: our request is wrong, not the data.
        "server_error": Action.REJECT_TECHNICAL,
    },
    statuses={
        400: Action.REJECT_TECHNICAL,
        401: Action.RETRY_SYSTEM,
        403: Action.REJECT_TECHNICAL,
        404: Action.REJECT_TECHNICAL,
        405: Action.REJECT_TECHNICAL,
        422: Action.REJECT_TECHNICAL,
        429: Action.RETRY_SYSTEM,
        503: Action.RETRY,
    },
    retry_seconds={"http_503": 1.0, "not_sent": 2.0, "changed_meanwhile": 0.0},
)


@dataclass(frozen=True, slots=True)
class TrytonOptions:
    """What differs between installations.

    Attributes:
        cash_journal: code of the journal of bank receipts and of their allocations;
            ``revenue_journal`` of credit notes.
        unidentified_gl_account: account of receipts without a certain payer; it names no party.
        discount_gl_account, charges_gl_account: take what a payer kept as discount or fee.
        returns_gl_account: revenue account of credit notes; ``allowance_gl_account`` of write-offs.
            Empty: the account that the company's sales use.
        adjustments_gl_account: account that debit memos are posted on; empty likewise.
        settle_seconds: how long after a lost answer a request may still come to its end.
        timeout_seconds: how long an answer is waited for, and one command as a whole may take.
    """

    cash_journal: str = "CASH"
    revenue_journal: str = "REV"
    unidentified_gl_account: str = DEFAULT_OPTIONS["unidentified_gl_account"]
    discount_gl_account: str = "5.9.1"
    charges_gl_account: str = "5.9.2"
    returns_gl_account: str = ""
    allowance_gl_account: str = ""
    adjustments_gl_account: str = ""
    settle_seconds: float = 60.0
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def of(cls, system: System) -> "TrytonOptions":
        """Options of a system; on loopback a request is over within seconds."""
        seconds = {"settle_seconds": 3.0} if system.is_loopback else {}
        named = {
            name: type(getattr(_DEFAULTS, name))(value)
            for name, value in system.options.items()
            if name in cls.__slots__
        }
        return cls(**{**seconds, **named})


_DEFAULTS = TrytonOptions()


def limits_of(options: TrytonOptions) -> Mapping[tuple[str, str], Limits]:
    """Limits by object and operation. One command is several requests, so none is batched."""

    def posting(*unreadable: str) -> Limits:
        return Limits(
            concurrency_max=2,
            request_timeout_seconds=options.timeout_seconds,
            settle_seconds=options.settle_seconds,
            read_batch_max=50,
            unreadable_fields=frozenset(unreadable),
        )

    state = Limits(
        concurrency_max=2,
        request_timeout_seconds=options.timeout_seconds,
        settle_seconds=options.settle_seconds,
        is_keyed=True,
        read_batch_max=50,
    )
    return MappingProxyType(
        {
            ("payments", "post"): posting(),
            # A reconciliation has no date of ours, and credit notes no field for their reason.
            ("applications", "apply"): posting("posting_date"),
            ("credit_memos", "post"): posting("posting_kind", "reason_code", "is_agreed"),
            # The receipt is found by its document; the hub's own id of it does not travel.
            ("returned_payments", "post"): posting("receipt_key"),
            ("refunds", "post"): posting("receipt_key"),
            ("debit_memos", "post"): posting("reason_code"),
            ("credit_limits", "update"): state,
            ("sales_orders", "release"): state,
        }
    )
