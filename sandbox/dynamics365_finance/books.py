"""Posting and settling: customer transactions over the double-entry ledger.

Every customer transaction is one line on the receivables account; settling takes parts of both
sides and leaves a row for each of them, as the product's settlement table does. The ledger refuses
what does not balance, is closed, or is over-applied; its words become the product's here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sandbox.core.currencies import minor_digits
from sandbox.core.ledger import Application, Header, Line, PostingRefused, Refusal
from sandbox.dynamics365_finance.odata.answers import write_failed
from sandbox.dynamics365_finance.odata.model import Row
from sandbox.dynamics365_finance.ports import ClockPort
from sandbox.dynamics365_finance.state import D365State

__all__ = ["Books", "Part", "Posting", "refused"]

ZERO = Decimal(0)
#: Number ranges of the ledger's own journals, by what they are.
_RANGES = {"Sales": "1000000000", "Payment": "2000000000", "Settlement": "3000000000"}


@dataclass(frozen=True, slots=True)
class Posting:
    """What is posted on a customer, debit positive; ``contra`` takes the other side."""

    company: str
    customer: str
    amount: Decimal
    currency_code: str
    trans_date: date
    trans_type: str
    contra: tuple[tuple[str, Decimal], ...]
    document_date: date | None = None
    due_date: date | None = None
    invoice: str = ""
    text: str = ""
    reference: str = ""
    payment_id: str = ""
    customer_reference: str = ""
    document_number: str = ""
    voucher: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an invoice (or credit note) that a payment settles; signed like the invoice.

    ``discount`` and ``write_offs`` (reason, amount) close more of it than the payment pays.
    """

    record: int
    amount: Decimal
    discount: Decimal = ZERO
    write_offs: tuple[tuple[str, Decimal], ...] = ()


def refused(error: PostingRefused, entity: str) -> Exception:
    """A refusal of the ledger in the product's words."""
    texts = {
        Refusal.PERIOD_CLOSED: f"Period for {error.subject} is not open for posting",
        Refusal.OVER_APPLIED: f"The settle amount is larger than the open balance: {error.message}",
        Refusal.NOT_OPEN: f"The transaction is closed: {error.message}",
        Refusal.UNKNOWN_CURRENCY: f"Currency {error.subject} does not exist",
        Refusal.UNKNOWN_ACCOUNT: f"Main account {error.subject} does not exist",
    }
    return write_failed(entity, texts.get(error.refusal, error.message))


class Books:
    """Posts and settles; refuses with ``PostingRefused`` and changes nothing then."""

    def __init__(self, state: D365State, clock: ClockPort) -> None:
        self._state = state
        self._clock = clock
        self._settings = state.settings
        self._items = state.tables[state.settings.open_transactions_entity]
        self._settlements = state.tables[state.settings.settlements_entity]
        self._entries = state.tables[state.settings.ledger_entries_entity]

    def next_voucher(self, company: str, prefix: str) -> str:
        """The next voucher of a company."""
        return f"{prefix}{self._state.next_number(f'{company}/{prefix}'):08d}"

    # -- posting ----------------------------------------------------------------------------

    def post(self, posting: Posting) -> Row:
        """Post on a customer; the new customer transaction."""
        settings = self._settings
        header = self._header(posting)
        lines = [Line(settings.ar_account, posting.amount, posting.customer)]
        lines += [Line(account, amount) for account, amount in posting.contra]
        journal = self._state.ledger.post(header, lines, today=self._clock.today())
        record = self._state.next_record()
        self._state.item_of[record] = (*journal.key, 1)
        amount_company = journal.lines[0].amount_company or ZERO
        return self._items.insert(
            {
                "dataAreaId": posting.company,
                "RecId": record,
                "AccountNum": posting.customer,
                "Voucher": posting.voucher or self.next_voucher(posting.company, "LL-"),
                "TransDate": posting.trans_date,
                "DocumentDate": posting.document_date or posting.trans_date,
                "DueDate": posting.due_date or posting.trans_date,
                "Invoice": posting.invoice,
                "TransType": posting.trans_type,
                "Txt": posting.text,
                "CurrencyCode": posting.currency_code,
                "AmountCur": posting.amount,
                "AmountMST": amount_company,
                "OpenAmountCur": posting.amount,
                "PaymReference": posting.reference,
                "PaymId": posting.payment_id,
                "CustomerReference": posting.customer_reference,
                "DocumentNum": posting.document_number,
                "Approved": "Yes",
                "ModifiedDateTime": self._clock.now(),
            }
        )

    def post_unidentified(self, posting: Posting) -> Row:
        """Post a receipt without a customer on the unidentified main account; its ledger entry."""
        account = self._settings.unidentified_account
        lines = [Line(account, posting.amount)]
        lines += [Line(number, amount) for number, amount in posting.contra]
        journal = self._state.ledger.post(self._header(posting), lines, today=self._clock.today())
        record = self._state.next_record()
        self._state.item_of[record] = (*journal.key, 1)
        return self._entries.insert(
            {
                "dataAreaId": posting.company,
                "RecId": record,
                "MainAccount": account,
                "Voucher": posting.voucher,
                "AccountingDate": posting.trans_date,
                "DocumentDate": posting.document_date or posting.trans_date,
                "TransactionCurrencyCode": posting.currency_code,
                "TransactionCurrencyAmount": posting.amount,
                "AccountingCurrencyAmount": journal.lines[0].amount_company or ZERO,
                "Text": posting.text,
                "PaymentReference": posting.reference,
                "DocumentNumber": posting.payment_id,
                "ModifiedDateTime": self._clock.now(),
            }
        )

    def check(self, company: str, day: date, currency_code: str, amount: Decimal) -> None:
        """Raises PostingRefused for a closed period, an unknown currency or too many decimals."""
        ledger = self._state.ledger
        digits = minor_digits(currency_code)
        if digits is None:
            raise PostingRefused(
                Refusal.UNKNOWN_CURRENCY, "no such currency", subject=currency_code
            )
        if amount != round(amount, digits):
            raise PostingRefused(
                Refusal.TOO_MANY_DECIMALS, f"{amount} has more than {digits} decimals"
            )
        if not ledger.periods.is_open(company, day, self._clock.today()):
            raise PostingRefused(
                Refusal.PERIOD_CLOSED, f"{day} is not open", subject=f"{day:%m/%Y}"
            )

    @staticmethod
    def _header(posting: Posting) -> Header:
        return Header(
            posting.company,
            posting.trans_type,
            posting.trans_date,
            posting.document_date or posting.trans_date,
            posting.currency_code,
            _RANGES.get(posting.trans_type, _RANGES["Sales"]),
        )

    # -- settling ---------------------------------------------------------------------------

    def settle(self, payment: Row, parts: Sequence[Part], trans_date: date) -> str:
        """Settle a payment (or credit note) against invoices; the settlement's voucher.

        Raises:
            PostingRefused: over-applied, not open, another company or currency, a closed period.
        """
        day = max([trans_date, payment["TransDate"]])
        items = {part.record: self._item(payment["dataAreaId"], part.record) for part in parts}
        header = Header(
            payment["dataAreaId"], "Settlement", day, day, payment["CurrencyCode"],
            _RANGES["Settlement"],
        )  # fmt: skip
        self._check_parts(header, payment, parts, items)
        pairs: list[tuple[Row, Row, Decimal]] = []
        for part in parts:
            item = items[part.record]
            kept = [("", part.discount)] if part.discount else []
            for reason, amount in [*kept, *part.write_offs]:
                pairs.append((item, self._keep(item, reason, amount, day), amount))
            pairs.append((item, payment, part.amount))
        taken: dict[int, Decimal] = {}
        for item, other, amount in pairs:
            taken[item["RecId"]] = taken.get(item["RecId"], ZERO) + amount
            taken[other["RecId"]] = taken.get(other["RecId"], ZERO) - amount
        applications = [
            Application(self._state.item_of[record], amount) for record, amount in taken.items()
        ]
        journal = self._state.ledger.clear(header, applications, today=self._clock.today())
        companies = {item: company for item, _, company in journal.applications}
        left = {record: companies[self._state.item_of[record]] for record in taken}
        open_parts = dict(taken)
        voucher = self.next_voucher(payment["dataAreaId"], "SET-")
        for item, other, amount in pairs:
            for one, opposite, taking in ((item, other, amount), (other, item, -amount)):
                record = one["RecId"]
                share = self._share(payment["dataAreaId"], left, open_parts, record, taking)
                self._note(one, opposite, taking, share, voucher, day)
        for record, amount in taken.items():
            self._take(record, amount, companies[self._state.item_of[record]], voucher, day)
        self._state.effects.settlements.setdefault(
            f"{payment['dataAreaId']}/{payment['RecId']}", []
        ).append(voucher)
        return voucher

    def _check_parts(
        self, header: Header, payment: Row, parts: Sequence[Part], items: dict[int, Row]
    ) -> None:
        """Everything that could be refused, before the first posting of this settlement."""
        total = sum((part.amount for part in parts), ZERO)
        if not 0 < total <= -payment["OpenAmountCur"]:
            raise PostingRefused(
                Refusal.OVER_APPLIED,
                f"{total} does not fit into the {-payment['OpenAmountCur']} open of the payment",
            )
        for part in parts:
            item = items[part.record]
            whole = part.amount + part.discount + sum((a for _, a in part.write_offs), ZERO)
            if item["CurrencyCode"] != header.currency_code:
                raise PostingRefused(Refusal.OTHER_CURRENCY, "the currencies differ")
            if not item["OpenAmountCur"]:
                raise PostingRefused(
                    Refusal.NOT_OPEN, f"{item['Invoice'] or item['Voucher']} is not open"
                )
            is_less = abs(whole) <= abs(item["OpenAmountCur"])
            if not whole or (whole > 0) != (item["OpenAmountCur"] > 0) or not is_less:
                raise PostingRefused(
                    Refusal.OVER_APPLIED,
                    f"{whole} of {item['OpenAmountCur']} open of {item['Invoice']}",
                )
        self.check(header.company_code, header.posting_date, header.currency_code, total)

    def _item(self, company: str, record: int) -> Row:
        row = self._items.get(company, record)
        if row is None:
            raise PostingRefused(Refusal.UNKNOWN_ITEM, f"transaction {record} does not exist")
        return row

    def _keep(self, item: Row, reason: str, amount: Decimal, day: date) -> Row:
        """A credit on the customer for what is not paid: a cash discount, or a write-off."""
        settings = self._settings
        account = settings.discount_account
        if reason:
            account = settings.write_off_accounts.get(reason, settings.write_off_account)
        return self.post(
            Posting(
                item["dataAreaId"],
                item["AccountNum"],
                -amount,
                item["CurrencyCode"],
                day,
                "WriteOff" if reason else "CashDisc",
                ((account, amount),),
                text=reason or "Cash discount",
            )
        )

    def _share(
        self,
        company: str,
        left: dict[int, Decimal],
        open_parts: dict[int, Decimal],
        record: int,
        part: Decimal,
    ) -> Decimal:
        """A part's share of what its item gave in company currency; the last gets the rest."""
        share = left[record]
        if part != open_parts[record]:
            digits = minor_digits(self._settings.companies[company].currency_code) or 0
            share = round(left[record] * part / open_parts[record], digits)
        left[record] -= share
        open_parts[record] -= part
        return share

    def _note(
        self, item: Row, other: Row, amount: Decimal, share: Decimal, voucher: str, day: date
    ) -> None:
        self._settlements.insert(
            {
                "dataAreaId": item["dataAreaId"],
                "RecId": self._state.next_record(),
                "TransRecId": item["RecId"],
                "OffsetRecId": other["RecId"],
                "AccountNum": item["AccountNum"],
                "TransDate": day,
                "SettleAmountCur": amount,
                "SettleAmountMST": share,
                "SettlementVoucher": voucher,
                "CurrencyCode": item["CurrencyCode"],
                "ModifiedDateTime": self._clock.now(),
            }
        )

    def _take(
        self, record: int, amount: Decimal, amount_company: Decimal, voucher: str, day: date
    ) -> None:
        company = self._state.item_of[record][0]
        row = self._item(company, record)
        still_open = row["OpenAmountCur"] - amount
        self._items.update(
            row,
            SettleAmountCur=row["SettleAmountCur"] + amount,
            SettleAmountMST=row["SettleAmountMST"] + amount_company,
            OpenAmountCur=still_open,
            LastSettleVoucher=voucher,
            LastSettleDate=day,
            Closed=None if still_open else day,
            ModifiedDateTime=self._clock.now(),
        )

    # -- as a person in the product would -----------------------------------------------------

    def reverse(self, row: Row) -> Row:
        """Reverse an open transaction: its mirror, both closed against each other."""
        mirror = self.post(
            Posting(
                row["dataAreaId"],
                row["AccountNum"],
                -row["AmountCur"],
                row["CurrencyCode"],
                max(row["TransDate"], self._clock.today()),
                row["TransType"],
                ((self._settings.revenue_account, row["AmountCur"]),),
                invoice=row["Invoice"],
                text="Reversal",
            )
        )
        whole = Part(row["RecId"], row["AmountCur"])
        self.settle(mirror, [whole], mirror["TransDate"])
        now = self._clock.now()
        self._items.update(
            row, IsReversed="Yes", ReversalRecId=mirror["RecId"], ModifiedDateTime=now
        )
        self._items.update(
            mirror, IsReversal="Yes", ReversalRecId=row["RecId"], ModifiedDateTime=now
        )
        return mirror
