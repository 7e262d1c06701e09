"""Credit accounts and order releases: between hub values and SAP's credit management.

The one trap here is zero. In SAP an amount of 0 means "no limit was set" unless the flag
``CreditLimitIsZero`` says that zero is meant. So a limit is only ever written as kind and amount
together, and read back the same way (DESIGN §5, contracts/erp.md §1.7).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused, VendorAnswerInvalid
from ingestion.common.money import canonical_text
from ingestion.sap_s4hana.client import literal
from reverse_etl.delivery.writer import ReadBack
from reverse_etl.ledger.commands import Command, Value
from reverse_etl.planning.governance import TargetObject
from reverse_etl.sap_s4hana.settings import CREDIT_ACCOUNTS, SapOptions

__all__ = [
    "account_path",
    "account_read_back",
    "changes_of",
    "is_blocked",
    "order_fields",
]

#: ``TotalCreditCheckStatus``: not passed or passed in part; not checked, passed or released.
_BLOCKED, _FREE = ("B", "C"), ("", "A", "D")
_KIND, _AMOUNT = "CreditLimitIsZero", "CreditLimitAmount"


def account_path(command: Command) -> str:
    """The entity's path below its service. The business key is ``customer/segment``.

    Raises:
        InputRefused: the key has another form.
    """
    customer, separator, segment = command.business_key.partition("/")
    if not customer or not segment:
        raise InputRefused(
            f"{command.business_key!r} is not customer{separator or '/'}segment",
            code="key_form",
            where="customer/credit_segment",
        )
    return (
        f"{CREDIT_ACCOUNTS}(BusinessPartner={literal(customer)},CreditSegment={literal(segment)})"
    )


def changes_of(command: Command, target: TargetObject, options: SapOptions) -> dict[str, Value]:
    """The body of the change, in SAP's fields; amount and flag always together.

    Raises:
        InputRefused: an amount without its kind, a limit of zero that is not ``none_granted``, or
            ``unlimited`` where the installation does not map it.
    """
    native = target.to_native(command.payload)
    body = {name: value for name, value in native.items() if name not in (_KIND, _AMOUNT)}
    if "CreditAccountBlockReason" in body:
        body["CreditAccountBlockReason"] = body["CreditAccountBlockReason"] or ""
    if _KIND not in native and _AMOUNT not in native:
        return body
    kind, amount_text = native.get(_KIND), native.get(_AMOUNT)
    if kind == "limited":
        amount = Decimal(str(amount_text or "0"))
        if amount <= 0:
            raise InputRefused(
                f"a limit of {amount} would read as unlimited in SAP: to grant nothing, the kind "
                "must be none_granted",
                code="zero_limit",
                where="limit_amount",
            )
        return {**body, _AMOUNT: canonical_text(amount), _KIND: False}
    if kind == "none_granted":
        return {**body, _AMOUNT: "0", _KIND: True}
    if kind == "unlimited" and options.unlimited_is_zero:
        return {**body, _AMOUNT: "0", _KIND: False}
    if kind == "unlimited":
        raise InputRefused(
            "this system has no verified way to say unlimited (option unlimited_is_zero)",
            code="unlimited_not_mapped",
            where="limit_kind",
        )
    raise InputRefused(
        f"a limit amount needs its kind, got {kind!r}",
        code="limit_without_kind",
        where="limit_kind",
    )


def account_read_back(
    command: Command, row: Mapping[str, Any], target: TargetObject, options: SapOptions
) -> ReadBack:
    """What a credit account holds, in hub names: only the fields the command is about.

    The amount beside ``unlimited`` or ``none_granted`` means nothing, so there the command's own
    spelling (0 or none) is kept.
    """
    kind = _kind_of(row, options)
    shown = {**row, _KIND: kind, "CreditAccountBlockReason": row.get("CreditAccountBlockReason")}
    fields = target.from_native(shown)
    is_same_kind = command.payload.get("limit_kind") == kind
    if kind != "limited" and is_same_kind and not Decimal(str(row.get(_AMOUNT) or "0")):
        fields["limit_amount"] = command.payload.get("limit_amount")
    held = {name: fields.get(name) for name in command.payload}
    return ReadBack(held, native_id=command.business_key)


def _kind_of(row: Mapping[str, Any], options: SapOptions) -> str:
    """The limit's kind; what an installation cannot mean keeps a name that equals no kind."""
    amount = Decimal(str(row.get(_AMOUNT) or "0"))
    if row.get(_KIND):
        return "none_granted" if not amount else "contradictory"
    if amount:
        return "limited"
    return "unlimited" if options.unlimited_is_zero else "not_set"


def is_blocked(row: Mapping[str, Any]) -> bool:
    """Whether the credit check holds an order.

    Raises:
        VendorAnswerInvalid: a status that is none of SAP's: it means neither held nor free.
    """
    status = str(row.get("TotalCreditCheckStatus") or "")
    if status not in (*_BLOCKED, *_FREE):
        raise VendorAnswerInvalid(
            f"order {row.get('SalesOrder')}: credit check status {status!r} is unknown",
            code="unknown_status",
        )
    return status in _BLOCKED


def order_fields(row: Mapping[str, Any], target: TargetObject) -> dict[str, Value]:
    """Whether the credit check holds an order, in hub names."""
    native = target.field("is_credit_blocked").native
    return target.from_native({native: is_blocked(row)})
