"""NetSuite as a target: limits, what refusals mean, options. Data, no behaviour.

Statuses and codes: contracts/erp.md §2.5. What no source verified is an option of the system
(``[systems.<id>.options]``) and stands in README.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ingestion.common.config import System
from ingestion.netsuite.settings import BATCH_MAX, DEFAULT_OPTIONS
from reverse_etl.delivery.writer import Limits
from reverse_etl.outcomes import Action, OutcomeTable

__all__ = ["KIND", "OUTCOMES", "REASON_CODES", "NetSuiteOptions", "external_id_of", "limits_of"]

KIND = "netsuite"
#: Hub reason to the word that opens a credit memo's text: NetSuite has no reason of its own.
REASON_CODES: Mapping[str, str] = MappingProxyType(
    {
        "PRICE": "PRICE",
        "QTY": "QUANTITY",
        "SHORTAGE": "QUANTITY",
        "DAMAGE": "DAMAGE",
        "RETURN": "RETURN",
        "FREIGHT": "FREIGHT",
        "TAX": "TAX",
        "EXEMPTION": "TAX",
        "DUPLICATE": "DUPLICATE",
        "PROMO": "PROMOTION",
        "TRADE": "PROMOTION",
        "REBATE": "REBATE",
        "OTHER": "OTHER",
    }
)

#: A code goes before a status.
OUTCOMES = OutcomeTable(
    codes={
        # Somebody changed the record while we did, or held it: from memory.
        "RCRD_HAS_BEEN_CHANGED": Action.RETRY,
        "RCRD_LOCKED_BY_WF": Action.RETRY,
        "CONCURRENCY_LIMIT_EXCEEDED": Action.RETRY_SYSTEM,
        "SSS_REQUEST_LIMIT_EXCEEDED": Action.RETRY_SYSTEM,
        "INSUFFICIENT_PERMISSION": Action.REJECT_TECHNICAL,
        "INVALID_LOGIN": Action.RETRY_SYSTEM,
        "UNEXPECTED_ERROR": Action.UNKNOWN,
    },
    statuses={
        400: Action.REJECT,
        401: Action.RETRY_SYSTEM,
        403: Action.REJECT_TECHNICAL,
        404: Action.REJECT,
        405: Action.REJECT_TECHNICAL,
        409: Action.RETRY,
        413: Action.REJECT_TECHNICAL,
        415: Action.REJECT_TECHNICAL,
        429: Action.RETRY_SYSTEM,
    },
    retry_seconds={"not_sent": 2.0},
)


def external_id_of(external_key: str) -> str:
    """The external id under which the hub's key travels: unique per record type in an account."""
    return f"LLP-{external_key}"


@dataclass(frozen=True, slots=True)
class NetSuiteOptions:
    """What differs between accounts; see README.md for each one's evidence.

    Attributes:
        unidentified_gl_account: number of the account for receipts without a certain payer.
        ar_gl_account: number of the receivables account, for the entry of a returned payment.
        credit_memo_item, write_off_item, debit_memo_item: internal ids of the items that credit
            memos and debit memos are made of.
        refund_payment_option: internal id of a refund's payment option; empty sends none.
        reason_codes: hub reason to the memo's word as ``PRICE=P1;FREIGHT=F2``, before
            ``REASON_CODES``.
        approved_order_status: what an order's status becomes when it is released.
        pending_order_status: what an order that waits for approval has.
        async_from: payments at once from which they go as one asynchronous collection.
        settle_seconds: how long after a lost answer an effect may still appear.
        job_seconds: how long one asynchronous job is waited for within a request.
    """

    unidentified_gl_account: str = DEFAULT_OPTIONS["unidentified_gl_account"]
    ar_gl_account: str = DEFAULT_OPTIONS["ar_gl_account"]
    credit_memo_item: str = "2"
    write_off_item: str = "3"
    debit_memo_item: str = "4"
    refund_payment_option: str = ""
    reason_codes: str = ""
    approved_order_status: str = "B"
    pending_order_status: str = "A"
    async_from: int = 20
    settle_seconds: float = 60.0
    job_seconds: float = 90.0

    @classmethod
    def of(cls, system: System) -> "NetSuiteOptions":
        """Options of a system; on loopback nothing waits in queues, so times are short there."""
        seconds = {"settle_seconds": 2.0} if system.is_loopback else {}
        named = {
            name: type(getattr(_DEFAULTS, name))(value)
            for name, value in system.options.items()
            if name in cls.__slots__
        }
        return cls(**{**seconds, **named})

    def reason_word(self, reason_code: str) -> str:
        """The memo's word for a hub reason; a reason without one keeps its own name."""
        own = dict(pair.split("=", 1) for pair in self.reason_codes.split(";") if "=" in pair)
        code = reason_code.upper().replace("_", "-")
        return own.get(code) or REASON_CODES.get(code) or code


_DEFAULTS = NetSuiteOptions()


def limits_of(options: NetSuiteOptions) -> Mapping[tuple[str, str], Limits]:
    """Limits by object and operation. Four places at most: the smallest account has five."""
    one = Limits(
        concurrency_max=4,
        request_timeout_seconds=120.0,
        settle_seconds=options.settle_seconds,
        is_keyed=True,
    )
    many = Limits(
        batch_max=BATCH_MAX,
        concurrency_max=4,
        request_timeout_seconds=120.0 + options.job_seconds,
        settle_seconds=options.settle_seconds,
        is_keyed=True,
        allows_many_per_lane=True,
    )
    memos = Limits(
        concurrency_max=4, request_timeout_seconds=120.0, settle_seconds=options.settle_seconds
    )
    return MappingProxyType(
        {
            ("payments", "post"): many,
            ("applications", "apply"): one,
            ("credit_memos", "post"): memos,
            ("returned_payments", "post"): one,
            ("refunds", "post"): one,
            ("debit_memos", "post"): one,
            ("credit_limits", "update"): one,
            ("sales_orders", "release"): one,
        }
    )
