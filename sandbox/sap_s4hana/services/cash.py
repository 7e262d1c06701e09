"""Lockbox batches and payment advices: what SAP does with cash that is handed to it whole.

A lockbox item becomes a receipt on the customer whose open item it quotes (else among the
unidentified receipts), and is cleared with the items it quotes: with its deductions as residual
items where a reason is given, left on account where the amounts do not fit. A payment advice is
kept for whoever clears by it. Both name the fields of the contract sheet (§1.5c, d); number ranges
and which company a lockbox belongs to are settings.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.sap_s4hana.books import ITEMS, Books, EntryDraft, EntryRefused, ItemDraft
from sandbox.sap_s4hana.clearing import ClearingDraft, ClearingItem, ClearingRefused, clear
from sandbox.sap_s4hana.odata.answers import ODataError
from sandbox.sap_s4hana.odata.payload import Payload
from sandbox.sap_s4hana.odata.rules import SetRules
from sandbox.sap_s4hana.odata.tables import Row
from sandbox.sap_s4hana.ports import ClockPort
from sandbox.sap_s4hana.state import SapState

__all__ = ["cash_rules"]

ZERO = Decimal(0)


class _LockboxRules(SetRules):
    """Posts every item of a batch when the batch is created; refuses one that does not add up."""

    def __init__(self, state: SapState, books: Books, clock: ClockPort) -> None:
        super().__init__("LockboxBatch", state.tables)
        self._state = state
        self._books = books
        self._clock = clock

    def prepared(self, payload: Payload) -> dict[str, Any]:
        values = payload.values
        settings = self._state.settings
        if values.get("Lockbox", "") not in settings.lockboxes:
            raise ODataError(
                400, "FB/101", f"Lockbox {values.get('Lockbox', '')} is unknown", target="Lockbox"
            )
        items = payload.nested.get("to_Item", [])
        total = sum((i.values.get("AmountInTransactionCurrency", ZERO) for i in items), ZERO)
        if not items or total != values.get("AmountInTransactionCurrency"):
            raise ODataError(
                400,
                "FB/102",
                f"The items make {total}, not the amount of the batch",
                target="AmountInTransactionCurrency",
            )
        return {
            **values,
            "LockboxBatchInternalKey": self._state.next_number("lockbox", 1),
            "LockboxBatch": "001",
        }

    def create_nested(self, row: Row, payload: Payload) -> None:
        for number, item in enumerate(payload.nested.get("to_Item", []), 1):
            item.values.setdefault("LockboxBatchItem", f"{number:05d}")
            advice = self._state.next_number("advice", 10_000_000)
            item.values["PaymentAdvice"] = advice
            place = {n: row[n] for n in ("LockboxBatchInternalKey", "LockboxBatch")}
            self.tables["LockboxBatchItem"].insert({**item.values, **place})
            made = self._post(row, item)
            for position, one in enumerate(item.nested.get("to_LockboxClearing", []), 1):
                key = {
                    **place,
                    "LockboxBatchItem": item.values["LockboxBatchItem"],
                    "PaymentAdviceItem": f"{position:05d}",
                }
                self.tables["LockboxClearing"].insert({**one.values, **key, **made})

    def _post(self, batch: Row, item: Payload) -> dict[str, Any]:
        """Post one item and clear what it quotes; its document."""
        company, bank = self._state.settings.lockboxes[batch["Lockbox"]]
        amount = item.values["AmountInTransactionCurrency"]
        currency = item.values.get("Currency", "")
        quoted = [
            (one.values, self._open_item(company, currency, one.values.get("PaymentReference", "")))
            for one in item.nested.get("to_LockboxClearing", [])
        ]
        customer = next((row["Customer"] for _, row in quoted if row is not None), "")
        today = batch["DepositDateTime"] or self._clock.today()
        reference = {"AssignmentReference": f"{batch['LockboxBatchOrigin']}"[:18]}
        (unidentified,) = self._state.settings.open_item_gl_accounts
        credit = (
            ItemDraft("D", customer, -amount, None, dict(reference))
            if customer
            else ItemDraft("S", unidentified, -amount, None, dict(reference))
        )
        draft = EntryDraft(
            company, "DZ", today, today, currency,
            [credit, ItemDraft("S", bank, amount, None, {})],
            {"DocumentReferenceID": item.values.get("Cheque", "")[:16]},
        )  # fmt: skip
        try:
            journal = self._books.post(draft)
        except EntryRefused as refused:
            raise ODataError(400, refused.type_id, refused.note, target=refused.element) from None
        company_code, year, document = journal.key
        made = {
            "CompanyCode": company_code,
            "FiscalYear": str(year),
            "AccountingDocument": document,
        }
        if customer:
            self._clear(draft, made, customer, quoted)
        return made

    def _clear(
        self,
        draft: EntryDraft,
        made: Mapping[str, Any],
        customer: str,
        quoted: list[tuple[dict[str, Any], Row | None]],
    ) -> None:
        """Clear the receipt with what it quotes; what does not fit stays on account."""
        place = (draft.company_code, made["FiscalYear"], made["AccountingDocument"], "001")
        items = [ClearingItem("D", customer, *place)]
        for values, row in quoted:
            if row is None:
                return
            left = values.get("DeductionAmountInPaytCurrency") or None
            company, year, document, position = row.key
            reason = values.get("PaymentDifferenceReason", "")
            items.append(
                ClearingItem(
                    "D",
                    row["Customer"],
                    company,
                    year,
                    document,
                    position,
                    None,
                    left,
                    None,
                    reason,
                )
            )
        request = ClearingDraft(
            "", draft.company_code, "AB", draft.posting_date, draft.posting_date,
            draft.currency_code, items,
        )  # fmt: skip
        try:
            clear(self._state, self._books, self._clock, request)
        except ClearingRefused:
            return

    def _open_item(self, company: str, currency: str, reference: str) -> Row | None:
        """The one open customer item with this payment reference or number."""
        found = [
            row
            for row in self.tables[ITEMS].rows.values()
            if reference
            and row["CompanyCode"] == company
            and row["FinancialAccountType"] == "D"
            and row["TransactionCurrency"] == currency
            and not row["IsCleared"]
            and reference in (row["PaymentReference"], row["DocumentReferenceID"])
        ]
        return found[0] if len(found) == 1 else None


class _AdviceRules(SetRules):
    """A payment advice gets its number here and belongs to a customer of the company."""

    def __init__(self, state: SapState) -> None:
        super().__init__("A_PaymentAdvice", state.tables)
        self._state = state

    def prepared(self, payload: Payload) -> dict[str, Any]:
        values = payload.values
        account = values.get("PaymentAdviceAccount", "")
        company = values.get("CompanyCode", "")
        if self.tables["A_CustomerCompany"].get(account, company) is None:
            raise ODataError(
                400,
                "F5/102",
                f"Customer {account} is not defined in company code {company}",
                target="PaymentAdviceAccount",
            )
        for number, part in enumerate(payload.nested.get("to_PaymentAdviceItem", []), 1):
            part.values.setdefault("PaymentAdviceItem", f"{number:05d}")
        advice = values.get("PaymentAdvice") or self._state.next_number("advice", 10_000_000)
        return {**values, "PaymentAdvice": advice, "PaymentAdviceStatus": "1"}


def cash_rules(state: SapState, books: Books, clock: ClockPort) -> dict[str, SetRules]:
    """The rules of lockbox and payment advice sets."""
    return {
        "LockboxBatch": _LockboxRules(state, books, clock),
        "A_PaymentAdvice": _AdviceRules(state),
    }
