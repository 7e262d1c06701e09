"""What people and the bank do beside the receipts of the world: two payments more, and one loop.

Before the first loop a stranger pays and a customer pays in advance. After it the bank takes a
payment back that the hub had applied, the stranger's receipt is assigned to the customer whose it
is, the advance is given back, and the customer is asked to pay a charge. One loop does all of it,
and the next must find nothing to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from tests.flow.camt import Movement
from tests.flow.desk import Desk
from tests.flow.scene import Finished, Scene

__all__ = [
    "CHARGE",
    "MEMO",
    "PREPAID",
    "PREPAID_AMOUNT",
    "RETURN",
    "STRANGER",
    "STRANGERS_AMOUNT",
    "Afterwards",
]

RETURN, PREPAID, STRANGER, MEMO = "TRYRETURN1", "TRYPREPAID", "TRYSTRANGE", "DM-TRY-1"
CHARGE, PREPAID_AMOUNT, STRANGERS_AMOUNT = "35.50", "812", "604.83"
_COMPANY = "1"


@dataclass
class Afterwards:
    """What was done, and what came of it.

    Attributes:
        scene: the home that goes on.
        desk: where the bank leaves its statements, for every home.
        customer: who pays in advance, as Tryton calls it.
        runs: the loops with their reports.
        said: what people's commands answered.
    """

    scene: Scene
    desk: Desk
    customer: str
    runs: list[tuple[Finished, dict[str, Any]]] = field(default_factory=list)
    said: dict[str, Finished] = field(default_factory=dict)

    def pay(self, account: str) -> None:
        """The stranger's payment, and the one in advance from a known account."""
        text = f"{self.customer} prepayment for June"
        self.desk.pay(
            _COMPANY,
            Movement(PREPAID, PREPAID_AMOUNT, text, account=account),
            Movement(STRANGER, STRANGERS_AMOUNT, "thank you", "Quite Another Ltd"),
        )

    def go_on(self, scene: Scene) -> None:
        """All that follows, in one home whose first loop is done."""
        self.scene, returned = scene, self.returned
        back = Movement(
            RETURN, returned["amount"], "returned: no funds", returns=returned["bank_reference"]
        )
        self.desk.pay(_COMPANY, back)
        customer = f"TRY-{self.customer}"
        self._say("assign", "assign", self._receipt(STRANGER), "--customer", customer, by="anna")
        self._agreed("refund", self._receipt(PREPAID), "--reason", "cancelled")
        self._agreed(
            "debit-memo", customer, "--company", _COMPANY, "--amount", CHARGE, "--currency", "USD",
            "--reason", "FREIGHT", "--text", "Freight of May", "--reference", MEMO,
        )  # fmt: skip
        self.runs += [scene.sync(), scene.sync()]

    @property
    def returned(self) -> Mapping[str, Any]:
        """The receipt that the bank takes back, as the generator knows it: it paid one invoice."""
        return next(
            one
            for one in self.scene.truth["receipts"]
            if one["kind"] == "exact" and not one["booked_by"] and len(one["pays"]) == 1
        )

    def published(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the published warehouse."""
        file = (self.scene.home / "published" / "warehouse.duckdb").resolve()
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def _receipt(self, reference: str) -> str:
        """The hub's id of a receipt."""
        query = f"select receipt_id from marts.fct_receipts where bank_reference = '{reference}'"
        ((found,),) = self.published(query)
        return str(found)

    def _say(self, name: str, *words: str, by: str) -> Finished:
        self.said[name] = self.scene.ledgerloop(*words, "--as", by, LOGNAME=by)
        return self.said[name]

    def _agreed(self, name: str, *words: str) -> None:
        """Anna asks, and another agrees."""
        asked = self._say(f"{name} asked", name, *words, "--json", by="anna")
        assert asked.code == 0, asked.err
        command = asked.json()["command_id"][:12]
        self._say(name, "approve", command, "--reason", "seen", by="maria")
