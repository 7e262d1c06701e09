"""The writer over real sockets: signing, reading by key, looking up, limits."""

import asyncio

import pytest

from ingestion.common.config import load_config
from ingestion.common.errors import ConfigError, VendorAnswerInvalid
from ingestion.common.transport import AiohttpTransport
from ingestion.rest import check
from ingestion.rest.client import RestClient
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    Rejected,
    Retry,
    Unknown,
)
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from tests.reverse_etl.rest.books import Books, Faults
from tests.reverse_etl.rest.commands import a_sending
from tests.reverse_etl.rest.support import (
    CREATE_BATCH,
    CREATE_ONE,
    FIELDS,
    LOOK_UP,
    READ_MANY,
    READ_ONE,
    UPSERT_BATCH,
    UPSERT_ONE,
    configuration,
)
from tests.reverse_etl.support import by_key


@pytest.fixture
def connect(serve_app, tmp_path):
    """``connect(books, *parts)``: what runs a call of a writer for these books."""

    def make(books, *parts, **given):
        file = tmp_path / "ledgerloop.toml"
        url = books if isinstance(books, str) else serve_app(books)
        file.write_text(configuration(url, FIELDS, *parts, **given))
        system = load_config(file).systems["desk"]

        def run(call):
            async def main():
                writer = create_writer(system, AiohttpTransport(), load_governance())
                try:
                    return await call(writer)
                finally:
                    await writer.close()

            return asyncio.run(main())

        run.system = system
        return run

    return make


def rows(*keys, operation="upsert"):
    return [a_sending(key, {"amount": "1.5", "note": key}, operation=operation) for key in keys]


def test_one_row_goes_alone_and_several_together(connect) -> None:
    books = Books()
    run = connect(books, UPSERT_ONE, UPSERT_BATCH, READ_MANY)
    lone = run(lambda writer: writer.send(rows("a")))
    assert list(lone.values()) == [Accepted("")]
    assert books.bodies == [{"amount": 1.5, "note": "a"}]
    batch = rows("a", "b/ü", "c")
    assert by_key(batch, run(lambda writer: writer.send(batch))) == {
        "a": Accepted("N1"),
        "b/ü": Accepted("N3"),
        "c": Accepted("N4"),
    }
    held = run(lambda writer: writer.read_back(batch))
    assert {one.fields["note"] for one in held.values()} == {"a", "b/ü", "c"}


def test_a_key_with_slashes_blanks_and_umlauts_finds_its_row(connect) -> None:
    books = Books()
    run = connect(books, UPSERT_ONE, READ_ONE)
    batch = rows("a/b c?ü&=%#")
    run(lambda writer: writer.send(batch))
    assert set(books.rows) == {"a/b c?ü&=%#"}
    (held,) = run(lambda writer: writer.read_back(batch)).values()
    assert held.fields == {"amount": "1.5", "note": "a/b c?ü&=%#"}


def test_a_row_that_cannot_be_written_is_refused_alone(connect) -> None:
    books = Books()
    run = connect(books, UPSERT_ONE, UPSERT_BATCH, READ_MANY)
    bad = a_sending("bad", {"amount": "much"})
    batch = [*rows("a"), bad, *rows("b")]
    found = by_key(batch, run(lambda writer: writer.send(batch)))
    assert isinstance(found["bad"], Rejected)
    assert found["bad"].field == "amount"
    assert set(books.rows) == {"a", "b"}


def test_a_missing_row_is_absent_and_only_a_look_up_that_reads_its_writes_says_so(connect) -> None:
    books = Books()
    run = connect(books, CREATE_ONE, LOOK_UP)
    batch = rows("a", "b", operation="create")
    run(lambda writer: writer.send(batch[:1]))
    found = by_key(batch, run(lambda writer: writer.look_up(batch)))
    assert found == {"a": Found(""), "b": Absent()}
    lagging = connect(books, CREATE_ONE, LOOK_UP.replace("= true", "= false"))
    assert isinstance(by_key(batch, lagging(lambda w: w.look_up(batch)))["b"], CannotTell)
    none = connect(books, CREATE_ONE, READ_ONE)
    assert {type(one) for one in none(lambda w: w.look_up(batch)).values()} == {CannotTell}


def test_rows_may_be_asked_for_by_a_document(connect) -> None:
    books = Books()
    search = """
[systems.desk.objects.invoices.read_back]
method = "POST"
path = "/invoices/search"
keys_at = "/keys"
rows_at = "/items"
rows_max = 50
"""
    run = connect(books, UPSERT_ONE, search)
    for one in rows("a", "b"):
        run(lambda writer, one=one: writer.send([one]))
    batch = rows("a", "b", "c")
    held = by_key(batch, run(lambda writer: writer.read_back(batch)))
    assert [one.fields is not None for one in held.values()] == [True, True, False]


def test_a_row_may_be_known_by_the_id_that_the_target_gave(connect) -> None:
    books = Books(key="id")
    by_id = '[systems.desk.objects.invoices.read_back]\npath = "/invoices/{native_id}"\n'
    run = connect(books, CREATE_ONE, by_id)
    batch = rows("a", operation="create")
    (done,) = run(lambda writer: writer.send(batch)).values()
    assert done == Accepted("N1")
    (unknown,) = run(lambda writer: writer.read_back(batch)).values()
    assert unknown.is_pending
    books.records["N1"] = books.records["a"]
    known = [a_sending("a", {"note": "a"}, operation="create", native_id="N1")]
    (held,) = run(lambda writer: writer.read_back(known)).values()
    assert held.fields == {"note": "a"}


def test_the_hub_s_own_key_may_find_the_row(connect) -> None:
    books = Books(key="hub_key")
    by_external = """
[systems.desk.objects.invoices.look_up]
path = "/invoices?keys={external_keys}"
rows_at = "/items"
rows_max = 50
native_id_at = "native"
is_read_your_writes = true
"""
    run = connect(books, CREATE_ONE, by_external, top='external_key_field = "hub_key"')
    batch = rows("a", "b", operation="create")
    run(lambda writer: writer.send(batch[:1]))
    assert set(books.rows) == {batch[0].external_key}
    assert by_key(batch, run(lambda writer: writer.look_up(batch))) == {
        "a": Found("N1"),
        "b": Absent(),
    }


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ('auth = "bearer"', ("authorization", "Bearer t0ken")),
        ('auth = "basic"', ("authorization", "Basic YW5uOnNlY3JldA==")),
        ('auth = "header"\nauth_header = "X-Desk-Key"', ("x-desk-key", "t0ken")),
    ],
)
def test_requests_are_signed_as_configured(connect, monkeypatch, options, header) -> None:
    secrets = {"TOKEN": "t0ken", "USERNAME": "ann", "PASSWORD": "secret"}
    for name, value in secrets.items():
        monkeypatch.setenv(f"LEDGERLOOP_CREDENTIALS_DESK_{name}", value)
    books = Books(Faults(wanted_header=header))
    run = connect(books, UPSERT_ONE, READ_ONE, options=options)
    assert list(run(lambda writer: writer.send(rows("a"))).values()) == [Accepted("")]
    assert check(run.system) == []


def test_a_missing_credential_is_named_by_its_variable(connect) -> None:
    run = connect("http://127.0.0.1:9", UPSERT_ONE, READ_ONE, options='auth = "bearer"')
    with pytest.raises(ConfigError, match="set LEDGERLOOP_CREDENTIALS_DESK_TOKEN"):
        run(lambda writer: writer.send(rows("a")))


def test_refused_credentials_stop_a_read_with_a_clear_message(connect) -> None:
    books = Books(Faults(wanted_header=("authorization", "Bearer right")))
    run = connect(books, UPSERT_ONE, READ_ONE)
    with pytest.raises(ConfigError, match="refuses our credentials"):
        run(lambda writer: writer.read_back(rows("a")))
    (problem,) = check(run.system)
    assert "refuses our credentials" in problem


def test_nobody_at_the_address_is_no_effect_and_a_cut_connection_is_unknown(connect) -> None:
    run = connect("http://127.0.0.1:9", UPSERT_ONE, READ_ONE)
    (outcome,) = run(lambda writer: writer.send(rows("a"))).values()
    assert isinstance(outcome, Retry)
    assert (outcome.code, outcome.is_system_wide) == ("not_sent", True)
    cut = connect(Books(Faults(lost_answer=1.0)), UPSERT_ONE, READ_ONE)
    (outcome,) = cut(lambda writer: writer.send(rows("a"))).values()
    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize(
    ("create", "is_keyed"),
    [
        (CREATE_ONE, False),
        (CREATE_ONE + 'idempotency_header = "Idempotency-Key"\n', True),
        # A batch is cut anew when it is sent again: its header is another one.
        (CREATE_ONE + 'idempotency_header = "Idempotency-Key"\n' + CREATE_BATCH, False),
        (CREATE_ONE.replace('"/invoices"', '"/invoices/{external_key}"\nmethod = "PUT"'), True),
        (CREATE_ONE + 'idempotency_field = "request_id"\n' + CREATE_BATCH, True),
    ],
)
def test_a_creation_is_keyed_only_where_every_row_carries_its_key(
    connect, create, is_keyed
) -> None:
    run = connect("http://127.0.0.1:9", create, READ_ONE)

    async def limits(writer):
        return writer.limits("invoices", "create")

    found = run(limits)
    assert (found.is_keyed, found.has_look_up) == (is_keyed, False)


def test_limits_are_those_of_the_configuration(connect) -> None:
    options = 'concurrency_max = 3\nrequests_per_second_max = "2.5"'
    run = connect("http://127.0.0.1:9", UPSERT_ONE, UPSERT_BATCH, READ_MANY, options=options)

    async def limits(writer):
        return writer.limits("invoices", "upsert")

    found = run(limits)
    assert (found.batch_max, found.concurrency_max, found.requests_per_second_max) == (200, 3, 2.5)
    assert (found.read_batch_max, found.settle_seconds, found.is_keyed) == (200, 0.05, True)


def test_an_address_that_would_be_too_long_is_asked_in_parts(connect) -> None:
    books = Books()
    run = connect(books, UPSERT_BATCH, READ_MANY)
    batch = rows(*(f"{n:04d}-{'x' * 120}" for n in range(120)))
    run(lambda writer: writer.send(batch))
    held = run(lambda writer: writer.read_back(batch))
    assert all(one.fields is not None for one in held.values())
    assert books.requests["read"] == 4


def test_a_way_of_reading_that_can_never_work_is_a_matter_of_configuration(connect) -> None:
    wrong = READ_ONE.replace('path = "', 'method = "POST"\npath = "')
    run = connect(Books(), UPSERT_ONE, wrong)
    with pytest.raises(ConfigError, match="correct the path or method"):
        run(lambda writer: writer.read_back(rows("a")))


def test_a_next_page_on_another_server_is_not_followed(connect) -> None:
    run = connect("http://127.0.0.1:9/v2", UPSERT_ONE, READ_ONE)
    client = RestClient(run.system, AiohttpTransport())
    assert client.path_of("/v2/invoices?c=1", beside="/invoices/all") == "/invoices?c=1"
    assert client.path_of("?c=1", beside="/invoices/all") == "/invoices/all?c=1"
    for address in ("https://evil.example/v2/x", "http://127.0.0.1:9/other"):
        with pytest.raises(VendorAnswerInvalid, match="another server"):
            client.path_of(address, beside="/invoices/all")
    asyncio.run(client.close())
