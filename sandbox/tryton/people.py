"""What people beside the hub do in Tryton, over its own protocol: for seeds and tests.

Parties, invoices, sales, limits and payments by the pay wizard, as the official client would do it.
It must not be used by the product.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.common.errors import VendorRejected
from ingestion.tryton.client import TrytonClient

__all__ = ["People"]

#: Documents posted by one request: Tryton starts it anew for each lock that it needs.
_POSTED_MAX = 50


class People:
    """Somebody who works in one company of a Tryton database."""

    def __init__(self, client: TrytonClient, company: int = 1) -> None:
        self.client = client
        self.context = {"company": company}
        self.company = company
        self._ids: dict[tuple[str, str], int] = {}
        self._currencies: dict[str, dict[str, Any]] = {}
        self._own_currency = ""

    async def call(self, method: str, *parameters: Any) -> Any:
        """Any method of a model, in the company's context."""
        return await self.client.write(f"model.{method}", *parameters, context=self.context)

    async def find(self, model: str, field: str, value: Any) -> int:
        """The id of the one row with a value; remembered."""
        if (model, str(value)) not in self._ids:
            rows = await self.client.search_read(
                model, [[field, "=", value]], ["id"], limit=1, context=self.context
            )
            self._ids[model, str(value)] = rows[0]["id"]
        return self._ids[model, str(value)]

    async def rows(self, model: str, domain: list[Any], *fields: str) -> list[dict[str, Any]]:
        """Rows of a model."""
        return await self.client.search_read(model, domain, fields, context=self.context)

    # Master data

    async def create_party(self, code: str, name: str, address: Mapping[str, str] = {}) -> int:
        """A party with one address."""
        values = {"name": name, "code": code, "addresses": [["create", [dict(address)]]]}
        (party,) = await self.call("party.party.create", [values])
        return int(party)

    async def set_limit(self, code: str, amount: Decimal | None) -> None:
        """Change a party's credit limit; None takes it away."""
        party = await self.find("party.party", "code", code)
        await self.call("party.party.write", [party], {"credit_limit_amount": amount})

    # Documents

    async def invoice(
        self,
        party: int,
        address: int,
        amount: Decimal,
        day: date,
        *,
        reference: str,
        currency_code: str = "USD",
        due: date | None = None,
    ) -> dict[str, Any]:
        """A draft invoice without tax as Tryton wants it, a credit note below zero."""
        currency = await self.find("currency.currency", "code", currency_code)
        line = {
            "type": "line",
            "company": self.company,
            "currency": currency,
            "quantity": 1 if amount >= 0 else -1,
            "unit_price": abs(amount),
            "account": await self.find("account.account", "code", "4.1.1"),
            "description": "Delivery",
        }
        return {
            "type": "out",
            "company": self.company,
            "party": party,
            "invoice_address": address,
            "currency": currency,
            "account": await self.find("account.account", "code", "1.2.1"),
            "journal": await self.find("account.journal", "code", "REV"),
            "invoice_date": day,
            "reference": reference,
            "payment_term_date": due,
            "payment_term": await self.find("account.invoice.payment_term", "name", "Direct"),
            "lines": [["create", [line]]],
        }

    async def post_invoices(self, drafts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Posted invoices in the order of their drafts: number, move and receivable line.

        Drafts are in the order of their days: Tryton numbers none before an earlier one.
        """
        ids: list[int] = await self.call("account.invoice.create", list(drafts))
        await self._accept("invoice_payment_term", "account.invoice", ids)
        for start in range(0, len(ids), _POSTED_MAX):
            part = ids[start : start + _POSTED_MAX]
            # In two requests: what is validated need not be done again when numbering waits.
            await self.call("account.invoice.validate_invoice", part)
            await self.call("account.invoice.post", part)
        rows = await self.rows(
            "account.invoice", [["id", "in", ids]], "number", "move", "lines_to_pay"
        )
        found = {row["id"]: row for row in rows}
        return [found[one] for one in ids]

    async def _accept(self, warning: str, model: str, ids: Sequence[int]) -> None:
        """Say yes beforehand to what Tryton would ask about each document."""
        # The hash is how Tryton names a question's document; nothing is kept safe by it.
        names = [
            hashlib.md5(f"{model},{one}".encode(), usedforsecurity=False).hexdigest() for one in ids
        ]
        user = await self.client.user_id()
        answers = [{"user": user, "name": f"{name}.{warning}", "always": False} for name in names]
        await self.call("res.user.warning.create", answers)

    async def post_invoice(
        self, customer: str, amount: Decimal, day: date, **more: Any
    ) -> dict[str, Any]:
        """One invoice of a customer, posted; ``more`` as ``invoice`` takes it."""
        party = await self.find("party.party", "code", customer)
        address = await self.find("party.address", "party", party)
        draft = await self.invoice(party, address, amount, day, **more)
        (made,) = await self.post_invoices([draft])
        return made

    async def post_moves(self, drafts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Posted documents of the ledger in the order of their drafts: number and lines."""
        ids: list[int] = await self.call("account.move.create", list(drafts))
        for start in range(0, len(ids), _POSTED_MAX):
            await self.call("account.move.post", ids[start : start + _POSTED_MAX])
        rows = await self.rows("account.move", [["id", "in", ids]], "number", "lines")
        found = {row["id"]: row for row in rows}
        return [found[one] for one in ids]

    async def amount_fields(self, amount: Decimal, currency_code: str) -> dict[str, Any]:
        """A ledger line's amount, debit above zero: in the company's currency, and in its own."""
        if not self._currencies:
            (company,) = await self.rows(
                "company.company", [["id", "=", self.company]], "currency.code"
            )
            self._own_currency = company["currency."]["code"]
            fields = ("code", "rate", "digits")
            rows = await self.rows("currency.currency", [], *fields)
            self._currencies = {row["code"]: row for row in rows}
        own, one = self._currencies[self._own_currency], self._currencies[currency_code]
        value, more = abs(amount), {}
        if one is not own:
            unit = Decimal(1).scaleb(-own["digits"])
            value = (value * own["rate"] / one["rate"]).quantize(unit)
            more = {"second_currency": one["id"], "amount_second_currency": amount}
        debit, credit = (value, Decimal(0)) if amount > 0 else (Decimal(0), value)
        return {"debit": debit, "credit": credit, **more}

    async def pay_by_wizard(self, invoice: int, amount: Decimal, day: date, text: str) -> None:
        """Tryton's own way to pay an invoice, whole or (answering its question) in part."""
        name = "wizard.account.invoice.pay"
        session, start, _ = await self.client.write(f"{name}.create", context=self.context)
        context = {
            **self.context,
            "active_model": "account.invoice",
            "active_id": invoice,
            "active_ids": [invoice],
        }
        shown = await self.client.write(f"{name}.execute", session, {}, start, context=context)
        form = {
            **_fields(shown),
            "amount": amount,
            "date": day,
            "description": text,
            "payment_method": await self.find(
                "account.invoice.payment.method", "name", "Bank transfer"
            ),
        }
        asked = await self.client.write(
            f"{name}.execute", session, {"start": form}, "choice", context=context
        )
        if asked.get("view"):
            data = {"start": form, "ask": {**_fields(asked), "type": "partial"}}
            await self.client.write(f"{name}.execute", session, data, "pay", context=context)
        await self.client.write(f"{name}.delete", session, context=self.context)

    async def reconcile(self, lines: Sequence[int]) -> None:
        """Reconcile lines of the ledger that add up to nothing, as a clerk does."""
        name = "wizard.account.move.reconcile_lines"
        session, start, _ = await self.client.write(f"{name}.create", context=self.context)
        context = {
            **self.context,
            "active_model": "account.move.line",
            "active_id": lines[0],
            "active_ids": list(lines),
        }
        await self.client.write(f"{name}.execute", session, {}, start, context=context)
        await self.client.write(f"{name}.delete", session, context=self.context)

    async def sale(
        self,
        party: int,
        address: int,
        amount: Decimal,
        day: date,
        *,
        currency_code: str = "USD",
        reference: str = "",
        shipping: date | None = None,
    ) -> dict[str, Any]:
        """A draft sale that is shipped on order: what Tryton's credit check looks at."""
        line = {
            "type": "line",
            "quantity": 1,
            "unit": await self.find("product.uom", "name", "Unit"),
            "unit_price": amount,
            "description": "Delivery",
        }
        return {
            "company": self.company,
            "party": party,
            "invoice_address": address,
            "shipment_address": address,
            "currency": await self.find("currency.currency", "code", currency_code),
            "sale_date": day,
            "shipping_date": shipping,
            "reference": reference or None,
            "invoice_method": "order",
            "shipment_method": "order",
            "payment_term": await self.find("account.invoice.payment_term", "name", "Direct"),
            "lines": [["create", [line]]],
        }

    async def quote_sales(self, drafts: Sequence[Mapping[str, Any]]) -> list[int]:
        """Quotations of drafts; their ids."""
        ids: list[int] = await self.call("sale.sale.create", list(drafts))
        if ids:
            await self.call("sale.sale.quote", ids)
        return ids

    async def quote_sale(
        self, customer: str, amount: Decimal, day: date, **more: Any
    ) -> dict[str, Any]:
        """One quotation of a customer; ``more`` as ``sale`` takes it."""
        party = await self.find("party.party", "code", customer)
        address = await self.find("party.address", "party", party)
        draft = await self.sale(party, address, amount, day, **more)
        (sale,) = await self.quote_sales([draft])
        (made,) = await self.rows("sale.sale", [["id", "=", sale]], "number", "state")
        return dict(made)

    async def confirm_sale(self, sale: int) -> bool:
        """Try to confirm a quotation; False when its party's credit limit forbids it."""
        try:
            await self.call("sale.sale.confirm", [sale])
        except VendorRejected as refused:
            if "credit_limit" not in refused.code:
                raise
            return False
        return True


def _fields(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A wizard's form as it was shown; ``company.`` and its kind only name the rows behind ids."""
    defaults: dict[str, Any] = answer["view"]["defaults"]
    return {name: value for name, value in defaults.items() if not name.endswith(".")}
