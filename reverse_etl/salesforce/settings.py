"""Salesforce as a target: limits and what refusals mean. Data, no behaviour.

Codes and limits: contracts/crm_payments_desk.md §1.4 and §1.5. Classification goes by code, since
one status (400) stands for a lock, a duplicate and a wrong field alike.
"""

from dataclasses import dataclass

from ingestion.common.config import System
from reverse_etl.delivery.writer import Limits
from reverse_etl.outcomes import Action, OutcomeTable

__all__ = [
    "COLLECTION_MAX",
    "DAILY_LIMIT_SECONDS",
    "KEYS_PER_QUERY",
    "LIMITS",
    "OUTCOMES",
    "SOQL_CHARACTERS_MAX",
    "SalesforceOptions",
]

COLLECTION_MAX = 200
#: One ``IN`` list, so that the encoded query stays well under the 16,384 characters of a URL.
KEYS_PER_QUERY = 200
SOQL_CHARACTERS_MAX = 10_000
#: The day's calls are used up: capacity comes back as the rolling 24 hours move on.
DAILY_LIMIT_SECONDS = 900.0

OUTCOMES = OutcomeTable(
    codes={
        "UNABLE_TO_LOCK_ROW": Action.RETRY,
        "bulk_not_started": Action.RETRY,
        "REQUEST_LIMIT_EXCEEDED": Action.RETRY_SYSTEM,
        "SERVER_UNAVAILABLE": Action.RETRY_SYSTEM,
        "TXN_SECURITY_METERING_ERROR": Action.RETRY_SYSTEM,
        "INVALID_SESSION_ID": Action.RETRY_SYSTEM,
        "API_DISABLED_FOR_ORG": Action.REJECT_TECHNICAL,
        "INSUFFICIENT_ACCESS_OR_READONLY": Action.REJECT_TECHNICAL,
        "INVALID_FIELD": Action.REJECT_TECHNICAL,
        "INVALID_FIELD_FOR_INSERT_UPDATE": Action.REJECT_TECHNICAL,
        "INVALID_TYPE": Action.REJECT_TECHNICAL,
        "INVALID_TYPE_ON_FIELD_IN_RECORD": Action.REJECT_TECHNICAL,
        "JSON_PARSER_ERROR": Action.REJECT_TECHNICAL,
        "MALFORMED_ID": Action.REJECT_TECHNICAL,
        "MALFORMED_QUERY": Action.REJECT_TECHNICAL,
        "UNKNOWN_EXCEPTION": Action.UNKNOWN,
    },
    statuses={
        300: Action.REJECT,
        400: Action.REJECT,
        401: Action.RETRY_SYSTEM,
        403: Action.REJECT_TECHNICAL,
        404: Action.REJECT,
        405: Action.REJECT_TECHNICAL,
        412: Action.RETRY,
        413: Action.REJECT_TECHNICAL,
        414: Action.REJECT_TECHNICAL,
        415: Action.REJECT_TECHNICAL,
        429: Action.RETRY_SYSTEM,
        503: Action.RETRY_SYSTEM,
    },
)

_ROWS = Limits(
    batch_max=COLLECTION_MAX,
    bulk_from=2_000,
    bulk_max=10_000,
    # A bulk job is one ``send``; a single request ends after the transport's own 60 seconds.
    request_timeout_seconds=300.0,
    settle_seconds=5.0,
    is_keyed=True,
    allows_many_per_lane=True,
    read_batch_max=KEYS_PER_QUERY,
)
LIMITS = {
    ("accounts", "update"): _ROWS,
    ("balances", "upsert"): _ROWS,
    ("invoices", "upsert"): _ROWS,
}


@dataclass(frozen=True, slots=True)
class SalesforceOptions:
    """``bulk_interval_seconds``: how often a bulk job is looked at; ``_timeout_``: how long."""

    bulk_interval_seconds: float = 2.0
    bulk_timeout_seconds: float = 280.0

    @classmethod
    def of(cls, system: System) -> "SalesforceOptions":
        """Options of a system; a job on loopback is done within moments."""
        usual = 0.2 if system.is_loopback else cls().bulk_interval_seconds
        return cls(float(system.options.get("bulk_interval_seconds", usual)))
