"""Deductions: a short payment becomes a dispute, and a decided dispute what follows from it.

Pure: frames in, rows of ``decisions.deductions`` out, each with its reason in plain words (domain
§B5). Evidence opens a dispute under an internal reason code and people decide it
(``ledger.disputes``). A valid one proposes a credit memo; a write-off follows a refusal or is for
a trifle. Both count as approved only within the policy's bands or by the word of others than
who decided. Nothing is decided above the open amount of an item, and the same input gives the same
rows: a known dispute is not opened again, a decision's id holds dispute, line and version.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from ingestion.common.money import canonical_text
from reverse_etl.decisions.deductions_approval import Authority
from reverse_etl.decisions.deductions_codes import CodeMap
from reverse_etl.decisions.deductions_evidence import OpenItem, ShortPay, items_by_key, short_pays
from reverse_etl.planning.policy import Policy

__all__ = ["DEDUCTIONS_SCHEMA", "decide_deductions", "decision_id_of", "dispute_id_of"]

_COLUMNS: Mapping[str, pl.DataType] = {
    "decision_id": pl.String(),
    "dispute_id": pl.String(),
    "receipt_id": pl.String(),
    "system_id": pl.String(),
    "company_code": pl.String(),
    "customer_id": pl.String(),
    "customer": pl.String(),
    "item_key": pl.String(),
    "reason_code": pl.String(),
    "external_code": pl.String(),
    "amount": pl.Decimal(28, 6),
    "currency_code": pl.String(),
    "status": pl.String(),
    "action": pl.String(),
    "version": pl.Int32(),
    "approved": pl.Boolean(),
    "due_at": pl.Datetime("us", "UTC"),
    "reason": pl.String(),
    "as_of_date": pl.Date(),
}

#: Columns of ``decisions.deductions``.
DEDUCTIONS_SCHEMA = pl.Schema(_COLUMNS)

_ZERO = Decimal(0)
_OVER = frozenset({"closed", "written_off", "void"})
_ACCEPTED = frozenset({"valid", "partly_valid", "write_off_requested"})
_NEXT: Mapping[str, str] = {
    "new": "nobody has looked at it yet",
    "triage": "it is being sorted",
    "assigned": "somebody works on it",
    "awaiting_customer": "the customer must answer",
    "awaiting_internal": "documents of our own are missing",
    "denied": "it was denied: ask the customer to pay",
    "repay_requested": "the customer was asked to pay",
    "reopened": "it was opened again: decide it or write it off",
    "posted": "its credit memo is posted",
}


def decide_deductions(
    applications: pl.DataFrame,
    remittance_lines: pl.DataFrame,
    open_items: pl.DataFrame,
    disputes: pl.DataFrame,
    code_map: CodeMap,
    policy: Policy,
    *,
    as_of: date,
    rates: Mapping[str, Decimal],
    posted: Collection[str] = (),
) -> pl.DataFrame:
    """Open disputes and say what follows from those that are known.

    Args:
        applications: ``decisions.applications``.
        remittance_lines: see ``deductions_evidence.short_pays``.
        open_items: item_key, system_id, company_code, customer_id, customer, currency_code,
            amount_open, references. Items of known disputes also when nothing is open of them.
        disputes: ``ledger.disputes``, those that are over included.
        code_map: customers' codes to reason codes.
        policy: clocks, bands, roles.
        as_of: the business date of the run.
        rates: rate to group currency by currency code; an amount without one is never small.
        posted: decision ids whose credit memo or write-off a target confirmed.

    Returns:
        ``DEDUCTIONS_SCHEMA``: one row per line of every living dispute, new ones last.
    """
    items = items_by_key(open_items)
    known = list(
        disputes.sort("opened_at", "dispute_id", "item_key", "receipt_id").iter_rows(named=True)
    )
    authority = Authority(policy, as_of, rates, known)
    desk = _Desk(items, policy, as_of, authority, frozenset(posted), _sums(known, "amount"))
    rows = [row for line in known if line["status"] not in _OVER for row in desk.known(line)]
    pays = short_pays(applications, remittance_lines, items)
    rows.extend(desk.new(pays, known, code_map))
    return pl.DataFrame(rows, schema=DEDUCTIONS_SCHEMA, orient="row")


def dispute_id_of(short: ShortPay, item_keys: Collection[str] = ()) -> str:
    """Identity of the dispute a short payment belongs to: one per receipt, customer and code.

    ``item_keys`` only where evidence came later, when the first dispute of the receipt stands.
    """
    parts = (
        short.receipt_id, short.system_id, short.company_code, short.customer_id,
        short.currency_code, short.external_code.casefold(), *sorted(item_keys),
    )  # fmt: skip
    return "DSP-" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16].upper()


def decision_id_of(dispute_id: str, item_key: str, receipt_id: str, version: int) -> str:
    """Identity of a decision on one line: a credit memo is created once per such id."""
    line = hashlib.sha256(f"{item_key}\x1f{receipt_id}".encode()).hexdigest()[:8].upper()
    return f"{dispute_id}-{line}-V{version}"


def _sums(known: list[dict[str, Any]], name: str) -> dict[tuple[str, int], Decimal]:
    """Totals of a column per dispute and version; bands look at the whole, not at a line."""
    found: dict[tuple[str, int], Decimal] = {}
    for line in known:
        key = (line["dispute_id"], line["version"])
        found[key] = found.get(key, _ZERO) + (line[name] or _ZERO)
    return found


@dataclass(slots=True)
class _Desk:
    """Decides line by line; holds how much of each item is spoken for already."""

    items: Mapping[str, OpenItem]
    policy: Policy
    as_of: date
    authority: Authority
    posted: frozenset[str]
    claimed: Mapping[tuple[str, int], Decimal]
    _taken: dict[str, Decimal] = field(default_factory=dict)
    _living: dict[str, Decimal] = field(default_factory=dict)

    # -- disputes that are known -------------------------------------------------------------------

    def known(self, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """What follows for one line of a known dispute."""
        status = line["status"]
        # A clearing may have left the rest as a new item: that one is open now.
        key = line.get("current_item_key") or line["item_key"]
        item = None if line.get("is_item_unclear") else self.items.get(key)
        accepted = line["amount_accepted"] or _ZERO
        done = decision_id_of(
            line["dispute_id"], line["item_key"], line["receipt_id"], line["version"]
        )
        if done in self.posted and (status in _ACCEPTED or status == "new"):
            is_memo = status in ("valid", "partly_valid")
            amount = accepted if status in _ACCEPTED else line["amount"]
            self.authority.count("credit_memo" if is_memo else "write_off", line, amount)
            over = "written_off"
            if is_memo:
                over = "posted" if item is None or item.amount_open > 0 else "closed"
            yield self._row(line, over, "none", amount, "the target confirmed it", approved=True)
            return
        if item is None:
            text = "the ERP does not show what is open of it: nothing is done before it does"
            yield self._row(line, status, "none", line["amount"], text)
            return
        living = _total(self._living, item.item_key)
        _add(self._living, item.item_key, line["amount"])
        if item.amount_open <= 0:
            text = "nothing is open of the item any more"
            yield self._row(line, "closed", "none", line["amount"], text)
        elif status not in _ACCEPTED:
            yield from self._waiting(line, item, living)
        elif accepted > 0:
            yield self._accepted(line, item, accepted)
        else:
            yield self._row(line, status, "none", _ZERO, "nothing of this line was accepted")

    def _waiting(
        self, line: Mapping[str, Any], item: OpenItem, living: Decimal
    ) -> Iterator[dict[str, Any]]:
        """A line on which somebody must act; a trifle may be written off instead."""
        status, amount = line["status"], line["amount"]
        text = _NEXT.get(status, f"it is {status}")
        if self._is_late(line["due_at"]) and status != "posted":
            text += f"; due since {line['due_at'].date().isoformat()}"
        total = self.claimed[line["dispute_id"], line["version"]]
        is_small = status == "new" and self.authority.is_small(total, line["currency_code"])
        if is_small and amount <= item.amount_open - living:
            approved, why = self.authority.agree("write_off", line, total)
            if approved:
                _add(self._taken, item.item_key, amount)
                small = f"too small to argue about: {why}"
                yield self._row(line, status, "write_off", amount, small, approved=True)
                return
        yield self._row(line, status, "none", amount, text)

    def _accepted(
        self, line: Mapping[str, Any], item: OpenItem, accepted: Decimal
    ) -> dict[str, Any]:
        """A credit memo or a write-off, never above what is open and not yet spoken for."""
        is_write_off = line["status"] == "write_off_requested"
        action = "write_off" if is_write_off else "propose_credit_memo"
        free = item.amount_open - _total(self._taken, item.item_key)
        if accepted > free:
            text = (
                f"{canonical_text(accepted)} was accepted, only {canonical_text(max(free, _ZERO))} "
                "is open: decide it again"
            )
            return self._row(line, line["status"], "none", accepted, text)
        _add(self._taken, item.item_key, accepted)
        total = self.authority.accepted_total(line)
        purpose = "write_off" if is_write_off else "credit_memo"
        approved, why = self.authority.agree(purpose, line, total)
        verdict = {"valid": "found valid", "partly_valid": "found valid in part"}.get(
            line["status"], "to be written off"
        )
        status = "approved" if approved else line["status"]
        if not approved and not is_write_off:
            status = "credit_memo_proposed"
        text = f"{verdict} by {line['decided_by']}: {why}"
        return self._row(line, status, action, accepted, text, approved=approved)

    def _is_late(self, due_at: datetime) -> bool:
        return due_at.date() < self.as_of

    # -- disputes to open --------------------------------------------------------------------------

    def new(
        self, pays: list[ShortPay], known: list[dict[str, Any]], code_map: CodeMap
    ) -> Iterator[dict[str, Any]]:
        """Lines of disputes to open, several short payments for one reason in one dispute."""
        lines = {
            (k["receipt_id"], k["item_key"], (k["external_code"] or "").casefold()) for k in known
        }
        ids = {line["dispute_id"] for line in known}
        cases: dict[str, list[ShortPay]] = {}
        for pay in pays:
            key = pay.item.item_key if pay.item else ""
            if (pay.receipt_id, key, pay.external_code.casefold()) not in lines:
                cases.setdefault(dispute_id_of(pay), []).append(pay)
        for dispute_id, parts in cases.items():
            if dispute_id in ids:
                keys = sorted({p.item.item_key for p in parts if p.item})
                dispute_id = dispute_id_of(parts[0], keys)  # noqa: PLW2901 (evidence came later)
            for pay in _one_per_item(parts):
                yield self._open(dispute_id, pay, code_map)

    def _open(self, dispute_id: str, pay: ShortPay, code_map: CodeMap) -> dict[str, Any]:
        code, why = code_map.code_of(pay.customer_id, pay.external_code, pay.claim_text)
        line = {
            "dispute_id": dispute_id, "item_key": pay.item.item_key if pay.item else None,
            "receipt_id": pay.receipt_id, "system_id": pay.system_id,
            "company_code": pay.company_code, "customer_id": pay.customer_id,
            "customer": pay.item.customer if pay.item else None, "reason_code": code,
            "external_code": pay.external_code, "currency_code": pay.currency_code, "version": 0,
            "due_at": self._due(code),
        }  # fmt: skip
        said = f" ({pay.claim_text})" if pay.claim_text else ""
        if pay.item is None:
            text = f"kept back{said}, but nothing says on which item: look at the payment"
            return self._row(line, "triage", "none", pay.amount, text)
        free = pay.item.amount_open - _total(self._living, pay.item.item_key)
        if pay.amount > free or pay.item.currency_code != pay.currency_code:
            text = (
                f"{canonical_text(pay.amount)} {pay.currency_code} was kept back{said}, but only "
                f"{canonical_text(max(free, _ZERO))} {pay.item.currency_code} is open undisputed"
            )
            return self._row(line, "triage", "none", pay.amount, text)
        _add(self._living, pay.item.item_key, pay.amount)
        how = "kept back by the payment" if pay.source == "payment" else "stated by the remittance"
        return self._row(line, "new", "open_dispute", pay.amount, f"{how}{said}: {why}")

    def _due(self, reason_code: str) -> datetime:
        rules = self.policy.deductions
        days = rules.sla_days_by_reason.get(reason_code, rules.sla_days)
        return datetime.combine(self.as_of + timedelta(days=days), time(), UTC)

    def _row(
        self,
        line: Mapping[str, Any],
        status: str,
        action: str,
        amount: Decimal,
        reason: str,
        *,
        approved: bool = False,
    ) -> dict[str, Any]:
        identity = decision_id_of(
            line["dispute_id"], line["item_key"] or "", line["receipt_id"] or "", line["version"]
        )
        return {
            **{name: line.get(name) for name in DEDUCTIONS_SCHEMA.names()},
            "decision_id": identity,
            "item_key": line.get("current_item_key") or line["item_key"],
            "status": status,
            "action": action,
            "amount": amount,
            "approved": approved,
            "reason": reason,
            "as_of_date": self.as_of,
        }


def _total(sums: Mapping[str, Decimal], key: str) -> Decimal:
    return sums.get(key, _ZERO)


def _add(sums: dict[str, Decimal], key: str, amount: Decimal) -> None:
    sums[key] = sums.get(key, _ZERO) + amount


def _one_per_item(parts: list[ShortPay]) -> Iterator[ShortPay]:
    """Short payments of one item, receipt and code as one line."""
    lines: dict[str, ShortPay] = {}
    for pay in parts:
        key = pay.item.item_key if pay.item else ""
        before = lines.get(key)
        if before is None:
            lines[key] = pay
        else:
            texts = dict.fromkeys(filter(None, (before.claim_text, pay.claim_text)))
            lines[key] = _joined(before, pay, "; ".join(texts))
    yield from lines.values()


def _joined(one: ShortPay, other: ShortPay, text: str) -> ShortPay:
    return ShortPay(
        one.receipt_id, one.system_id, one.company_code, one.customer_id, one.currency_code,
        one.item, one.amount + other.amount, one.external_code, text, one.source,
    )  # fmt: skip
