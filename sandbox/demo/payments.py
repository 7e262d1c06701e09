"""What the bank saw: every receipt as a payment with a payer, a text, and what it really pays.

Clearing groups of the extract become payments. Most are exact; the rest have the flaws of real
remittances (no reference, a purchase order instead, one wrong digit, too little, too much, a payer
nobody knows, the same payment twice). ``kind`` and ``pays`` are the truth and go to the truth file
only; no system that is seeded ever sees them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np
import polars as pl

from sandbox.demo.dataset import INVOICES, Dataset, unit_of
from sandbox.demo.identifiers import bank_reference, iban, own_iban
from sandbox.demo.partners import Partner
from sandbox.demo.settings import ReceiptSettings, Settings
from sandbox.demo.systems import ErpPlan

__all__ = ["OwnAccount", "Payment", "PaymentKind", "Payments", "make_payments", "purchase_order"]

_TEXT_LENGTH_MAX = 140
_STYLES = ("{}", "INV {}", "Invoices: {}", "PAYMENT INV {}", "OUR REMITTANCE {}")
_NO_REFERENCE_TEXTS = ("PAYMENT", "ACCOUNT PAYMENT", "VENDOR PAYMENT", "CORP PAY")
_STRANGERS = ("HOLLOWAY CAPITAL", "BRIGHTLINE FACTORS", "OAKMERE TREASURY", "TRIDENT SETTLEMENTS")
_LOCKBOX = "lockbox"


class PaymentKind(StrEnum):
    """What is odd about a payment, if anything."""

    EXACT = "exact"
    CREDIT_MEMO = "credit_memo"
    MISSING_REFERENCE = "missing_reference"
    PURCHASE_ORDER = "purchase_order"
    WRONG_NUMBER = "wrong_number"
    SHORT = "short"
    OVER = "over"
    UNKNOWN_PAYER = "unknown_payer"
    DUPLICATE = "duplicate"

    @property
    def is_exact(self) -> bool:
        """True when references and amounts alone prove what it pays."""
        return self in {PaymentKind.EXACT, PaymentKind.CREDIT_MEMO}


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """One of our own bank accounts.

    Attributes:
        system_id: of the ERP whose company it belongs to.
        bank_line: who books its lines, ``hub`` or ``erp``.
    """

    account: str
    company_code: str
    currency_code: str
    bank_line: str
    system_id: str


@dataclass(frozen=True, slots=True)
class Payment:
    """One bank entry and the truth about it.

    Attributes:
        account: our own IBAN that was credited.
        customer: who really paid, empty for a payer nobody knows.
        text_lines: unstructured remittance, at most 140 characters each.
        structured: document numbers in structured remittance elements.
        pays: document number to the part of it that this payment settles; credit memos negative.
        booked_by: ``clerk`` or ``erp`` when the ERP holds it before the hub does, else empty.
    """

    receipt_number: str
    account: str
    company_code: str
    customer: str
    payer_name: str
    payer_account: str
    amount: Decimal
    currency_code: str
    value_date: date
    bank_reference: str
    end_to_end_id: str
    text_lines: tuple[str, ...]
    structured: tuple[str, ...]
    kind: PaymentKind
    pays: Mapping[str, Decimal]
    booked_by: str = ""


@dataclass(frozen=True, slots=True)
class Payments:
    """All payments in value-date order, our accounts, and the credit memos that payers took."""

    payments: tuple[Payment, ...]
    accounts: tuple[OwnAccount, ...]
    credit_memos: pl.DataFrame


def purchase_order(invoice_number: str) -> str:
    """The customer's order number of an invoice: what some payers quote instead of it."""
    digits = int("".join(c for c in invoice_number if c.isdigit()) or "0")
    return f"45{digits * 7919 % 10**8:08d}"


def make_payments(
    dataset: Dataset,
    plans: Sequence[ErpPlan],
    partners: Mapping[str, Partner],
    settings: Settings,
    seed: int,
) -> Payments:
    """Every receipt of the dataset as a payment, plus duplicates and credit memos."""
    random = np.random.default_rng([seed, 3])
    accounts = {(a.company_code, a.currency_code): a for a in _own_accounts(dataset, plans)}
    lockboxes = [_lockbox(dataset, plan, settings.receipts, random) for plan in plans]
    lockbox_of = {place: own for own, payers in lockboxes if own for place in payers}
    maker = _Maker(partners, settings, random, set(dataset.invoices["invoice_number"]))
    items = _items_of_receipts(dataset)
    payments: list[Payment] = []
    for row in dataset.receipts.sort("clear_date", "receipt_number").iter_rows(named=True):
        account = accounts[row["company_code"], row["currency_code"]]
        lockbox = lockbox_of.get((row["company_code"], row["customer"]))
        if lockbox and row["currency_code"] == lockbox.currency_code:
            account = lockbox
        payment = maker.payment(row, items[row["receipt_number"]], account)
        payments.append(payment)
        if random.random() < settings.receipts.duplicate_share:
            payments.append(maker.again(payment, dataset.as_of - timedelta(days=1)))
    payments.sort(key=lambda p: (p.value_date, p.bank_reference))
    own = (*accounts.values(), *(one for one, _ in lockboxes if one))
    return Payments(tuple(payments), own, maker.credit_memo_frame())


def _own_accounts(dataset: Dataset, plans: Sequence[ErpPlan]) -> list[OwnAccount]:
    """One account per company code and currency it is paid in; the hub books its lines."""
    paid_in = dataset.receipts.select("company_code", "currency_code").unique().iter_rows()
    kept_in = {(c, one.currency_code) for plan in plans for c, one in plan.companies.items()}
    systems = {code: plan.system_id for plan in plans for code in plan.companies}
    return [
        OwnAccount(own_iban(company, currency), company, currency, "hub", systems[company])
        for company, currency in sorted({*kept_in, *paid_in})
    ]


def _lockbox(
    dataset: Dataset,
    plan: ErpPlan,
    settings: ReceiptSettings,
    random: np.random.Generator,
) -> tuple[OwnAccount | None, set[tuple[str, str]]]:
    """A second account of an ERP's busiest company: it books the lines; who pays into it."""
    receipts = dataset.receipts.filter(pl.col("company_code").is_in(list(plan.companies)))
    if not receipts.height:
        return None, set()
    company = receipts["company_code"].mode().sort()[0]
    currency = dataset.companies[company]
    counted = (
        receipts.filter(pl.col("company_code") == company, pl.col("currency_code") == currency)
        .group_by("customer")
        .len()
        .sort("customer")
    )
    # The largest payer stays out, or the hub would have little left to book.
    payers = counted.filter(pl.col("len") < pl.col("len").max())["customer"].to_list()
    count = min(len(payers), max(1, round(counted.height * settings.erp_line_share)))
    chosen = (
        {(company, str(c)) for c in random.choice(payers, count, replace=False)} if count else set()
    )
    account = own_iban(company, currency, _LOCKBOX)
    lockbox = OwnAccount(account, company, currency, "erp", plan.system_id)
    return lockbox, chosen


def _items_of_receipts(dataset: Dataset) -> dict[str, list[tuple[str, Decimal, date]]]:
    """Receipt number to its items: number, amount, posting date; oldest due first."""
    grouped = (
        dataset.invoices.drop_nulls("receipt_number")
        .sort("due_date", "invoice_number")
        .group_by("receipt_number", maintain_order=True)
        .agg("invoice_number", "amount", "posting_date")
    )
    return {row[0]: list(zip(row[1], row[2], row[3], strict=True)) for row in grouped.iter_rows()}


Item = tuple[str, Decimal, date]


class _Maker:
    """Turns one receipt after the other into a payment; keeps what must stay unique."""

    def __init__(
        self,
        partners: Mapping[str, Partner],
        settings: Settings,
        random: np.random.Generator,
        numbers: set[str],
    ) -> None:
        self._partners = partners
        self._settings = settings
        self._random = random
        self._numbers = numbers
        self._serials: dict[str, int] = {}
        self._habits: dict[str, bool] = {}
        self._credit_memos: list[tuple[object, ...]] = []

    def payment(self, row: Mapping[str, object], items: Sequence[Item], own: OwnAccount) -> Payment:
        """One receipt row with its items as a payment into ``own``."""
        customer, value_date = str(row["customer"]), row["clear_date"]
        assert isinstance(value_date, date)
        partner = self._partners[customer]
        kind = self._kind(customer, items, own)
        unit = unit_of(str(row["currency_code"]))
        pays = {number: amount.quantize(unit) for number, amount, _ in items}
        if kind is PaymentKind.CREDIT_MEMO:
            pays |= self._credit_memo(row, items, unit)
        amount = sum(pays.values(), Decimal(0))
        amount += self._difference(kind, amount, unit)
        lines, structured = self._remittance(kind, list(pays), customer)
        payment = Payment(
            receipt_number=str(row["receipt_number"]),
            account=own.account,
            company_code=own.company_code,
            customer=customer,
            payer_name=self._payer_name(partner),
            payer_account=partner.account,
            amount=amount,
            currency_code=str(row["currency_code"]),
            value_date=value_date,
            bank_reference=self._reference(value_date, own.company_code),
            end_to_end_id=f"E2E{row['receipt_number']}",
            text_lines=lines,
            structured=structured,
            kind=kind,
            pays=pays,
            booked_by=self._booked_by(own, kind),
        )
        return self._from_a_stranger(payment) if kind is PaymentKind.UNKNOWN_PAYER else payment

    def again(self, payment: Payment, last_day: date) -> Payment:
        """The same payment a few days later: the payer's mistake, it pays nothing."""
        later = payment.value_date + timedelta(days=int(self._random.integers(1, 6)))
        value_date = min(later, last_day)
        return replace(
            payment,
            receipt_number=f"{payment.receipt_number}D",
            value_date=value_date,
            bank_reference=self._reference(value_date, payment.company_code),
            end_to_end_id=f"{payment.end_to_end_id}D",
            kind=PaymentKind.DUPLICATE,
            pays={},
            booked_by="erp" if payment.booked_by == "erp" else "",
        )

    def credit_memo_frame(self) -> pl.DataFrame:
        """The credit memos that payers took, in the shape of invoices."""
        return pl.DataFrame(self._credit_memos, schema=INVOICES, orient="row")

    def _kind(self, customer: str, items: Sequence[Item], own: OwnAccount) -> PaymentKind:
        """Sloppy payers make the flaws of their careful neighbours too, so the shares hold."""
        if not self._is_sloppy(customer):
            return PaymentKind.EXACT
        settings = self._settings.receipts
        shares = (
            (PaymentKind.CREDIT_MEMO, settings.credit_memo_share),
            (PaymentKind.MISSING_REFERENCE, settings.missing_reference_share),
            (PaymentKind.PURCHASE_ORDER, settings.purchase_order_share),
            (PaymentKind.WRONG_NUMBER, settings.wrong_number_share),
            (PaymentKind.SHORT, settings.short_share),
            (PaymentKind.OVER, settings.over_share),
            (PaymentKind.UNKNOWN_PAYER, settings.unknown_payer_share),
        )
        draw = float(self._random.random()) * self._settings.payers.sloppy_share
        for kind, share in shares:
            draw -= share
            if draw < 0:
                # The ERP knows the payers of its own lines, and a memo needs something to reduce.
                is_no_option = kind is PaymentKind.UNKNOWN_PAYER and own.bank_line == "erp"
                is_too_small = sum(a for _, a, _ in items) < 20
                return PaymentKind.EXACT if is_no_option or is_too_small else kind
        return PaymentKind.EXACT

    def _is_sloppy(self, customer: str) -> bool:
        """A habit of the payer, drawn once."""
        if customer not in self._habits:
            self._habits[customer] = bool(
                self._random.random() < self._settings.payers.sloppy_share
            )
        return self._habits[customer]

    def _credit_memo(
        self, row: Mapping[str, object], items: Sequence[Item], unit: Decimal
    ) -> dict[str, Decimal]:
        """A credit memo of 2 to 20 percent of the payment, posted before it."""
        total = sum((amount for _, amount, _ in items), Decimal(0))
        amount = -(total * int(self._random.integers(2, 21)) / 100).quantize(unit)
        number = f"17{len(self._credit_memos) + 1:08d}"
        paid_on = row["clear_date"]
        assert isinstance(paid_on, date)
        posted = min(max(posting for _, _, posting in items), paid_on)
        place = (row["company_code"], row["customer"], amount, row["currency_code"])
        self._credit_memos.append(
            (number, *place, posted, posted, posted, "", 0, row["receipt_number"])
        )
        return {number: amount}

    def _difference(self, kind: PaymentKind, amount: Decimal, unit: Decimal) -> Decimal:
        """What a short or an over-payment is off by: 1 to 5 percent, never to zero."""
        percent = int(self._random.integers(1, 6))
        part = max((amount * percent / 100).quantize(unit), unit)
        return {PaymentKind.SHORT: -part, PaymentKind.OVER: part}.get(kind, Decimal(0))

    def _remittance(
        self, kind: PaymentKind, numbers: list[str], customer: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Text lines and structured references; a payer keeps to its own style."""
        if kind in {PaymentKind.MISSING_REFERENCE, PaymentKind.UNKNOWN_PAYER}:
            return (_NO_REFERENCE_TEXTS[int(self._random.integers(len(_NO_REFERENCE_TEXTS)))],), ()
        if kind is PaymentKind.PURCHASE_ORDER:
            numbers = [purchase_order(number) for number in numbers]
        if kind is PaymentKind.WRONG_NUMBER:
            index = int(self._random.integers(len(numbers)))
            numbers = [self._mistyped(n) if i == index else n for i, n in enumerate(numbers)]
        habit = sum(customer.encode()) % 100
        if habit < self._settings.receipts.structured_share * 100:
            return (), tuple(numbers)
        return _wrapped(_STYLES[habit % len(_STYLES)], numbers), ()

    def _mistyped(self, number: str) -> str:
        """One digit changed, so that no document has the number."""
        for _ in range(50):
            place = int(self._random.integers(len(number)))
            if not number[place].isdigit():
                continue
            digit = str(int(self._random.integers(10)))
            changed = number[:place] + digit + number[place + 1 :]
            if changed != number and changed not in self._numbers:
                return changed
        return f"{number}0"

    def _payer_name(self, partner: Partner) -> str:
        if self._random.random() < self._settings.payers.third_party_name_share:
            return f"{partner.base_name} SHARED SERVICES"
        return partner.spellings[int(self._random.integers(len(partner.spellings)))]

    def _from_a_stranger(self, payment: Payment) -> Payment:
        """The same money from a name and an account nobody has on file."""
        stranger = int(self._random.integers(len(_STRANGERS)))
        return replace(
            payment,
            payer_name=_STRANGERS[stranger],
            payer_account=iban("NL", "ZZZZ", int(self._random.integers(1, 10**9))),
            end_to_end_id="NOTPROVIDED",
        )

    def _booked_by(self, own: OwnAccount, kind: PaymentKind) -> str:
        if own.bank_line == "erp":
            return "erp"
        is_clerk = self._random.random() < self._settings.receipts.clerk_booked_share
        return "clerk" if is_clerk and kind is not PaymentKind.UNKNOWN_PAYER else ""

    def _reference(self, value_date: date, company_code: str) -> str:
        """The bank counts its entries over all our accounts of a company."""
        serial = self._serials.get(company_code, 0) + 1
        self._serials[company_code] = serial
        return bank_reference(value_date, company_code, serial)


def _wrapped(style: str, numbers: Sequence[str]) -> tuple[str, ...]:
    """Numbers in a payer's style, in lines of 140 characters that never split a number."""
    lines = [""]
    for number in style.format(", ".join(numbers)).split(" "):
        grown = f"{lines[-1]} {number}".lstrip()
        if len(grown) <= _TEXT_LENGTH_MAX:
            lines[-1] = grown
        else:
            lines.append(number)
    return tuple(lines)
