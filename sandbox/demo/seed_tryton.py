"""Seeds a Tryton database through its own protocol: parties, postings, orders, in that order.

Tryton is a real server with a clock of its own, so documents carry the seeded days and nothing
waits for a day to come. Rows go in lists, as many to a request as the server takes at ease. Tryton
numbers invoices itself: what the world calls an invoice number is the reference that the customer
knows. A refusal stops the seeding.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.common.errors import LedgerloopError
from ingestion.tryton.client import TrytonClient
from sandbox.demo.additions import World
from sandbox.demo.credit import CreditAccount, LimitKind
from sandbox.demo.crm import ItemNature, PostedItem
from sandbox.demo.dataset import DatasetError
from sandbox.demo.partners import Partner
from sandbox.demo.payments import Payment
from sandbox.tryton.people import People

__all__ = ["Client", "Say", "SetClock", "seed_tryton"]

#: What the seeding opens for this kind.
Client = TrytonClient

Say = Callable[[str], None]
SetClock = Callable[[date], Awaitable[None]]

KEY_PREFIX = "TRY"
_RECEIVABLE, _BANK = "1.2.1", "1.1.1"
_CASH_JOURNAL = "CASH"
#: The world's tax number types that Tryton checks by a name of its own.
_TAX_TYPES = {"US1": "us_ein"}


@dataclass(frozen=True, slots=True)
class _Party:
    """A party and its address, by their ids."""

    party: int
    address: int


async def seed_tryton(
    client: TrytonClient,
    world: World,
    say: Say,
    set_clock: SetClock,
    *,
    key_prefix: str = KEY_PREFIX,
) -> list[PostedItem]:
    """Fill the books of Tryton's companies.

    Args:
        client: signed in to a database with base books and no party of the world's.
        world: what it shall hold; its company codes are Tryton's company ids.
        say: takes a line of progress.
        set_clock: moves the clock of the other sandboxes, which stands at the as-of date
            afterwards; Tryton's own is the machine's.
        key_prefix: of the system, for the items' keys.

    Returns:
        Every posted customer item, with the number and the ids that Tryton gave it.

    Raises:
        DatasetError: Tryton refused something, or its books lack a company or a period.
    """
    seeding = _Seeding(client, world, key_prefix)
    try:
        # Nothing here waits for a day, so nobody who shares the clock shall wait for this.
        posted, _ = await asyncio.gather(seeding.run(say), set_clock(world.dataset.as_of))
    except DatasetError:
        raise
    except LedgerloopError as error:
        raise DatasetError(f"Tryton refused: {error.message}", code="seeding_refused") from error
    return posted


class _Seeding:
    """One seeding; what it made is remembered by the world's own numbers."""

    def __init__(self, client: TrytonClient, world: World, key_prefix: str) -> None:
        self._client = client
        self._world = world
        self._key_prefix = key_prefix
        self._desks: dict[str, People] = {}
        self._parties: dict[str, _Party] = {}

    async def run(self, say: Say) -> list[PostedItem]:
        """Everything in its order."""
        world = self._world
        self._desks = await _desks(self._client, world)
        await self._create_parties()
        say(f"{len(self._parties)} customers")
        posted: list[PostedItem] = []
        for company, desk in self._desks.items():
            posted += await self._post_items(company, desk)
            posted += await self._book_receipts(company, desk)
        say(f"{len(posted)} postings")
        held = await self._take_orders()
        say(f"{len(world.credit.orders)} sales orders, {held} held by credit")
        blocks = sum(bool(account.block_reason) for account in world.credit.accounts)
        if blocks:
            say(f"{blocks} credit holds left out: Tryton has none")
        return posted

    # Master data

    async def _create_parties(self) -> None:
        desk = next(iter(self._desks.values()))
        world = self._world
        partners = list(world.partners.values())
        countries = await _countries(desk, {one.country for one in partners})
        terms = await _terms(desk, world)
        limits = {one.customer: one for one in world.credit.accounts}
        rows = [_party(one, countries, terms, limits.get(one.customer)) for one in partners]
        ids: list[int] = await desk.call("party.party.create", rows)
        for other in list(self._desks.values())[1:]:
            amounts = [_limit(limits.get(one.customer)) for one in partners]
            for party, amount in zip(ids, amounts, strict=True):
                await other.call("party.party.write", [party], {"credit_limit_amount": amount})
        found = {
            row["id"]: row["addresses"][0]
            for row in await desk.rows("party.party", [["id", "in", ids]], "addresses")
        }
        for partner, party in zip(partners, ids, strict=True):
            self._parties[partner.customer] = _Party(party, found[party])
        await self._create_bank_accounts(desk, partners)

    async def _create_bank_accounts(self, desk: People, partners: Sequence[Partner]) -> None:
        """One account per IBAN, with everybody who pays from it as an owner."""
        owners: dict[str, list[int]] = {}
        for partner in partners:
            if partner.is_account_known:
                owners.setdefault(partner.account, []).append(self._parties[partner.customer].party)
        rows = [
            {
                "owners": [["add", parties]],
                "numbers": [["create", [{"type": "iban", "number": account}]]],
            }
            for account, parties in owners.items()
        ]
        if rows:
            await desk.call("bank.account.create", rows)

    # Postings

    async def _post_items(self, company: str, desk: People) -> list[PostedItem]:
        """Invoices and credit notes, in the order of their days."""
        items = self._world.items
        rows = sorted(
            items.filter(items["company_code"] == company).iter_rows(named=True),
            key=lambda row: row["posting_date"],
        )
        drafts = []
        for row in rows:
            one = self._parties[row["customer"]]
            draft = await desk.invoice(
                one.party,
                one.address,
                row["amount"],
                row["posting_date"],
                reference=row["invoice_number"],
                currency_code=row["currency_code"],
                due=_due(row),
            )
            drafts.append(draft)
        made = await desk.post_invoices(drafts) if drafts else []
        return [
            PostedItem(
                item_key=self._key(company, row["posting_date"], one["move"], one["lines_to_pay"]),
                customer=row["customer"],
                company_code=company,
                nature=ItemNature.CREDIT_MEMO if row["amount"] < 0 else ItemNature.INVOICE,
                invoice_number=one["number"],
                amount=row["amount"],
                currency_code=row["currency_code"],
                document_date=row["posting_date"],
                due_date=_due(row),
            )
            for row, one in zip(rows, made, strict=True)
        ]

    async def _book_receipts(self, company: str, desk: People) -> list[PostedItem]:
        """Receipts that a clerk or the bank feed booked, applied to nothing yet."""
        booked = [
            one
            for one in self._world.payments.payments
            if one.booked_by and one.company_code == company
        ]
        if not booked:
            return []
        periods = await _Periods.read(desk)
        made = await desk.post_moves([await self._receipt(desk, one, periods) for one in booked])
        ids = [one["id"] for one in made]
        lines = {
            row["move"]: row["id"]
            for row in await desk.rows(
                "account.move.line", [["move", "in", ids], ["party", "!=", None]], "move"
            )
        }
        return [
            PostedItem(
                item_key=self._key(company, one.value_date, move["id"], [lines[move["id"]]]),
                customer=one.customer,
                company_code=company,
                nature=ItemNature.PAYMENT,
                invoice_number=move["number"],
                amount=-one.amount,
                currency_code=one.currency_code,
                document_date=one.value_date,
                due_date=one.value_date,
            )
            for one, move in zip(booked, made, strict=True)
        ]

    async def _receipt(self, desk: People, payment: Payment, periods: "_Periods") -> dict[str, Any]:
        bank = {
            "account": await desk.find("account.account", "code", _BANK),
            **await desk.amount_fields(payment.amount, payment.currency_code),
        }
        owed = {
            "account": await desk.find("account.account", "code", _RECEIVABLE),
            "party": self._parties[payment.customer].party,
            "description": f"Payment {payment.payer_name}",
            **await desk.amount_fields(-payment.amount, payment.currency_code),
        }
        return {
            "company": desk.company,
            "journal": await desk.find("account.journal", "code", _CASH_JOURNAL),
            "period": periods.of(payment.value_date),
            "date": payment.value_date,
            "description": payment.bank_reference[:16],
            "lines": [["create", [bank, owed]]],
        }

    def _key(self, company: str, day: date, document: int, lines: Sequence[int]) -> str:
        return f"{self._key_prefix}-{company}-{day.year}-{document}-{lines[0]}"

    # Orders

    async def _take_orders(self) -> int:
        """Quote every order and try to confirm it; how many credit kept as quotations."""
        held = 0
        for company, desk in self._desks.items():
            drafts = []
            for order in self._world.credit.orders:
                if order.company_code != company:
                    continue
                one = self._parties[order.customer]
                draft = await desk.sale(
                    one.party,
                    one.address,
                    order.amount,
                    self._world.dataset.as_of,
                    currency_code=order.currency_code,
                    reference=order.purchase_order,
                    shipping=order.requested_date,
                )
                drafts.append(draft)
            for sale in await desk.quote_sales(drafts):
                held += not await desk.confirm_sale(sale)
        return held


class _Periods:
    """The open periods of a company."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = rows

    @classmethod
    async def read(cls, desk: People) -> "_Periods":
        domain = [["company", "=", desk.company], ["type", "=", "standard"], ["state", "=", "open"]]
        return cls(await desk.rows("account.period", domain, "start_date", "end_date"))

    def of(self, day: date) -> int:
        """The period of a day. Raises DatasetError when Tryton has none that is open."""
        for row in self._rows:
            if row["start_date"] <= day <= row["end_date"]:
                return int(row["id"])
        raise DatasetError(
            f"Tryton has no open period for {day}: add its year to sandbox/tryton/base_books.py",
            code="no_period",
        )


async def _desks(client: TrytonClient, world: World) -> dict[str, People]:
    """Somebody in every company of the world, whose books reach as far back as its items.

    Raises:
        DatasetError: Tryton lacks a company or a period; nothing was made.
    """
    codes = sorted(world.dataset.companies)
    known = {str(row["id"]) for row in await client.search_read("company.company", [], ["id"])}
    if strange := sorted(set(codes) - known):
        raise DatasetError(
            f"Tryton has no company {', '.join(strange)}: its base books make one, number 1",
            code="dataset_companies",
        )
    desks = {code: People(client, int(code)) for code in codes}
    for code, desk in desks.items():
        periods = await _Periods.read(desk)
        days = world.items.filter(world.items["company_code"] == code)["posting_date"]
        for day in days.unique().sort():
            periods.of(day)
    return desks


async def _countries(desk: People, codes: set[str]) -> dict[str, int]:
    """Tryton's ids of countries; those that it lacks are made."""
    domain = [["code", "in", sorted(codes)]]
    missing = codes - {row["code"] for row in await desk.rows("country.country", domain, "code")}
    if missing:
        rows = [{"name": code, "code": code} for code in sorted(missing)]
        await desk.call("country.country.create", rows)
    return {row["code"]: row["id"] for row in await desk.rows("country.country", domain, "code")}


async def _terms(desk: People, world: World) -> dict[str, int]:
    """The world's payment terms, made in Tryton: all at once after their days."""
    days = {
        str(name): int(net)
        for name, net in world.dataset.customers.select("payment_terms", "net_days").iter_rows()
        if name
    }
    if not days:
        return {}
    rows = []
    for name, net in days.items():
        delta = ["create", [{"days": net}]]
        line = ["create", [{"type": "remainder", "relativedeltas": [delta]}]]
        rows.append({"name": name, "lines": [line]})
    ids = await desk.call("account.invoice.payment_term.create", rows)
    return dict(zip(days, ids, strict=True))


def _party(
    partner: Partner,
    countries: dict[str, int],
    terms: dict[str, int],
    credit: CreditAccount | None,
) -> dict[str, Any]:
    """A party with address, tax number, payment term and limit."""
    address = {
        "street_unstructured": f"{partner.house_number} {partner.street}",
        "postal_code": partner.postal_code,
        "city": partner.city,
        "country": countries[partner.country],
    }
    identifier = {"type": _TAX_TYPES.get(partner.tax_type), "code": partner.tax_number}
    return {
        "code": partner.customer,
        "name": partner.name,
        "addresses": [["create", [address]]],
        "identifiers": [["create", [identifier]]],
        "customer_payment_term": terms.get(partner.companies[min(partner.companies)]),
        "credit_limit_amount": _limit(credit),
    }


def _limit(credit: CreditAccount | None) -> Decimal | None:
    """In Tryton no amount is no limit, and zero grants nothing."""
    if credit is None or credit.limit.kind is LimitKind.UNLIMITED:
        return None
    return credit.limit.amount


def _due(row: dict[str, Any]) -> date:
    """Credits are due on their day."""
    due: date = row["due_date"] if row["amount"] >= 0 else row["posting_date"]
    return due
