"""What payers do to a remittance: the noise of domain §C1, over the clearing groups of a world.

From a world and a seed come the plain files that ``ledgerloop decide cash`` takes, and the truth
beside them. The truth never stands in a file. ``dense`` puts three decoys beside each invoice, one
digit away, half of them with the very same amount.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import polars as pl

from bench.decisions_world import Group, Invoice, World

__all__ = ["Case", "Noise", "Truth", "make_case"]

MONEY = pl.Decimal(28, 6)
CENT = Decimal("0.01")
_LEADS = ("", "INV ", "PAYMENT INV ", "Invoices: ", "OUR REMITTANCE ", "BILL ", "RE ", "FOR ")
_SEPARATORS = (", ", " ", ";", "/", " + ", " , ")
_NO_REFERENCES = (
    "PAYMENT", "ACCOUNT PAYMENT", "VENDOR PAYMENT", "CORP PAY", "", "THANK YOU", "ACH CREDIT",
    "WEEKLY RUN", "BILL PAYMENT",
)  # fmt: skip
_PREFIXES = ("INV", "INV-", "RE", "RG-", "#", "NO.", "IV", "INVOICE", "SI-")


@dataclass(frozen=True, slots=True)
class Noise:
    """Shares of what goes wrong (domain §C1), and the texts' maker of other families.

    Attributes:
        twins_by_invoice: the decoys of an invoice have its amount all three or none.
        decoy_shift_days: by how many days at most a decoy is due before or after its invoice.
        decoy_extra_days: by how many days at most it stays open longer.
        decoy_follows: the shift moves the end of that time too.
    """

    last_six: float = 0.12
    prefix: float = 0.06
    split: float = 0.06
    typo: float = 0.06
    zeros: float = 0.04
    purchase_order: float = 0.04
    no_reference: float = 0.16
    partial: float = 0.08
    stray: float = 0.03
    unknown_account: float = 0.15
    short: float = 0.06
    discount: float = 0.06
    fee: float = 0.02
    over: float = 0.014
    duplicate: float = 0.01
    prepayment: float = 0.01
    text_length_max: int = 140
    aliases: float = 0.3
    shared_accounts: int = 1
    twins_by_invoice: bool = False
    decoy_shift_days: int = 10
    decoy_extra_days: int = 60
    decoy_follows: bool = False
    retext: Callable[[str, list[str], random.Random], str] | None = None
    spell: Callable[[str, random.Random], str] | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What a receipt really is. ``items`` empty: nothing may be applied."""

    kind: str
    customer: str
    items: frozenset[str]
    amount: Decimal
    references: str
    text: str
    lines: int


@dataclass(slots=True)
class Case:
    """The plain files and the truth beside them."""

    receipts: pl.DataFrame
    open_items: pl.DataFrame
    payers: pl.DataFrame
    aliases: pl.DataFrame
    truths: dict[str, Truth]
    numbers: dict[str, str]


def make_case(world: World, seed: int, noise: Noise | None = None, *, dense: bool = False) -> Case:
    """The files and the truth of one seed."""
    maker = _Maker(world, random.Random(f"{world.name}/{seed}"), noise or Noise())
    if dense:
        maker.add_decoys()
    for group in world.groups:
        maker.pay(group)
    return maker.case()


class _Maker:
    def __init__(self, world: World, draw: random.Random, noise: Noise) -> None:
        self._world, self._draw, self._noise = world, draw, noise
        self._items = {c: list(found) for c, found in world.by_customer.items()}
        self._numbers = {i.number for i in world.invoices}
        self._rows: list[dict[str, object]] = []
        self._truths: dict[str, Truth] = {}
        customers = sorted(world.by_customer)
        size = max(self._noise.shared_accounts, 1)
        self._accounts = {c: f"ACC{n // size:06d}" for n, c in enumerate(customers)}
        self._habits: dict[str, tuple[str, str]] = {}

    def add_decoys(self) -> None:
        """Three open items beside each invoice, one digit away, half with its amount."""
        for found in self._items.values():
            for invoice in list(found):
                same = self._draw.random() < 0.5
                for _ in range(3):
                    alike = same if self._noise.twins_by_invoice else self._draw.random() < 0.5
                    found.append(self._decoy(invoice, alike=alike))

    def _decoy(self, invoice: Invoice, *, alike: bool) -> Invoice:
        draw = self._draw
        number = invoice.number
        for _ in range(50):
            place = draw.randrange(3, len(number))
            number = number_with(invoice.number, place, draw.choice("0123456789"))
            if number not in self._numbers:
                break
        self._numbers.add(number)
        amount = invoice.amount
        if not alike:
            # Finer than the thousandths of short payments, lest decoys often have their amount.
            factor = Decimal(draw.randint(300_000, 2_500_000)) / 1_000_000
            amount = (amount * factor).quantize(CENT)
        reach = self._noise.decoy_shift_days
        shift = timedelta(days=draw.randint(-reach, reach))
        until = self._closed(invoice, shift)
        return replace(
            invoice,
            item_id=f"D-{number}",
            number=number,
            purchase_order=f"45{draw.randrange(10**8):08d}",
            amount=amount,
            document_date=invoice.document_date + shift,
            due_date=invoice.due_date + shift,
            open_from=invoice.open_from + shift,
            open_until=until,
            group="",
        )

    def _closed(self, invoice: Invoice, shift: timedelta) -> date | None:
        """Until when a decoy is open; never for an invoice that nobody paid."""
        until, noise = invoice.open_until, self._noise
        if until is None:
            return None
        moved = shift if noise.decoy_follows else timedelta(0)
        return until + moved + timedelta(days=self._draw.randint(1, noise.decoy_extra_days))

    def pay(self, group: Group) -> None:
        """One receipt, sometimes two, of a clearing group."""
        draw, noise = self._draw, self._noise
        kinds = ("short", "discount", "fee", "over", "prepayment")
        kind = draw.choices(
            [*kinds, "full"],
            [*(getattr(noise, k) for k in kinds), 1 - sum(getattr(noise, k) for k in kinds)],
        )[0]
        if kind == "prepayment":
            self._prepay(group)
            return
        amount = self._amount(kind, group.amount)
        numbers = [self._spelled(i) for i in self._order(group.items)]
        text = self._text(group, numbers)
        self._add(group.group, kind, group, amount, text, frozenset(i.item_id for i in group.items))
        if draw.random() < noise.duplicate:
            later = replace(group, clear_date=group.clear_date + timedelta(days=draw.randint(1, 9)))
            again = text if draw.random() < 0.7 else self._text(group, numbers)
            self._add(f"{group.group}D", "duplicate", later, amount, again, frozenset())

    def _order(self, items: tuple[Invoice, ...]) -> list[Invoice]:
        ordered = sorted(items, key=lambda i: (i.due_date, i.number))
        if self._draw.random() < 0.3:
            self._draw.shuffle(ordered)
        return ordered

    def _amount(self, kind: str, amount: Decimal) -> Decimal:
        draw = self._draw
        if kind == "short":
            share = Decimal(draw.randint(5, 200)) / 1000
            return max(amount - (amount * share).quantize(CENT), CENT)
        if kind == "discount":
            percent = draw.choice((Decimal(1), Decimal(2), Decimal(2), Decimal(3)))
            return amount - (amount * percent / 100).quantize(CENT)
        if kind == "fee":
            fee = Decimal(draw.choice((500, 1000, 1200, 1500, 2000, 2500, 3000, 3500)) / 100)
            return amount - fee if amount > 100 else amount
        if kind == "over":
            return amount + Decimal(draw.randint(100, 50000)) / 100
        return amount

    def _prepay(self, group: Group) -> None:
        """Money before the invoice: its number is of no open item, or there is only a word."""
        draw = self._draw
        early = replace(group, clear_date=min(i.open_from for i in group.items) - timedelta(days=5))
        future = [i.number for i in group.items]
        text = draw.choice(
            (
                self._text(group, future[:1]),
                f"PREPAYMENT {draw.randrange(10**9, 10**10)}",
                f"ADVANCE PO 45{draw.randrange(10**8):08d}",
                "DEPOSIT",
            )
        )
        amount = group.amount if draw.random() < 0.5 else Decimal(draw.randint(10**5, 10**7)) / 100
        self._add(group.group, "prepayment", early, amount, text, frozenset())

    def _spelled(self, invoice: Invoice) -> str:
        """One reference as this payer writes it."""
        draw, noise, number = self._draw, self._noise, invoice.number
        if noise.spell is not None:
            number = noise.spell(number, draw)
        point = draw.random()
        for share, change in (
            (noise.last_six, lambda n: n[-6:]),
            (noise.prefix, lambda n: draw.choice(_PREFIXES) + n),
            (noise.split, self._split),
            (noise.typo, self._typo),
            (noise.zeros, lambda n: "0" * draw.randint(1, 4) + n),
            (noise.purchase_order, lambda _: invoice.purchase_order),
        ):
            point -= share
            if point < 0:
                return change(number)
        return number

    def _split(self, number: str) -> str:
        at = self._draw.randint(1, len(number) - 1)
        return f"{number[:at]} {number[at:]}"

    def _typo(self, number: str) -> str:
        at = self._draw.randrange(len(number) - 1)
        if self._draw.random() < 0.5:
            return number_with(number, at, self._draw.choice("0123456789"))
        return number[:at] + number[at + 1] + number[at] + number[at + 2 :]

    def _text(self, group: Group, numbers: list[str]) -> str:
        draw, noise = self._draw, self._noise
        if draw.random() < noise.no_reference:
            return draw.choice(_NO_REFERENCES)
        if len(numbers) > 1 and draw.random() < noise.partial:
            keep = draw.randint(1, len(numbers) - 1)
            numbers = draw.sample(numbers, keep)
        if draw.random() < noise.stray:
            others = self._items[group.customer]
            numbers = [*numbers, draw.choice(others).number]
            draw.shuffle(numbers)
        if noise.retext is not None:
            return noise.retext(group.customer, numbers, draw)[: noise.text_length_max]
        lead, separator = self._habit(group.customer)
        return f"{lead}{separator.join(numbers)}"[: noise.text_length_max]

    def _habit(self, customer: str) -> tuple[str, str]:
        if customer not in self._habits:
            self._habits[customer] = (self._draw.choice(_LEADS), self._draw.choice(_SEPARATORS))
        return self._habits[customer]

    def _name(self, customer: str) -> str:
        names = self._world.names.get(customer) or [f"Customer {customer}"]
        name = self._draw.choice(names)
        if self._draw.random() < 0.15 and len(name) > 3:
            at = self._draw.randrange(len(name))
            name = name[:at] + name[at + 1 :]
        return name

    def _add(
        self,
        receipt_id: str,
        kind: str,
        group: Group,
        amount: Decimal,
        text: str,
        items: frozenset[str],
    ) -> None:
        is_unknown = self._draw.random() < self._noise.unknown_account
        account = (
            f"NEW{self._draw.randrange(10**8):08d}"
            if is_unknown
            else self._accounts[group.customer]
        )
        self._rows.append(
            {
                "receipt_id": receipt_id,
                "received_date": group.clear_date,
                "amount": amount,
                "currency_code": group.currency_code,
                "payer_account": account,
                "payer_name": self._name(group.customer),
                "text": text,
            }
        )
        numbers = " ".join(i.number for i in group.items)
        self._truths[receipt_id] = Truth(
            kind, group.customer, items, amount, numbers, text, len(group.items)
        )

    def case(self) -> Case:
        """The frames of all that was paid."""
        rows = [self._item_row(i) for found in self._items.values() for i in found]
        self._draw.shuffle(rows)
        names = [
            (names[0], customer)
            for customer, names in sorted(self._world.names.items())
            if self._draw.random() < self._noise.aliases
        ]
        return Case(
            receipts=pl.DataFrame(self._rows, schema_overrides={"amount": MONEY}),
            open_items=pl.DataFrame(
                rows, schema_overrides={"amount_open": MONEY, "open_until": pl.Date}
            ),
            payers=pl.DataFrame(
                [(a, c) for c, a in self._accounts.items()],
                schema=["payer_account", "customer_id"],
                orient="row",
            ),
            aliases=pl.DataFrame(names, schema=["payer_name", "customer_id"], orient="row"),
            truths=self._truths,
            numbers={i.item_id: i.number for found in self._items.values() for i in found},
        )

    def _item_row(self, item: Invoice) -> dict[str, object]:
        names = self._world.names.get(item.customer) or [f"Customer {item.customer}"]
        return {
            "item_id": item.item_id,
            "customer_id": item.customer,
            "customer_name": names[0],
            "company_code": item.company_code,
            "document_date": item.document_date,
            "due_date": item.due_date,
            "amount_open": item.amount,
            "currency_code": item.currency_code,
            "references": f"{item.number};{item.purchase_order}",
            "open_from": item.open_from,
            "open_until": item.open_until,
        }


def number_with(number: str, place: int, digit: str) -> str:
    """A number with one character changed."""
    return number[:place] + digit + number[place + 1 :]
