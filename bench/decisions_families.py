"""Other families of noise than the one thresholds were tuned on: languages, scanners, structures.

Each family changes the world (round prices, credits, shared payers), what is paid at once, or how a
remittance is written. They ask one question only: is an automatic decision still never wrong.
"""

import random
import string
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from bench.decisions_noise import Noise
from bench.decisions_world import Group, Invoice, World

__all__ = ["FAMILIES", "Family"]

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of noise: what the world is, and how payers write."""

    name: str
    noise: Noise
    world: Callable[[World, random.Random], World] = lambda world, _draw: world
    is_dense: bool = False


# --- how a text is written ----------------------------------------------------------------------

_PHRASES = (
    "Rechnung Nr. {n} vom {d}", "Rg.-Nr. {n}, abzügl. Gutschrift", "RE {n} / Kd-Nr. {c}",
    "Überweisung für Rechnungen {n}", "facture n° {n} du {d}", "règlement factures {n}",
    "pago factura {n} de fecha {d}", "pagamento fatture {n}", "zapłata za fakturę {n} z dnia {d}",
    "betaling factuur {n}", "betalning faktura {n} förfallodag {d}", "оплата счета {n}",
    "Zahlung {n} danke schön, Müller & Söhne GmbH", "FAKTURA {n} KLIENT {c}",
    "Beleg {n} Betrag {a}",
)  # fmt: skip


def _foreign(customer: str, numbers: list[str], draw: random.Random) -> str:
    day = date(2019, draw.randint(1, 12), draw.randint(1, 28))
    shape = draw.choice(("%d.%m.%Y", "%d/%m/%y", "%Y-%m-%d", "%Y%m%d"))
    amount = f"{draw.randint(1, 99)}.{draw.randint(0, 999):03d},{draw.randint(0, 99):02d} EUR"
    joined = draw.choice((", ", " / ", " und ", " et ", " i ", " + ")).join(numbers)
    return draw.choice(_PHRASES).format(n=joined, d=day.strftime(shape), c=customer, a=amount)


def _run_together(_customer: str, numbers: list[str], draw: random.Random) -> str:
    return draw.choice(("", "INV", "PAY ")) + "".join(numbers)


def _figures(customer: str, numbers: list[str], draw: random.Random) -> str:
    """Dates, amounts, phones, contract and trace numbers around the references."""
    parts = []
    for number in numbers:
        day = date(2019, draw.randint(1, 12), draw.randint(1, 28))
        dollars = f"USD {draw.randint(1, 99)},{draw.randint(0, 999):03d}.00"
        amount = f"{draw.randint(100, 99999)}.{draw.randint(0, 99):02d}"
        written = ("", day.strftime("%m/%d/%Y"), day.strftime("%Y%m%d"), dollars, amount)
        extra = draw.choice(written)
        parts.append(f"{number} {extra}".strip())
    tail = draw.choice(
        ("", f"TEL {draw.randrange(10**9, 10**10)}", f"CONTRACT {draw.randrange(10**6, 10**8)}",
         f"TRN {draw.randrange(10**11, 10**12)}", f"CUST {customer}",
         f"ACH {draw.randrange(10**14)}", f"VENDOR {draw.randrange(10**5, 10**6)}")
    )  # fmt: skip
    return f"{draw.choice((' ', '; ', ' - ')).join(parts)} {tail}".strip()


def _quoted_twice(_customer: str, numbers: list[str], draw: random.Random) -> str:
    again = [*numbers, *draw.sample(numbers, draw.randint(0, len(numbers)))]
    draw.shuffle(again)
    return " ".join(again)


_LOOKS_LIKE = {"0": "O", "1": "I", "5": "S", "8": "B", "2": "Z", "6": "G"}


def _scanned(number: str, draw: random.Random) -> str:
    """What a scanner makes of digits."""
    return "".join(
        _LOOKS_LIKE[c] if c in _LOOKS_LIKE and draw.random() < 0.2 else c for c in number
    )


def _clumsy(number: str, draw: random.Random) -> str:
    """Two typos, a lost or a doubled digit, or a tail of odd length."""
    at = draw.randrange(len(number))
    return draw.choice(
        (
            number[:at] + number[at + 1 :],
            number[:at] + number[at] + number[at:],
            number[:at] + draw.choice(string.digits) + number[at + 1 :],
            number[-draw.randint(4, 9) :],
            number[: draw.randint(5, 9)],
            number,
        )
    )


# --- what is paid, and what is owed ---------------------------------------------------------------


def _rebuilt(world: World, invoices: list[Invoice], groups: list[Group]) -> World:
    return World(world.name, invoices, groups, world.names)


def _regrouped(world: World, invoices: list[Invoice]) -> World:
    """The world's groups over changed invoices."""
    by_group: dict[str, list[Invoice]] = {}
    for invoice in invoices:
        if invoice.group:
            by_group.setdefault(invoice.group, []).append(invoice)
    groups = [
        replace(group, items=tuple(by_group[group.group]))
        for group in world.groups
        if sum(i.amount for i in by_group[group.group]) > 0
    ]
    return _rebuilt(world, invoices, groups)


def _round_prices(world: World, draw: random.Random) -> World:
    """Prices in steps of 25: equal amounts and equal sums everywhere."""
    step = Decimal(draw.choice((25, 50, 100)))
    rounded = [
        replace(i, amount=max(step, (i.amount / step).quantize(Decimal(1)) * step))
        for i in world.invoices
    ]
    return _regrouped(world, rounded)


def _recurring(world: World, draw: random.Random) -> World:
    """Each customer is billed one of three amounts again and again."""
    prices = {c: [i.amount for i in draw.sample(found, min(3, len(found)))]
              for c, found in sorted(world.by_customer.items())}  # fmt: skip
    return _regrouped(
        world, [replace(i, amount=draw.choice(prices[i.customer])) for i in world.invoices]
    )


def _lump_sums(world: World, draw: random.Random) -> World:
    """Payments of a customer within a week become one, on the first day."""
    groups: list[Group] = []
    by_customer: dict[tuple[str, str, str], list[Group]] = {}
    for group in world.groups:
        key = (group.customer, group.company_code, group.currency_code)
        by_customer.setdefault(key, []).append(group)
    for found in by_customer.values():
        found.sort(key=lambda g: g.clear_date)
        while found:
            first, rest = found[0], found[1:]
            near = [
                g for g in rest
                if g.clear_date - first.clear_date <= timedelta(days=7)
                and all(i.open_from <= first.clear_date for i in g.items)
            ]  # fmt: skip
            taken = near[: draw.randint(0, 3)]
            items = tuple(i for g in (first, *taken) for i in g.items)
            groups.append(replace(first, items=items))
            found[:] = [g for g in rest if g not in taken]
    return _rebuilt(world, world.invoices, groups)


def _with_credits(world: World, draw: random.Random) -> World:
    """Every third payment takes a credit memo off; some credits stay open."""
    invoices, groups = list(world.invoices), []
    for number, group in enumerate(world.groups):
        if draw.random() < 0.35:
            pattern = group.items[0]
            # Finer than the thousandths of short payments, lest one be just the invoices less a
            # credit that stays open: nobody could tell.
            share = Decimal(draw.randint(20_000, 200_000)) / 1_000_000
            amount = -(group.amount * share).quantize(_CENT)
            is_taken = draw.random() < 0.7
            credit = replace(
                pattern,
                item_id=f"CM-{number}",
                number=f"17{number:08d}",
                purchase_order=f"45{draw.randrange(10**8):08d}",
                amount=amount,
                open_until=pattern.open_until if is_taken else None,
                group=group.group if is_taken else "",
            )
            invoices.append(credit)
            if is_taken:
                group = replace(group, items=(*group.items, credit))  # noqa: PLW2901
        groups.append(group)
    return _rebuilt(world, invoices, groups)


def _shared_lumps(world: World, draw: random.Random) -> World:
    """Neighbours that share an account are paid together, now and then."""
    customers = sorted(world.by_customer)
    account = {c: n // 4 for n, c in enumerate(customers)}
    by_day: dict[tuple[int, date, str, str], list[Group]] = {}
    for group in world.groups:
        key = (account[group.customer], group.clear_date, group.company_code, group.currency_code)
        by_day.setdefault(key, []).append(group)
    groups = []
    for found in by_day.values():
        if len(found) > 1 and draw.random() < 0.7:
            items = tuple(i for g in found for i in g.items)
            groups.append(replace(found[0], items=items))
        else:
            groups += found
    return _rebuilt(world, world.invoices, groups)


FAMILIES: tuple[Family, ...] = (
    Family("foreign", Noise(retext=_foreign)),
    Family("run_together", Noise(retext=_run_together, split=0, prefix=0)),
    Family("figures", Noise(retext=_figures)),
    Family("quoted_twice", Noise(retext=_quoted_twice)),
    Family("scanned", Noise(spell=_scanned)),
    Family("clumsy", Noise(spell=_clumsy)),
    Family("typos", Noise(typo=0.6, last_six=0.1)),
    Family("typos_dense", Noise(typo=0.5), is_dense=True),
    Family("partial_stray", Noise(partial=0.5, stray=0.3)),
    Family("silent", Noise(no_reference=0.7)),
    Family("silent_dense", Noise(no_reference=0.7), is_dense=True),
    Family("strangers", Noise(unknown_account=0.7)),
    Family("odd_kinds", Noise(short=0.15, discount=0.15, fee=0.1, over=0.1, duplicate=0.15,
                              prepayment=0.1, partial=0.3)),
    Family("odd_dense", Noise(short=0.15, discount=0.15, fee=0.1, over=0.1, duplicate=0.15,
                              prepayment=0.1), is_dense=True),
    Family("round_prices", Noise(partial=0.2), world=_round_prices),
    Family("recurring", Noise(partial=0.2), world=_recurring),
    Family("lump_sums", Noise(), world=_lump_sums),
    Family("credits", Noise(), world=_with_credits),
    Family("credits_silent", Noise(no_reference=0.5, partial=0.3), world=_with_credits),
    Family("shared", Noise(shared_accounts=3)),
    Family("shared_dense", Noise(shared_accounts=3, typo=0.2), is_dense=True),
    Family("shared_lumps", Noise(shared_accounts=4, partial=0.2), world=_shared_lumps),
    Family("tiny_texts", Noise(text_length_max=35)),
)  # fmt: skip
