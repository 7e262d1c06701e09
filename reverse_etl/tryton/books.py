"""Tryton's bookkeeping in small verbs: find ids, find documents by key, create, post, reconcile.

Every writing verb is one request and one transaction of Tryton; what several of them make together
is decided by whoever calls. Nothing is remembered but ids that never change (accounts, journals,
currencies). It must not decide what is posted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused, VendorRejected
from ingestion.tryton.client import TrytonClient

__all__ = ["LINE_FIELDS", "Books", "Rate", "amount_of", "currency_of", "total_of"]

#: What is asked of a move line, wherever one is looked at.
LINE_FIELDS = (
    "account", "account.code", "account.type.receivable", "party", "party.code", "move",
    "move.state", "move.date", "move.description", "move.company", "move.origin", "description",
    "debit", "credit", "amount_second_currency", "second_currency.code", "reconciliation",
    "account.company.currency.code", "account.reconcile", "move.journal.type", "maturity_date",
)  # fmt: skip
MOVE_FIELDS = ("number", "state", "date", "description", "company", "origin")
_WRITE_OFF_VIEW = "view"


@dataclass(frozen=True, slots=True)
class Rate:
    """A currency in a company's books on a day: how to turn its amounts into the company's."""

    currency_id: int | None
    """None for the company's own currency."""
    units: Decimal
    company_units: Decimal
    company_digits: int

    def in_company(self, amount: Decimal) -> Decimal:
        """An amount in the company's currency, rounded as Tryton does (half to even)."""
        if self.currency_id is None:
            return amount
        value = amount * self.company_units / self.units
        return value.quantize(Decimal(1).scaleb(-self.company_digits))


def amount_of(line: dict[str, Any]) -> Decimal:
    """A line's amount in its own currency, debit positive."""
    if line.get("second_currency."):
        return Decimal(line["amount_second_currency"])
    return Decimal(line["debit"] - line["credit"])


def currency_of(line: dict[str, Any]) -> str:
    """The code of the currency that ``amount_of`` counts in."""
    second = line.get("second_currency.")
    company: dict[str, Any] = line["account."]["company."]["currency."]
    return str(second["code"] if second else company["code"])


def total_of(lines: Sequence[dict[str, Any]], sign: int = 1) -> dict[str, Any]:
    """The amount fields of one line that holds what lines of one currency hold together.

    Args:
        lines: at least one.
        sign: -1 for a line that takes it back.
    """
    company = sign * sum((line["debit"] - line["credit"] for line in lines), Decimal(0))
    values: dict[str, Any] = {
        "debit": max(company, Decimal(0)),
        "credit": max(-company, Decimal(0)),
    }
    if second := lines[0].get("second_currency."):
        values["second_currency"] = second["id"]
        values["amount_second_currency"] = sign * sum(map(amount_of, lines))
    return values


class Books:
    """One company's books behind the client."""

    def __init__(self, client: TrytonClient, company: int) -> None:
        self.client = client
        self.company = company
        self.context = {"company": company, "active_test": False}
        self._ids: dict[tuple[str, str], int] = {}

    async def rows(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], *, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Rows of a model, the oldest first."""
        return await self.client.search_read(
            model, domain, fields, limit=limit, order=(("id", "ASC"),), context=self.context
        )

    # Master data

    async def account(self, code: str) -> int:
        """An account of this company. Raises InputRefused when there is none."""
        domain = [["code", "=", code], ["company", "=", self.company]]
        return await self._id("account.account", code, domain, "gl_account")

    async def journal(self, code: str) -> int:
        """A journal. Raises InputRefused when there is none."""
        return await self._id("account.journal", code, [["code", "=", code]], "cash_journal")

    async def _id(self, model: str, code: str, domain: Sequence[Any], where: str) -> int:
        if (model, code) not in self._ids:
            rows = await self.rows(model, domain, ("id",), limit=2)
            if len(rows) != 1:
                raise InputRefused(
                    f"{model} {code!r}: Tryton has {len(rows)} of it, one is needed",
                    code="no_such_code",
                    where=where,
                )
            self._ids[model, code] = rows[0]["id"]
        return self._ids[model, code]

    async def party(self, code: str) -> dict[str, Any]:
        """A party with the account that its receivables are posted on.

        Raises:
            InputRefused: no such party, or an archived one.
        """
        fields = ("active", "name", "account_receivable")
        rows = await self.rows("party.party", [["code", "=", code]], fields, limit=1)
        if not rows or not rows[0]["active"]:
            raise InputRefused(
                f"party {code!r} is {'archived' if rows else 'unknown'} in Tryton",
                code="no_such_party",
                where="customer",
            )
        if rows[0]["account_receivable"] is None:
            rows[0]["account_receivable"] = await self._default_receivable(code)
        return rows[0]

    async def _default_receivable(self, code: str) -> int:
        """The company's receivable account, for parties that have none of their own."""
        name = "default_account_receivable"
        (row,) = await self.client.read(
            "model.account.configuration.read", [1], [name], context=self.context
        )
        if row[name] is None:
            raise InputRefused(
                f"party {code!r} has no receivable account in company {self.company}",
                code="no_such_code",
                where="customer",
            )
        return int(row[name])

    async def period(self, day: date) -> int:
        """The open period of a day. Raises InputRefused when it is closed or was never opened."""
        domain = [
            ["company", "=", self.company], ["type", "=", "standard"],
            ["start_date", "<=", day], ["end_date", ">=", day],
        ]  # fmt: skip
        rows = await self.rows("account.period", domain, ("state",), limit=1)
        if not rows or rows[0]["state"] != "open":
            raise InputRefused(
                f"the period of {day} is {rows[0]['state'] if rows else 'not opened'} in Tryton",
                code="closed_period",
                where="posting_date",
            )
        return int(rows[0]["id"])

    async def rate(self, currency_code: str, day: date) -> Rate:
        """How amounts of a currency become the company's on a day.

        Raises:
            InputRefused: Tryton does not have the currency, or no rate by then.
        """
        company = await self.client.search_read(
            "company.company", [["id", "=", self.company]], ["currency.code"], context=self.context
        )
        own = str(company[0]["currency."]["code"])
        rows = await self.client.search_read(
            "currency.currency",
            [["code", "in", [own, currency_code]]],
            ["code", "digits", "rate"],
            context={**self.context, "date": day},
        )
        found = {row["code"]: row for row in rows}
        if currency_code not in found or not found[currency_code]["rate"]:
            raise InputRefused(
                f"Tryton has no rate of {currency_code} on {day}",
                code="no_rate",
                where="currency_code",
            )
        one = found[currency_code]
        return Rate(
            None if currency_code == own else int(one["id"]),
            Decimal(one["rate"]),
            Decimal(found[own]["rate"] or 1),
            int(found[own]["digits"]),
        )

    def side(self, amount: Decimal, rate: Rate) -> dict[str, Any]:
        """The amount fields of a line: debit for a positive amount, credit for a negative one."""
        company = rate.in_company(abs(amount))
        values: dict[str, Any] = {
            "debit": company if amount > 0 else Decimal(0),
            "credit": company if amount < 0 else Decimal(0),
        }
        if rate.currency_id is not None:
            values["second_currency"] = rate.currency_id
            values["amount_second_currency"] = amount
        return values

    # Documents

    async def moves_with(self, keys: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Moves by the key that their description begins with, drafts among them."""
        found: dict[str, list[dict[str, Any]]] = {key: [] for key in keys}
        if keys:
            domain = [
                ["company", "=", self.company],
                ["OR", *([["description", "like", f"{key}%"]] for key in keys)],
            ]
            for row in await self.rows("account.move", domain, MOVE_FIELDS):
                key = str(row["description"])[: len(keys[0])]
                if key in found:
                    found[key].append(row)
        return found

    async def lines_of(self, moves: Sequence[int]) -> list[dict[str, Any]]:
        """The lines of moves."""
        if not moves:
            return []
        return await self.rows("account.move.line", [["move", "in", list(moves)]], LINE_FIELDS)

    async def lines(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Lines by id."""
        rows = await self.rows("account.move.line", [["id", "in", list(ids)]], LINE_FIELDS)
        return {row["id"]: row for row in rows}

    async def moves_from(self, moves: Sequence[int]) -> list[dict[str, Any]]:
        """Posted moves that name one of these as their origin."""
        domain = [
            ["state", "=", "posted"],
            ["OR", *([["origin", "=", f"account.move,{move}"]] for move in moves)],
        ]
        return await self.rows("account.move", domain, MOVE_FIELDS) if moves else []

    async def reconciled_with(self, reconciliations: Sequence[int]) -> list[dict[str, Any]]:
        """All lines of reconciliations."""
        if not reconciliations:
            return []
        domain = [["reconciliation", "in", list(reconciliations)]]
        return await self.rows("account.move.line", domain, LINE_FIELDS)

    async def create_move(self, values: dict[str, Any]) -> int:
        """A draft move; its id."""
        made = await self.client.write("model.account.move.create", [values], context=self.context)
        return int(made[0])

    async def post(self, move: int) -> None:
        """Post a draft."""
        await self.client.write("model.account.move.post", [move], context=self.context)

    async def delete_drafts(self, moves: Sequence[int]) -> None:
        """Remove drafts; Tryton refuses posted ones."""
        if moves:
            await self.client.write("model.account.move.delete", list(moves), context=self.context)

    async def reconcile(self, lines: Sequence[int]) -> None:
        """Reconcile lines that add up to nothing.

        Raises:
            VendorRejected: they do not (Tryton asks for a write-off), or one is reconciled.
        """
        result = await self._by_wizard("reconcile_lines", lines)
        if isinstance(result, dict) and result.get(_WRITE_OFF_VIEW):
            raise VendorRejected(
                f"lines {', '.join(map(str, lines))} do not add up to nothing: Tryton asks for a "
                "write-off",
                code="does_not_add_up",
                status=200,
                field="lines",
            )

    async def unreconcile(self, lines: Sequence[int]) -> None:
        """Delete the reconciliations that lines are in; every line of these is open again.

        Raises:
            VendorRejected: Tryton asks whether what belongs to one (a write-off) may stay behind.
        """
        await self._by_wizard("unreconcile_lines", lines)

    async def _by_wizard(self, wizard: str, lines: Sequence[int]) -> Any:
        """What Tryton's own wizard answers for lines of the ledger."""
        name = f"wizard.account.move.{wizard}"
        session, start, _ = await self.client.write(f"{name}.create", context=self.context)
        context = {
            **self.context,
            "active_model": "account.move.line",
            "active_id": lines[0],
            "active_ids": list(lines),
        }
        result = await self.client.write(f"{name}.execute", session, {}, start, context=context)
        await self.client.write(f"{name}.delete", session, context=self.context)
        return result

    # Invoices

    async def paid_by(self, lines: Sequence[int]) -> list[dict[str, Any]]:
        """Invoices beside which one of these lines stands."""
        if not lines:
            return []
        domain = [["payment_lines", "in", list(lines)]]
        return await self.rows("account.invoice", domain, ("number", "move", "payment_lines"))

    async def invoice_of(self, move: int) -> dict[str, Any] | None:
        """The invoice that a move is of."""
        fields = ("number", "state", "payment_lines", "lines_to_pay", "reference")
        rows = await self.rows("account.invoice", [["move", "=", move]], fields, limit=1)
        return rows[0] if rows else None

    async def attach(self, invoice: int, lines: Sequence[int]) -> None:
        """Let lines pay a part of an invoice. Tryton refuses more than is open."""
        await self._write_payments(invoice, "add", lines)

    async def detach(self, invoice: int, lines: Sequence[int]) -> None:
        """Let lines pay nothing of an invoice any more."""
        await self._write_payments(invoice, "remove", lines)

    async def _write_payments(self, invoice: int, what: str, lines: Sequence[int]) -> None:
        values = {"payment_lines": [[what, list(lines)]]}
        await self.client.write(
            "model.account.invoice.write", [invoice], values, context=self.context
        )
