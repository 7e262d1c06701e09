"""Credit management: limits with their kind, the check of orders, blocked documents and release.

A limit of zero with ``CreditLimitIsZero`` means no credit at all; without it no limit is defined
and nothing is blocked for its amount (the contract sheet marks this as inferred). Exposure is what
is open on customer items plus open orders that are not blocked, in the segment's currency.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sandbox.sap_s4hana.odata.answers import ODataError
from sandbox.sap_s4hana.odata.payload import Payload
from sandbox.sap_s4hana.odata.rules import Action, SetRules
from sandbox.sap_s4hana.odata.tables import Row
from sandbox.sap_s4hana.ports import ClockPort
from sandbox.sap_s4hana.state import SapState

__all__ = ["CreditCheck", "credit_actions", "credit_rules"]

_ACCOUNT = "CreditManagementAccount"
_PARTNER = "CreditMgmtBusinessPartner"
_ORDER = "A_SalesOrder"
_BLOCKED = "A_CreditBlockedSalesDocument"

CHECK_PASSED, CHECK_BLOCKED, CHECK_RELEASED = "A", "B", "D"
OPEN, DONE = "A", "C"


class CreditCheck:
    """Exposure and the order check of one system."""

    def __init__(self, state: SapState) -> None:
        self._state = state

    def segment_of(self, company_code: str) -> str:
        """The credit segment that a company's business belongs to; empty when it has none."""
        company = self._state.settings.companies.get(company_code)
        return company.credit_segment if company else ""

    def exposure(self, customer: str, segment: str) -> Decimal:
        """Open items plus open orders that are not blocked, in the segment's currency."""
        state = self._state
        currency = state.settings.credit_segments.get(segment, "USD")
        total = Decimal(0)
        for code, company in state.settings.companies.items():
            if company.credit_segment != segment:
                continue
            for item_currency in {company.currency_code, *self._currencies(code, customer)}:
                balance = state.ledger.party_balances.get((code, customer, item_currency))
                if balance:
                    total += state.ledger.convert(balance, item_currency, currency)
        for order in state.tables[_ORDER].where("SoldToParty", customer):
            is_counted = (
                order["OverallSDProcessStatus"] != DONE
                and order["TotalCreditCheckStatus"] != CHECK_BLOCKED
                and self.segment_of(order["SalesOrganization"]) == segment
            )
            if is_counted:
                amount, source = order["TotalNetAmount"], order["TransactionCurrency"]
                total += state.ledger.convert(amount, source, currency)
        return total

    def _currencies(self, company: str, customer: str) -> list[str]:
        rates = self._state.settings.rates
        known = {currency for pair in rates for currency in pair}
        balances = self._state.ledger.party_balances
        return [currency for currency in known if (company, customer, currency) in balances]

    def is_blocked(self, order: Mapping[str, Any]) -> bool:
        """Whether the order must not go out: account blocked, or over its limit."""
        segment = self.segment_of(order["SalesOrganization"])
        account = self._state.tables[_ACCOUNT].get(order["SoldToParty"], segment)
        if account is None:
            return False
        if account["CreditAccountIsBlocked"] or account["CreditLimitIsZero"]:
            return True
        limit = account["CreditLimitAmount"] or Decimal(0)
        if not limit:
            return False
        state = self._state
        currency = state.settings.credit_segments.get(segment, "USD")
        amount = state.ledger.convert(
            order["TotalNetAmount"], order["TransactionCurrency"], currency
        )
        return self.exposure(order["SoldToParty"], segment) + amount > limit


class _PartnerRules(SetRules):
    """A credit profile belongs to a business partner that exists."""

    def __init__(self, state: SapState, accounts: SetRules, clock: ClockPort) -> None:
        super().__init__(_PARTNER, state.tables)
        self._accounts = accounts
        self._clock = clock

    def prepared(self, payload: Payload) -> dict[str, Any]:
        number = payload.values.get("BusinessPartner", "")
        if self.tables["A_BusinessPartner"].get(number) is None:
            raise ODataError(
                400, "UKM/013", f"Business partner {number} does not exist", target=_PARTNER
            )
        return self._dated(payload.values)

    def update(self, row: Row, changes: Mapping[str, Any]) -> None:
        super().update(row, self._dated(changes))

    def _dated(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(values)
        if "CreditRiskClass" in found:
            found["CreditRiskClassLastChangeDate"] = self._clock.today()
        if "CreditWorthinessScoreValue" in found:
            found["CrdtWorthinessScoreLastChgDate"] = self._clock.today()
        return found

    def rules_of(self, name: str) -> SetRules:
        return self._accounts if name == _ACCOUNT else super().rules_of(name)


_LIMIT_FIELDS = ("CreditLimitAmount", "CreditLimitIsZero", "CreditLimitValidityEndDate")


class _AccountRules(SetRules):
    """One credit account per partner and segment; amount and zero flag never contradict."""

    def __init__(self, state: SapState, clock: ClockPort) -> None:
        super().__init__(_ACCOUNT, state.tables)
        self._state = state
        self._clock = clock

    def prepared(self, payload: Payload) -> dict[str, Any]:
        values = payload.values
        segment = values.get("CreditSegment", "")
        currency = self._state.settings.credit_segments.get(segment)
        if currency is None:
            raise ODataError(
                400,
                "UKM/014",
                f"Credit segment {segment} does not exist",
                target="CreditSegment",
            )
        if self.tables[_PARTNER].get(values.get("BusinessPartner", "")) is None:
            raise ODataError(
                400, "UKM/013", "The business partner has no credit profile", target=_PARTNER
            )
        values.setdefault("CreditLimitAmount", Decimal("0.00"))
        checked = self._checked(values, values.get("CreditLimitIsZero", False))
        return {**checked, "CreditSegmentCurrency": currency}

    def update(self, row: Row, changes: Mapping[str, Any]) -> None:
        super().update(row, self._checked(changes, row["CreditLimitIsZero"]))

    def _checked(self, changes: Mapping[str, Any], was_zero: bool) -> dict[str, Any]:
        found = dict(changes)
        amount = found.get("CreditLimitAmount")
        if amount is not None and amount < 0:
            raise ODataError(
                400, "UKM/020", "The credit limit is negative", target="CreditLimitAmount"
            )
        if amount:
            if changes.get("CreditLimitIsZero"):
                raise ODataError(
                    400,
                    "UKM/021",
                    "The credit limit is not zero although it is marked as zero",
                    target="CreditLimitIsZero",
                )
            if was_zero:
                found["CreditLimitIsZero"] = False
        elif changes.get("CreditLimitIsZero"):
            found["CreditLimitAmount"] = Decimal("0.00")
        if any(name in changes for name in _LIMIT_FIELDS):
            found["CreditLimitLastChangeDate"] = self._clock.today()
        return found


class _OrderRules(SetRules):
    """Orders are checked when they are created; a client cannot lift the credit block here."""

    def __init__(self, state: SapState, check: CreditCheck, clock: ClockPort) -> None:
        super().__init__(_ORDER, state.tables)
        self._state = state
        self._check = check
        self._clock = clock

    def prepared(self, payload: Payload) -> dict[str, Any]:
        values = payload.values
        number = values.get("SoldToParty", "")
        customer = self.tables["A_Customer"].get(number)
        if customer is None:
            raise ODataError(
                400, "VP/199", f"Sold-to party {number} does not exist", target="SoldToParty"
            )
        if customer["OrderIsBlockedForCustomer"]:
            raise ODataError(
                400, "V1/251", f"Customer {number} is blocked for orders", target="SoldToParty"
            )
        company = self._state.settings.companies.get(values.get("SalesOrganization", ""))
        if company is None:
            raise ODataError(
                400,
                "V1/404",
                f"Sales organization {values.get('SalesOrganization', '')} does not exist",
                target="SalesOrganization",
            )
        today = self._clock.today()
        order = {
            "SalesOrderType": "OR",
            "SalesOrderDate": today,
            "TransactionCurrency": company.currency_code,
            "TotalNetAmount": Decimal("0.00"),
            **values,
            "SalesOrder": values.get("SalesOrder") or self._state.next_number("order", 1),
            "CreationDate": today,
            "LastChangeDate": today,
            "LastChangeDateTime": self._clock.now(),
            "OverallSDProcessStatus": OPEN,
        }
        is_blocked = self._check.is_blocked(order)
        order["TotalCreditCheckStatus"] = CHECK_BLOCKED if is_blocked else CHECK_PASSED
        order["TotalBlockStatus"] = "C" if is_blocked else ""
        return order

    def create(self, payload: Payload) -> Row:
        row = super().create(payload)
        if row["TotalCreditCheckStatus"] == CHECK_BLOCKED:
            self.tables[_BLOCKED].insert(
                {
                    "SalesDocument": row["SalesOrder"],
                    "SDDocumentCategory": "C",
                    "SalesDocumentType": row["SalesOrderType"],
                    "SoldToParty": row["SoldToParty"],
                    "CreditSegment": self._check.segment_of(row["SalesOrganization"]),
                    "TotalCreditCheckStatus": CHECK_BLOCKED,
                    "TotalNetAmount": row["TotalNetAmount"],
                    "TransactionCurrency": row["TransactionCurrency"],
                }
            )
        return row

    def update(self, row: Row, changes: Mapping[str, Any]) -> None:
        changed = {k: v for k, v in changes.items() if row[k] != v}
        if changed:
            super().update(row, {**changed, **_now(self._clock, row)})


def _now(clock: ClockPort, row: Row) -> dict[str, Any]:
    """Change date and instant, later than the row's last ones."""
    now = clock.now()
    last = row["LastChangeDateTime"]
    if last is not None:
        now = max(now, last + timedelta(milliseconds=1))
    return {"LastChangeDate": clock.today(), "LastChangeDateTime": now}


class _CreditMemoRules(SetRules):
    """Credit memo requests: requested and billing-blocked first, priced from their items."""

    def __init__(self, state: SapState, clock: ClockPort) -> None:
        super().__init__("A_CreditMemoRequest", state.tables)
        self._state = state
        self._clock = clock

    def prepared(self, payload: Payload) -> dict[str, Any]:
        values = payload.values
        if self.tables["A_Customer"].get(values.get("SoldToParty", "")) is None:
            raise ODataError(
                400,
                "VP/199",
                f"Sold-to party {values.get('SoldToParty', '')} does not exist",
                target="SoldToParty",
            )
        today = self._clock.today()
        number = values.get("CreditMemoRequest") or self._state.next_number("memo", 60_000_000)
        company = self._state.settings.companies.get(values.get("SalesOrganization", ""))
        currency = values.get("TransactionCurrency") or (company.currency_code if company else "")
        parts = payload.nested.get("to_Item", [])
        for place, part in enumerate(parts, 1):
            part.values.setdefault("CreditMemoRequestItem", f"{place * 10:06d}")
            part.values.setdefault("TransactionCurrency", currency)
        total = sum((p.values.get("NetAmount") or Decimal(0) for p in parts), Decimal("0.00"))
        return {
            "CreditMemoRequestType": "CR",
            "CreditMemoRequestDate": today,
            **values,
            "CreditMemoRequest": number,
            "TransactionCurrency": currency,
            "TotalNetAmount": total,
            "CreationDate": today,
            "LastChangeDate": today,
            "LastChangeDateTime": self._clock.now(),
            "OverallSDProcessStatus": OPEN,
        }

    def update(self, row: Row, changes: Mapping[str, Any]) -> None:
        changed = {k: v for k, v in changes.items() if row[k] != v}
        if changed:
            super().update(row, {**changed, **_now(self._clock, row)})


def credit_rules(state: SapState, clock: ClockPort) -> dict[str, SetRules]:
    """The rules of credit, order and credit memo sets."""
    accounts = _AccountRules(state, clock)
    return {
        _ACCOUNT: accounts,
        _PARTNER: _PartnerRules(state, accounts, clock),
        _ORDER: _OrderRules(state, CreditCheck(state), clock),
        "A_CreditMemoRequest": _CreditMemoRules(state, clock),
        "A_CreditMemoRequestItem": SetRules("A_CreditMemoRequestItem", state.tables),
    }


class _Actions:
    """Check, release and reject of a blocked document; asking twice does no harm."""

    def __init__(self, state: SapState, clock: ClockPort) -> None:
        self._state = state
        self._clock = clock
        self._check = CreditCheck(state)

    def _order(self, document: str) -> tuple[Row, Row | None]:
        order = self._state.tables[_ORDER].get(document)
        if order is None:
            raise ODataError(
                400,
                "V1/302",
                f"Sales document {document} is not in the database or has been archived",
                target="SalesDocument",
            )
        return order, self._state.tables[_BLOCKED].get(document)

    def _end_block(self, order: Row, blocked: Row, changes: dict[str, Any]) -> None:
        self._state.tables[_BLOCKED].delete(blocked)
        stamped = {**changes, "TotalBlockStatus": "", **_now(self._clock, order)}
        self._state.tables[_ORDER].update(order, stamped)
        verb = "released" if changes.get("TotalCreditCheckStatus") else "rejected"
        self._state.note_order(order["SalesOrder"], verb)

    def release(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        document = parameters["SalesDocument"]
        order, blocked = self._order(document)
        if blocked is None:
            return _message("W", f"Document {document} is not blocked by the credit check")
        self._end_block(order, blocked, {"TotalCreditCheckStatus": CHECK_RELEASED})
        return _message("S", f"Document {document} was released")

    def reject(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        document = parameters["SalesDocument"]
        order, blocked = self._order(document)
        if blocked is None:
            return _message("W", f"Document {document} is not blocked by the credit check")
        self._end_block(order, blocked, {"OverallSDProcessStatus": DONE})
        return _message("S", f"Document {document} was rejected")

    def check(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        document = parameters["SalesDocument"]
        order, blocked = self._order(document)
        if blocked is None:
            return _message("W", f"Document {document} is not blocked by the credit check")
        if self._check.is_blocked({n: order[n] for n in order.type.index}):
            return _message("E", f"Document {document} is still blocked: credit limit exceeded")
        self._end_block(order, blocked, {"TotalCreditCheckStatus": CHECK_PASSED})
        return _message("S", f"Document {document} passed the credit check")


def _message(kind: str, text: str) -> dict[str, Any]:
    return {"Message": text, "MessageType": kind}


def credit_actions(state: SapState, clock: ClockPort) -> dict[str, Action]:
    """The function imports on blocked sales documents."""
    actions = _Actions(state, clock)
    return {
        "CheckCreditBlock": actions.check,
        "ReleaseCreditBlock": actions.release,
        "RejectCreditBlock": actions.reject,
    }
