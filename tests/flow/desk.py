"""What people beside the product do in a story: bill in the ERP, pay at the bank, send advices.

Invoices are posted through SAP's own protocol; statements and remittance advices are files that
appear in the bank's folder. Every amount is given by the test, and every sum is kept.
"""

import csv
import os
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from reverse_etl.sap_s4hana.confirmations import parse_post_answer
from reverse_etl.sap_s4hana.messages import (
    POST_ACTION,
    POST_PATH,
    DebtorItem,
    EntryHeader,
    GlItem,
    JournalEntry,
    post_envelope,
)
from tests.flow.camt import Movement, statement
from tests.flow.scene import BANK, ERP, ROOT, Scene

__all__ = ["Advice", "Bill", "Desk"]

_REVENUE = "41000000"


@dataclass(frozen=True, slots=True)
class Bill:
    """One invoice. ``discount`` is percent and days of its terms."""

    number: str
    customer: str
    company: str
    amount: str
    age_days: int = 5
    net_days: int = 30
    currency: str = "USD"
    discount: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """One line of a remittance advice: what was paid of an invoice, and what was kept back."""

    payment: str
    invoice: str
    paid: str
    adjustment: str = ""
    code: str = ""
    words: str = ""
    discount: str = ""
    currency: str = "USD"


@dataclass
class Desk:
    """The people of one scene."""

    scene: Scene
    received: dict[str, Decimal] = field(default_factory=dict)
    """What came to the bank less what it took back, by currency."""
    statements: dict[str, int] = field(default_factory=dict)
    """The last statement's number, by account: a bank numbers them without a gap."""

    @property
    def day(self) -> date:
        return date.fromisoformat(self.scene.as_of)

    def bill(self, bills: Sequence[Bill]) -> None:
        """Post invoices in the ERP, as its billing would."""
        envelope = post_envelope([self._entry(one) for one in bills], created_at=datetime.now(UTC))
        with self.scene.clerk() as session:
            answer = session.post(
                self.scene.endpoints["systems"][ERP]["base_url"] + POST_PATH,
                data=envelope,
                headers={
                    "Content-Type": "text/xml; charset=utf-8",
                    "SOAPAction": f'"{POST_ACTION}"',
                    "Accept": "text/xml",
                },
            )
        assert answer.status_code == 200, answer.text
        refused = [
            one
            for one in parse_post_answer(answer.content).confirmations.values()
            if not one.is_posted
        ]
        assert not refused, refused

    def _entry(self, bill: Bill) -> JournalEntry:
        made_on, amount = self.day - timedelta(days=bill.age_days), Decimal(bill.amount)
        percent, days = bill.discount or (None, None)
        item = DebtorItem(
            customer=bill.customer,
            amount=amount,
            due_base_date=made_on,
            net_payment_days=bill.net_days,
            discount_days=days,
            discount_percent=None if percent is None else Decimal(percent),
        )
        header = EntryHeader(
            bill.company, "RV", made_on, made_on, "BILLING", document_reference=bill.number
        )
        entry_id = f"bill-{bill.company}-{bill.number}"
        return JournalEntry(entry_id, header, bill.currency, (item,), (GlItem(_REVENUE, -amount),))

    def account_of(self, customer: str) -> str:
        """The bank account that the ERP's master data has of a customer."""
        with self.scene.clerk() as session:
            answer = session.get(
                self.scene.odata("API_BUSINESS_PARTNER/A_BusinessPartnerBank"),
                params={"$filter": f"BusinessPartner eq '{customer}'"},
            )
        return str(answer.json()["d"]["results"][0]["IBAN"])

    def write_policy(self, addition: str) -> None:
        """A policy file of this installation's own: the product's, and something more."""
        own = self.scene.home / "policy.toml"
        product = (ROOT / "reverse_etl" / "policy.toml").read_text(encoding="utf-8")
        own.write_text(f"{product}\n{addition}", encoding="utf-8")
        settings = self.scene.home / "sandbox" / "ledgerloop.toml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.replace("[hub]", f'[hub]\npolicy = "{own}"', 1), encoding="utf-8")

    def pay(self, company: str, *movements: Movement, currency: str = "USD") -> None:
        """A bank statement of a company's account with these movements."""
        settings = self.scene.home / "sandbox" / "ledgerloop.toml"
        tree = tomllib.loads(settings.read_text(encoding="utf-8"))
        account = next(
            one["account"]
            for one in tree["systems"][BANK]["accounts"]
            if one["company_code"] == company and one["bank_line"] == "hub"
        )
        seeded = {
            one["value_date"] for one in self.scene.truth["receipts"] if one["account"] == account
        }
        self.statements[account] = self.statements.get(account, len(seeded)) + 1
        number = self.statements[account]
        total = sum(
            (Decimal(one.amount) * (-1 if one.returns else 1) for one in movements), Decimal(0)
        )
        self.received[currency] = self.received.get(currency, Decimal(0)) + total
        opening = Decimal(1_000_000)
        text = statement(
            account, number, self.scene.as_of, *movements,
            opening=str(opening), closing=str(opening + total), currency=currency,
        )  # fmt: skip
        self._drop(f"camt053_{account}_{self.day:%Y%m%d}_{number:05d}.xml", text)

    def advise(self, name: str, lines: Iterable[Advice]) -> None:
        """A remittance advice as a payer sends it: one row for each invoice."""
        headings = (
            "Payment reference", "Payment date", "Currency", "Invoice number", "Amount paid",
            "Discount", "Deduction", "Reason code", "Comment",
        )  # fmt: skip
        file = self.scene.inbox / f".{name}.writing"
        with file.open("w", encoding="utf-8", newline="") as opened:
            rows = csv.writer(opened)
            rows.writerow(headings)
            for one in lines:
                rows.writerow(
                    (one.payment, self.scene.as_of, one.currency, one.invoice, one.paid,
                     one.discount, one.adjustment, one.code, one.words)
                )  # fmt: skip
        text = file.read_text(encoding="utf-8")
        file.unlink()
        self._drop(f"{name}.csv", text)

    def _drop(self, name: str, text: str) -> None:
        """A file that was whole a while ago."""
        file = self.scene.inbox / name
        file.write_text(text, encoding="utf-8")
        long_ago = time.time() - 3600
        os.utime(file, (long_ago, long_ago))
