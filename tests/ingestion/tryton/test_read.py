"""Which parties are asked for, and what is not asked where Tryton lacks a module."""

import json
from typing import Any

from ingestion.common.config import Company, System
from ingestion.common.transport import Request, Response
from ingestion.tryton import check
from tests.ingestion.support import Vendor, answer

OWN_PARTY = 7


def tryton(**options: str) -> System:
    return System(
        system_id="tryton_test",
        kind="tryton",
        base_url="http://127.0.0.1:4/books",
        companies={"1": Company(currency_code="USD")},
        options=options,
        credentials={"username": "admin", "password": "secret"},
    )


def server(request: Request) -> Response:
    """A Tryton that has one company and no row of anything else."""
    asked = json.loads(request.body or b"")
    method = asked["method"]
    results: dict[str, Any] = {
        "common.db.login": [3, "token", None],
        "model.res.user.get_preferences": {"company": 1},
        "model.company.company.search_read": [{"id": 1, "party": OWN_PARTY}],
    }
    return answer(200, {"id": asked["id"], "result": results.get(method, [])})


def asked_of(system: System) -> dict[str, list[Any]]:
    """Domain by method of everything that a first reading asks for."""
    vendor = Vendor(rule=server)
    assert check(system, transport=vendor) == []
    calls = [json.loads(one.body or b"") for one in vendor.asked]
    return {one["method"]: one["params"][0] for one in calls if "search_read" in one["method"]}


def test_a_company_s_own_party_is_no_customer() -> None:
    domain = asked_of(tryton())["model.party.party.search_read"]
    assert ["id", "not in", [OWN_PARTY]] in domain


def test_bank_accounts_are_not_asked_for_where_that_module_is_missing() -> None:
    numbers = "model.bank.account.number.search_read"
    assert numbers in asked_of(tryton())
    assert numbers not in asked_of(tryton(reads_bank_accounts="no"))
