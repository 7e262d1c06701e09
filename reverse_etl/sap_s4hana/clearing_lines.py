"""The lines of a clearing: what each closes, what is discount, charged off, or left open.

A line that closes a whole item is ``{item_key, fiscal_year, document, item, amount}``. More stands
only where it is needed: ``customer`` (an item of another account), ``kind`` ``partial`` with
``open_amount`` (``amount`` is the paid part), ``discount_amount``, and ``differences`` (kind
``fee`` or ``deduction``, reason code, amount). A line of kind ``on_account`` has an amount and no
item: that part of the receipt stays on the account. Amounts carry the item's sign. Pure: nothing
is sent here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.ledger.commands import Value
from reverse_etl.sap_s4hana.items import ItemKey
from reverse_etl.sap_s4hana.messages import ClearingItem
from reverse_etl.sap_s4hana.settings import SapOptions

__all__ = ["ClearingLine", "Difference", "Effects", "effects_in", "effects_of", "lines_of"]

ZERO = Decimal(0)
_KINDS = ("fee", "deduction")


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of an item that the payer kept: a fee is charged off, a deduction stays open."""

    kind: str
    reason_code: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ClearingLine:
    """One line. ``amount`` is what of the item is settled; ``open_amount`` only where parts are."""

    key: ItemKey
    customer: str
    amount: Decimal
    payload: Mapping[str, Value]
    open_amount: Decimal | None = None
    discount: Decimal = ZERO
    differences: tuple[Difference, ...] = ()

    @property
    def is_part(self) -> bool:
        return self.open_amount is not None

    @property
    def is_plain(self) -> bool:
        """Whether it only closes a whole item."""
        return not (self.is_part or self.discount or self.differences)

    @property
    def cash(self) -> Decimal:
        """What of the receipt goes into this line."""
        return self.amount - self.discount - sum((d.amount for d in self.differences), ZERO)

    def item(self, options: SapOptions) -> ClearingItem:
        """The line as SAP takes it: a part as partial payment or as residual item, by option."""
        key = self.key
        place = (self.customer, key.fiscal_year, key.document, key.item)
        if self.is_part and options.partial_payment == "partial":
            reason = options.native_reason("PARTIAL")
            return ClearingItem(*place, partial=self.amount, differences=((reason, self.amount),))
        left = [(options.native_reason(d.reason_code), d.amount) for d in self.differences]
        if self.open_amount is not None:
            left.append((options.native_reason("PARTIAL"), self.open_amount - self.amount))
        return ClearingItem(*place, discount=self.discount, differences=tuple(left))


def lines_of(
    raw: Sequence[Value], company_code: str, customer: str
) -> tuple[tuple[ClearingLine, ...], Decimal]:
    """Item lines, and what stays on account.

    Raises:
        InputRefused: a line without its item, of an unknown kind, or with parts that do not fit.
    """
    lines: list[ClearingLine] = []
    on_account = ZERO
    for one in raw:
        if not isinstance(one, dict):
            raise _refused("line_form", f"{one!r} is not a line")
        kind = one.get("kind", "apply")
        if kind == "on_account":
            on_account += _money(one, "amount")
        elif kind in ("apply", "partial"):
            lines.append(_line(one, company_code, customer, is_part=kind == "partial"))
        else:
            raise _refused("line_kind", f"lines are apply, partial or on_account, not {kind!r}")
    if on_account < 0:
        raise _refused("line_amount", f"{on_account} cannot stay on account")
    return tuple(lines), on_account


def _line(
    one: Mapping[str, Value], company_code: str, customer: str, *, is_part: bool
) -> ClearingLine:
    for name in ("fiscal_year", "document", "item"):
        if not one.get(name):
            raise _refused("field_missing", f"a line without {name}")
    key = ItemKey(
        company_code, str(one["fiscal_year"]), str(one["document"]), str(one["item"]).zfill(3)
    )
    line = ClearingLine(
        key,
        str(one.get("customer") or customer),
        _money(one, "amount"),
        one,
        _money(one, "open_amount") if is_part else None,
        _money(one, "discount_amount") if one.get("discount_amount") else ZERO,
        tuple(_differences(one.get("differences"))),
    )
    _check(line)
    return line


def _differences(raw: Value) -> Iterable[Difference]:
    for one in raw if isinstance(raw, list) else []:
        if not isinstance(one, dict) or one.get("kind") not in _KINDS or not one.get("reason_code"):
            raise _refused("line_form", f"{one!r} is no fee or deduction with a reason code")
        yield Difference(str(one["kind"]), str(one["reason_code"]), _money(one, "amount"))


def _check(line: ClearingLine) -> None:
    """Parts have the item's sign and leave something to pay; a part takes no discount with it."""
    shown = f"{line.key.document}-{line.key.item}"
    parts = [line.discount, *(d.amount for d in line.differences)]
    sign = 1 if line.amount > 0 else -1
    if any(sign * part < 0 for part in parts) or any(not d.amount for d in line.differences):
        raise _refused("line_amount", f"item {shown}: discount and differences must fit its sign")
    if any(parts) and sign * line.cash <= 0:
        raise _refused("line_amount", f"item {shown}: nothing of {line.amount} would be paid")
    if line.open_amount is None:
        return
    if any(parts):
        raise _refused(
            "partial_with_discount", f"item {shown}: a part with a discount or deduction"
        )
    if not 0 < sign * line.amount < sign * line.open_amount:
        raise _refused("line_amount", f"item {shown}: {line.amount} is no part of what is open")


def _money(one: Mapping[str, Value], name: str) -> Decimal:
    value = one.get(name)
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not isinstance(value, str | int) or isinstance(value, bool) or not amount.is_finite():
        raise _refused("line_amount", f"{name} {value!r} is no amount")
    return amount


def _refused(code: str, message: str) -> InputRefused:
    return InputRefused(message, code=code, where="lines")


@dataclass(frozen=True, slots=True)
class Effects:
    """What a clearing document leaves behind, in signed amounts.

    ``left`` holds new open items by customer and reason code, ``charged`` what G/L accounts took.
    """

    left: Mapping[tuple[str, str], Decimal]
    charged: Decimal

    def __str__(self) -> str:
        parts = [
            f"{customer} {reason or '-'} {canonical_text(amount)}"
            for (customer, reason), amount in sorted(self.left.items())
        ]
        return f"left open: {', '.join(parts) or 'nothing'}; charged {canonical_text(self.charged)}"


def effects_of(
    lines: Iterable[ClearingLine], on_account: Decimal, customer: str, options: SapOptions
) -> Effects:
    """What the document must leave behind when it does what the lines say."""
    left: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    charged = ZERO
    for line in lines:
        charged += line.discount
        for one in line.differences:
            if one.kind == "fee":
                charged += one.amount
            else:
                left[line.customer, options.native_reason(one.reason_code)] += one.amount
        if line.open_amount is not None:
            is_partial = options.partial_payment == "partial"
            amount = -line.amount if is_partial else line.open_amount - line.amount
            left[line.customer, options.native_reason("PARTIAL")] += amount
    if on_account:
        left[customer, options.native_reason("ON-ACCOUNT")] -= on_account
    return Effects({key: amount for key, amount in left.items() if amount}, charged)


def effects_in(document: Iterable[Mapping[str, Any]]) -> Effects:
    """What the rows of a clearing document leave behind.

    Lines that the document itself cleared only carry money between accounts.
    """
    left: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    charged = ZERO
    for row in document:
        amount = Decimal(row["AmountInTransactionCurrency"])
        own = (row["FiscalYear"], row["AccountingDocument"])
        cleared_by = (row["ClearingDocFiscalYear"], row["ClearingAccountingDocument"])
        if row["IsCleared"] and own == cleared_by:
            continue
        if row["FinancialAccountType"] == "D":
            left[row["Customer"], str(row.get("PaymentDifferenceReason") or "")] += amount
        else:
            charged += amount
    return Effects({key: amount for key, amount in left.items() if amount}, charged)
