"""Rules of the customer master: numbers, names, change dates, companies that must exist.

Every change below a partner moves the partner's LastChangeDate: clients read deltas there, because
``A_Customer`` and its companies carry no change date of their own.
"""

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sandbox.sap_s4hana.odata.answers import ODataError
from sandbox.sap_s4hana.odata.payload import Payload
from sandbox.sap_s4hana.odata.rules import SetRules
from sandbox.sap_s4hana.odata.tables import Row
from sandbox.sap_s4hana.ports import ClockPort
from sandbox.sap_s4hana.state import SapState

__all__ = ["master_rules"]

_USER = "CB9980000042"


class _MasterRules(SetRules):
    """Shared by all sets of the business partner service."""

    def __init__(self, name: str, state: SapState, clock: ClockPort) -> None:
        super().__init__(name, state.tables)
        self.state = state
        self.clock = clock
        self.siblings: Mapping[str, SetRules] = {}

    def rules_of(self, name: str) -> SetRules:
        return self.siblings[name]

    def touched(self, row: Row) -> None:
        """Move the change date of the partner behind this row."""
        number = row["BusinessPartner" if "BusinessPartner" in row.type.index else "Customer"]
        partner = self.tables["A_BusinessPartner"].get(number)
        if partner is not None:
            now = self.clock.now()
            self.tables["A_BusinessPartner"].update(
                partner,
                {
                    "LastChangeDate": now.date(),
                    "LastChangeTime": now.time().replace(microsecond=0),
                    "LastChangedByUser": _USER,
                    "ETag": f"{_USER}{now:%Y%m%d%H%M%S}"[:26],
                },
            )


class _PartnerRules(_MasterRules):
    """A customer is created together with its partner and has the partner's number."""

    def prepared(self, payload: Payload) -> dict[str, Any]:
        values = payload.values
        number = values.get("BusinessPartner") or self.state.next_number("partner", 10_000_000)
        category = values.get("BusinessPartnerCategory", "")
        if category not in ("1", "2", "3"):
            raise ODataError(
                400,
                "R11/108",
                "Enter a valid business partner category",
                target="BusinessPartnerCategory",
            )
        name = _name(values)
        now = self.clock.now()
        return {
            **values,
            "BusinessPartner": number,
            "Customer": number if payload.nested.get("to_Customer") else "",
            "BusinessPartnerName": name,
            "BusinessPartnerFullName": name,
            "BusinessPartnerUUID": str(uuid5(NAMESPACE_URL, f"partner/{number}")),
            "CreatedByUser": _USER,
            "CreationDate": now.date(),
            "CreationTime": now.time().replace(microsecond=0),
        }

    def update(self, row: Row, changes: Mapping[str, Any]) -> None:
        merged = {**{n: row[n] for n in _NAME_PARTS}, **changes}
        name = _name(merged)
        super().update(
            row, {**changes, "BusinessPartnerName": name, "BusinessPartnerFullName": name}
        )
        customer = self.tables["A_Customer"].get(row["Customer"])
        if customer is not None:
            self.tables["A_Customer"].update(
                customer, {"CustomerName": name[:80], "CustomerFullName": name}
            )


_NAME_PARTS = (
    "FirstName",
    "LastName",
    "OrganizationBPName1",
    "OrganizationBPName2",
)


def _name(values: Mapping[str, Any]) -> str:
    return " ".join(values[n] for n in _NAME_PARTS if values.get(n))[:81]


class _CustomerRules(_MasterRules):
    def prepared(self, payload: Payload) -> dict[str, Any]:
        number = payload.values.get("Customer", "")
        partner = self.tables["A_BusinessPartner"].get(number)
        if partner is None:
            raise ODataError(
                400, "R11/657", f"Business partner {number} does not exist", target="Customer"
            )
        name = partner["BusinessPartnerName"]
        return {
            **payload.values,
            "CustomerName": name[:80],
            "CustomerFullName": name,
            "CreatedByUser": _USER,
            "CreationDate": self.clock.today(),
        }


class _CompanyRules(_MasterRules):
    def prepared(self, payload: Payload) -> dict[str, Any]:
        values = payload.values
        settings = self.state.settings
        if values.get("CompanyCode") not in settings.companies:
            raise ODataError(
                400,
                "F2/163",
                f"Company code {values.get('CompanyCode', '')} does not exist",
                target="CompanyCode",
            )
        account = values.get("ReconciliationAccount") or settings.ar_gl_account
        if account != settings.ar_gl_account:
            raise ODataError(
                400,
                "F2/104",
                f"Account {account} is no reconciliation account for customers",
                target="ReconciliationAccount",
            )
        return {**values, "ReconciliationAccount": account}

    def update(self, row: Row, changes: Mapping[str, Any]) -> None:
        self.prepared(Payload({"CompanyCode": row["CompanyCode"], **changes}))
        super().update(row, changes)


class _AddressRules(_MasterRules):
    def prepared(self, payload: Payload) -> dict[str, Any]:
        number = payload.values.get("AddressID") or self.state.next_number("address", 20_000)
        return {**payload.values, "AddressID": number}


class _BankRules(_MasterRules):
    def prepared(self, payload: Payload) -> dict[str, Any]:
        values = payload.values
        if not values.get("BankIdentification"):
            partner = values.get("BusinessPartner", "")
            known = len(self.table.where("BusinessPartner", partner))
            values["BankIdentification"] = f"{known + 1:04d}"
        return values


_RULES: Mapping[str, type[_MasterRules]] = {
    "A_BusinessPartner": _PartnerRules,
    "A_Customer": _CustomerRules,
    "A_CustomerCompany": _CompanyRules,
    "A_BusinessPartnerAddress": _AddressRules,
    "A_BusinessPartnerBank": _BankRules,
    "A_BusinessPartnerTaxNumber": _MasterRules,
    "A_CustomerDunning": _MasterRules,
    "A_CustomerSalesArea": _MasterRules,
}


def master_rules(state: SapState, clock: ClockPort) -> dict[str, SetRules]:
    """The rules of every set of the business partner service."""
    made = {name: rules(name, state, clock) for name, rules in _RULES.items()}
    found: dict[str, SetRules] = dict(made)
    for rules in made.values():
        rules.siblings = found
    return found
