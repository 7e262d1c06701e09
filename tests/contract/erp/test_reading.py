"""Every ERP kind reads alike: all, changes, page boundaries, ended sessions, throttling, lies."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingestion.common.errors import LedgerloopError, OutcomeUnknown, VendorAnswerInvalid
from ingestion.common.report import ReadReport
from ingestion.common.transport import Response, Transport
from ingestion.common.warehouse import open_warehouse
from tests.contract.erp.bench import NOW, ErpBench, bench_kinds
from tests.contract.erp.wires import Disturbed
from tests.ingestion.support import answer

Act = Callable[[Any], Any]


@dataclass
class Desk:
    """A bench with a warehouse of its own."""

    bench: ErpBench
    warehouse: Path
    runs: int = 0

    def read(self, transport: Transport | None = None) -> ReadReport:
        """Read with the kind's own reader."""
        import importlib

        self.runs += 1
        module = importlib.import_module(f"ingestion.{self.bench.kind}")
        report: ReadReport = module.read(
            self.bench.system,
            self.warehouse,
            run_started_at=NOW + timedelta(minutes=self.runs),
            only_objects=self.bench.shape.item_objects or None,
            transport=transport or self.bench.transport(),
        )
        return report

    def items(self) -> dict[str, Decimal]:
        with open_warehouse(self.warehouse) as connection:
            return self.bench.items(connection)


@pytest.fixture
def desk(bench: ErpBench, tmp_path: Path) -> Desk:
    return Desk(bench, tmp_path / "warehouse.duckdb")


def test_every_kind_has_its_adapter() -> None:
    assert {"netsuite", "sap_s4hana"} <= set(bench_kinds())


def test_a_first_read_brings_everything_exactly_and_a_second_nothing(
    desk: Desk, act: Act, name: str
) -> None:
    amounts = {"USD": Decimal("1234.56"), "JPY": Decimal(98765), "KWD": Decimal("12.345")}
    wanted = {}
    for currency_code in desk.bench.shape.currencies:
        number = f"{name}{currency_code}"
        wanted[number] = amounts[currency_code]
        act(desk.bench.post_invoice(number, wanted[number], currency_code))
    for place in range(5):
        number = f"{name}N{place}"
        wanted[number] = Decimal("10.10") + place
        act(desk.bench.post_invoice(number, wanted[number]))
    first = desk.read()
    assert first.drift == ()
    held = desk.items()
    assert {number: held.get(number) for number in wanted} == wanted
    again = desk.read()
    assert sum(one.rows_changed for one in again.objects) == 0


def test_a_read_of_changes_brings_what_is_new_changed_and_gone(
    desk: Desk, act: Act, name: str
) -> None:
    act(desk.bench.post_invoice(f"{name}A", Decimal("11.00")))
    act(desk.bench.post_invoice(f"{name}B", Decimal("12.00")))
    desk.read()
    act(desk.bench.post_invoice(f"{name}C", Decimal("13.00")))
    act(desk.bench.touch_invoice(f"{name}A"))
    act(desk.bench.remove_invoice(f"{name}B"))
    report = desk.read()
    held = desk.items()
    assert held[f"{name}A"] == Decimal("11.00")
    assert held[f"{name}C"] == Decimal("13.00")
    assert f"{name}B" not in held
    assert sum(one.rows_changed for one in report.objects) >= 2


def test_a_row_that_changes_between_two_pages_is_neither_lost_nor_doubled(
    desk: Desk, act: Act, name: str
) -> None:
    numbers = [f"{name}P{place}" for place in range(8)]
    for number in numbers:
        act(desk.bench.post_invoice(number, Decimal("5.00")))

    async def meddle() -> None:
        await desk.bench.touch_invoice(numbers[0])
        await desk.bench.touch_invoice(numbers[6])

    wire = Disturbed(desk.bench.transport(), desk.bench.shape.read_path)
    wire.before = dict.fromkeys(range(2, 6), meddle)
    desk.read(wire)
    held = desk.items()
    assert [held.get(number) for number in numbers] == [Decimal("5.00")] * 8
    assert wire.seen > 2


def test_a_session_that_ends_in_the_middle_of_a_read_is_opened_again(
    desk: Desk, act: Act, name: str
) -> None:
    if not desk.bench.shape.has_sessions:
        pytest.skip("this vendor signs every request by itself")
    for place in range(5):
        act(desk.bench.post_invoice(f"{name}S{place}", Decimal("7.00")))
    wire = Disturbed(desk.bench.transport(), desk.bench.shape.read_path)
    wire.before = {2: desk.bench.end_sessions}
    desk.read(wire)
    assert {f"{name}S{place}" for place in range(5)} <= set(desk.items())


def test_a_read_that_is_throttled_or_loses_answers_comes_through(
    desk: Desk, act: Act, name: str
) -> None:
    act(desk.bench.post_invoice(f"{name}T", Decimal("8.00")))
    wire = Disturbed(desk.bench.transport(), desk.bench.shape.read_path)
    wire.answers = {1: desk.bench.throttled(), 2: desk.bench.throttled()}
    wire.lost = frozenset({3})
    desk.read(wire)
    assert desk.items()[f"{name}T"] == Decimal("8.00")


def _html(_: Response) -> Response:
    return answer(200, "<html><body>Maintenance</body></html>", Content_Type="text/html")


def _half(whole: Response) -> Response:
    return Response(whole.status, whole.headers, whole.body[: len(whole.body) // 2])


def _wrong_type(whole: Response) -> Response:
    return answer(200, whole.body, Content_Type="text/plain")


_SPOILED = {
    "HTML instead of data": _html,
    "half a page": _half,
    "a wrong content type": _wrong_type,
}


@pytest.mark.parametrize("wrong", [*_SPOILED, "the vendor's own"])
def test_a_broken_answer_is_a_typed_error_that_names_its_request_and_loads_nothing(
    desk: Desk, act: Act, name: str, wrong: str
) -> None:
    act(desk.bench.post_invoice(f"{name}B", Decimal("9.00")))
    own = desk.bench.shape.bad_answers
    spoils = (
        [_SPOILED[wrong]]
        if wrong in _SPOILED
        else [lambda _, given=given: given for given in own.values()]
    )
    for spoil in spoils:
        wire = Disturbed(desk.bench.transport(), desk.bench.shape.read_path)
        wire.spoils = {0: spoil}
        with pytest.raises(LedgerloopError) as caught:
            desk.read(wire)
        assert isinstance(caught.value, VendorAnswerInvalid | OutcomeUnknown)
        assert wire.seen > 1 or wrong not in _SPOILED, "a broken page is asked for again first"
        assert not desk.warehouse.exists() or desk.items() == {}
