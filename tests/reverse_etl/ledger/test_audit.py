"""The chain: one changed byte, a removed, added or moved row is found; the head is provable."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingestion.common.errors import ConfigError
from reverse_etl.ledger.exceptions import NewException
from tests.reverse_etl.ledger.acts import finish, settle
from tests.reverse_etl.ledger.commands import posting, state


@pytest.fixture
def story(store):
    """A log with several seals: plan, send, verify, reject, an exception with a payload."""
    store.record_plan([posting(f"R{number}") for number in range(5)])
    finish(store, "erp", posting("R1"))
    store.record_plan([state("A1")])
    settle(store, "erp", posting("R2"), "rejected")
    store.open_exception(NewException("technical", "bad_file", "refused", payload={"n": "1"}))
    return store


def problems(store):
    return " | ".join(store.verify_audit().problems)


def test_an_untouched_log_is_intact(story):
    report = story.verify_audit()

    assert report.is_intact, report.problems
    assert (report.commands, report.seals > 3, report.events > 10) == (6, True, True)


def test_an_empty_log_is_intact(store):
    assert store.verify_audit().is_intact


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE events SET data = replace(data, '1', '2') WHERE event_no = 7", "not what was"),
        ("UPDATE events SET at = replace(at, '08:00', '08:01') WHERE event_no = 3", "not what was"),
        ("UPDATE events SET actor = 'someone' WHERE event_no = 9", "not what was sealed"),
        ("UPDATE events SET command_no = 3 WHERE event_no = 7", "not what was sealed"),
        ("DELETE FROM events WHERE event_no = 4", "event 4 is missing"),
        ("DELETE FROM events WHERE event_no = 1", "event 1 is missing"),
        ("DELETE FROM events WHERE event_no >= 10", "missing"),
        ("DELETE FROM seals WHERE seal_no = 2", "seal 2 is missing"),
        ("UPDATE seals SET hash = replace(hash, 'a', 'b') WHERE seal_no = 2", "seal 3"),
        ("UPDATE commands SET payload = replace(payload, '12.5', '92.5')", "row was changed"),
        ("UPDATE commands SET lane = 'other' WHERE command_no = 2", "row was changed"),
        ("DELETE FROM commands WHERE command_no = 2", "was removed"),
        ("UPDATE contents SET content = '{}'", "kept content"),
        ("UPDATE chain SET last_event_no = last_event_no + 1", "the head names"),
        (
            (
                "INSERT INTO events (event_no, at, name, subject, actor, data) SELECT"
                " max(event_no) + 1, max(at), 'verified', '', 'x', '' FROM events"
            ),
            "under no seal",
        ),
    ],
)
def test_any_tampering_is_found_and_named(story, execute, statement, said):
    execute(statement)

    assert said in problems(story)


def test_two_rows_that_changed_places_are_found(story, execute):
    execute("UPDATE events SET event_no = 1000 WHERE event_no = 2")
    execute("UPDATE events SET event_no = 2 WHERE event_no = 3")
    execute("UPDATE events SET event_no = 3 WHERE event_no = 1000")

    assert "put in another place" in problems(story)


def test_a_cut_off_end_that_was_tidied_up_is_found_by_an_exported_head(story, execute, tmp_path):
    path = tmp_path / "key.pem"
    key = Ed25519PrivateKey.generate()
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    head = story.export_head(path)
    public_key = key.public_key().public_bytes_raw().hex()
    assert story.problems_with_head(head, public_key=public_key) == []

    last = execute("SELECT max(seal_no) FROM seals")[0][0]
    execute("DELETE FROM events WHERE event_no >= (SELECT first_event_no FROM seals"
            " WHERE seal_no = ?)", last)  # fmt: skip
    execute("DELETE FROM seals WHERE seal_no = ?", last)
    execute(
        "UPDATE chain SET last_seal_no = (SELECT max(seal_no) FROM seals), last_event_no ="
        " (SELECT max(event_no) FROM events), hash = (SELECT hash FROM seals ORDER BY seal_no"
        " DESC LIMIT 1)"
    )

    assert story.verify_audit().problems == []
    assert "no longer in the log" in story.problems_with_head(head)[0]


def test_a_head_that_was_changed_or_signed_by_another_is_refused(story, tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    head = story.export_head(path)

    assert "not valid" in story.problems_with_head(head | {"last_event_no": 1})[0]
    assert "another key" in story.problems_with_head(head, public_key="00" * 32)[0]


def test_a_key_that_cannot_sign_is_named(story, tmp_path):
    with pytest.raises(ConfigError, match="no signing key"):
        story.export_head(tmp_path / "absent.pem")
    wrong = tmp_path / "ec.pem"
    wrong.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(ConfigError, match="not an Ed25519 key"):
        story.export_head(wrong)


def test_a_large_plan_is_sealed_in_parts(store, execute):
    store.record_plan(posting(f"R{number}") for number in range(2_500))

    assert execute("SELECT count(*) FROM seals")[0][0] == 3
    assert store.verify_audit().is_intact


def test_a_failed_transaction_leaves_no_trace(store):
    store.record_plan([posting("R1")])
    before = store.verify_audit()

    def cut_short() -> None:
        with store.unit() as unit:
            group = store.claims.next_group(unit.connection, "erp", unit.now)
            heads = store.claims.heads(unit.connection, group, unit.now, 1)
            store.claims.mark_sending(unit, heads, "h")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        cut_short()

    assert store.verify_audit() == before
    assert store.counts() == {"ready": 1}


def test_two_processes_append_to_one_chain(store, another):
    for number in range(20):
        (store if number % 2 else another).record_plan([posting(f"R{number}")])

    report = store.verify_audit()
    assert (report.is_intact, report.seals, report.commands) == (True, 20, 20)
