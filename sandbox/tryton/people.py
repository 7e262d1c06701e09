"""What people beside the hub do in Tryton, over its own protocol: for seeds and tests.

Parties, invoices, sales, limits and payments by the pay wizard, as the official client would do it.
It must not be used by the product.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.tryton.client import TrytonClient

__all__ = ["People"]


class People:
    """Somebody who works in one company of a Tryton database."""

    def __init__(self, client: TrytonClient, company: int = 1) -> None:
        self.client = client
        self.context = {"company": company}
        self.company = company
        self._ids: dict[tuple[str, str], int] = {}

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

    async def post_invoice(
        self,
        customer: str,
        amount: Decimal,
        day: date,
        *,
        reference: str,
        currency_code: str = "USD",
        due: date | None = None,
    ) -> dict[str, Any]:
        """A posted invoice without tax: number, move and its receivable line."""
        party = await self.find("party.party", "code", customer)
        address = await self.find("party.address", "party", party)
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
        values: dict[str, Any] = {
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
        (invoice,) = await self.call("account.invoice.create", [values])
        await self.client.write_knowing(
            "model.account.invoice.post",
            [invoice],
            warnings=("invoice_payment_term", "invoice_similar"),
            context=self.context,
        )
        (made,) = await self.rows(
            "account.invoice", [["id", "=", invoice]], "number", "move", "lines_to_pay"
        )
        return dict(made)

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

    async def quote_sale(
        self, customer: str, amount: Decimal, day: date, *, currency_code: str = "USD"
    ) -> dict[str, Any]:
        """A quotation that is shipped on order: what Tryton's credit check looks at."""
        party = await self.find("party.party", "code", customer)
        address = await self.find("party.address", "party", party)
        unit = await self.find("product.uom", "name", "Unit")
        line = {
            "type": "line",
            "quantity": 1,
            "unit": unit,
            "unit_price": amount,
            "description": "Delivery",
        }
        values = {
            "company": self.company,
            "party": party,
            "invoice_address": address,
            "shipment_address": address,
            "currency": await self.find("currency.currency", "code", currency_code),
            "sale_date": day,
            "invoice_method": "order",
            "shipment_method": "order",
            "payment_term": await self.find("account.invoice.payment_term", "name", "Direct"),
            "lines": [["create", [line]]],
        }
        (sale,) = await self.call("sale.sale.create", [values])
        await self.call("sale.sale.quote", [sale])
        (made,) = await self.rows("sale.sale", [["id", "=", sale]], "number", "state")
        return dict(made)


def _fields(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A wizard's form as it was shown; ``company.`` and its kind only name the rows behind ids."""
    defaults: dict[str, Any] = answer["view"]["defaults"]
    return {name: value for name, value in defaults.items() if not name.endswith(".")}
