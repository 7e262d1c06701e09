"""Where PostgreSQL is absent everything else runs, and one line says what is left out."""

import pytest

from sandbox.demo.serving import systems_and_settings
from sandbox.tryton import absence
from sandbox.tryton.beside import POSTGRES_SETTINGS

LINE = "no PostgreSQL: Tryton is left out"
OWN, TESTS = POSTGRES_SETTINGS


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in POSTGRES_SETTINGS:
        monkeypatch.delenv(name, raising=False)


def test_without_postgresql_tryton_is_left_out_with_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    systems, _ = systems_and_settings(is_extract=False, companies=None)
    assert "tryton" not in systems.values()
    assert "sap_s4hana" in systems.values()
    assert capsys.readouterr().err == f"{LINE}\n"


def test_an_empty_setting_leaves_tryton_out_where_tests_have_postgresql(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TESTS, "postgresql://nobody@127.0.0.1:1/none")
    assert absence() != LINE
    monkeypatch.setenv(OWN, "")
    assert absence() == LINE
