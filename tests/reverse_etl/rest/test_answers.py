"""What an answer means is a table; results of a batch are joined by key."""

import json

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from ingestion.common.transport import Response
from ingestion.rest.client import Answer
from ingestion.rest.settings import RestObject
from reverse_etl.delivery.writer import Accepted, Rejected, Retry, Unknown
from reverse_etl.rest.answers import AnswerReader
from reverse_etl.rest.rows import RowForm
from tests.reverse_etl.rest.commands import a_sending

BATCH = {
    "path": "/b",
    "results_at": "/results",
    "result_key": "key",
    "result_status": "status",
    "result_native_id": "native",
    "errors": {"code": "code", "message": "text", "field": "where"},
}


def reader(**given):
    body = {
        "key_field": "id",
        "fields": {"amount": {"native": "Betrag", "format": "money", "wire": "text"}},
        "errors": {"code": "/error/code", "message": "/error/text", "field": "/error/where"},
        "upsert": {"path": "/x/{key}", "batch": BATCH},
        "read_back": {"path": "/x/{key}"},
        **given,
    }
    settings = RestObject.model_validate(body)
    return AnswerReader(settings, RowForm(settings)), settings


def answer(status, tree=None, **headers):
    named = CIMultiDictProxy(CIMultiDict({k.replace("_", "-"): v for k, v in headers.items()}))
    body = tree if isinstance(tree, bytes) else b"" if tree is None else json.dumps(tree).encode()
    return Answer(Response(status, named, body), "PUT /x")


def outcome(status, tree=None, **given):
    return reader(**given)[0].of_one(answer(status, tree), ("id",))


@pytest.mark.parametrize(
    ("status", "expected", "is_business"),
    [
        (200, Accepted, None),
        (201, Accepted, None),
        (202, Accepted, None),
        (204, Accepted, None),
        (302, Rejected, False),
        (400, Rejected, True),
        (401, Rejected, False),
        (403, Rejected, False),
        (404, Rejected, True),
        (408, Unknown, None),
        (409, Rejected, True),
        (412, Retry, None),
        (422, Rejected, True),
        (423, Retry, None),
        (429, Retry, None),
        (451, Rejected, True),
        (500, Unknown, None),
        (502, Unknown, None),
        (503, Unknown, None),
        (504, Unknown, None),
    ],
)
def test_a_status_means_what_the_table_says_and_a_5xx_proves_nothing(
    status, expected, is_business
) -> None:
    found = outcome(status)
    assert type(found) is expected
    if is_business is not None:
        assert found.is_business is is_business


def test_the_configuration_overrides_a_status_and_a_code_goes_before_it() -> None:
    statuses = {"409": "accept", "503": "retry_system", "200": "reject"}
    assert isinstance(outcome(409, statuses=statuses), Accepted)
    assert outcome(503, statuses=statuses).is_system_wide
    assert isinstance(outcome(200, statuses=statuses), Rejected)
    locked = {"error": {"code": "LOCKED"}}
    assert isinstance(outcome(400, locked, codes={"LOCKED": "retry"}), Retry)


def test_a_refusal_says_code_message_and_our_column() -> None:
    found = outcome(422, {"error": {"code": "E7", "text": "too much", "where": "Betrag"}})
    assert found == Rejected("E7", "too much", "amount")


def test_a_refusal_without_json_shows_the_beginning_of_what_came() -> None:
    found = outcome(400, b"<html>no password=secret1 here</html>")
    assert isinstance(found, Rejected)
    assert found.code == "http_400"
    assert "secret1" not in found.message
    assert "<html>" in found.message


def test_an_error_inside_a_200_counts_where_the_configuration_says_so() -> None:
    tree = {"id": 5, "error": {"code": "E7", "text": "no"}}
    assert outcome(200, tree) == Accepted("5")
    errors = {"code": "/error/code", "message": "/error/text", "is_checked_when_ok": True}
    assert outcome(200, tree, errors=errors) == Rejected("E7", "no")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "0.5"}, 0.5),
        (
            {
                "Retry_After": "Sun, 22 Nov 2026 10:00:09 GMT",
                "Date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            9.0,
        ),
        ({"Retry_After": "Sun, 22 Nov 2026 10:00:09 GMT"}, None),
        ({"Retry_After": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_honoured_in_both_forms(headers, seconds) -> None:
    found = reader()[0].of_one(answer(429, **headers), None)
    assert found.is_system_wide
    assert found.after_seconds == seconds


def batch_outcomes(status, tree, **given):
    one, settings = reader(**given)
    sendings = [a_sending(key, {"amount": "1"}) for key in ("a", "b", "c")]
    found = one.of_batch(answer(status, tree), settings.upsert.batch, sendings)
    return {s.command.business_key: found.get(s.command.command_id, "no outcome") for s in sendings}


def test_results_are_joined_by_key_and_what_is_not_mentioned_stays_unknown() -> None:
    results = [
        {"key": "c", "status": 422, "code": "E7", "text": "no", "where": "Betrag"},
        {"key": "somebody else's", "status": 200},
        {"key": "a", "status": "201", "native": 77},
    ]
    assert batch_outcomes(207, {"results": results}) == {
        "a": Accepted("77"),
        "b": "no outcome",
        "c": Rejected("E7", "no", "amount"),
    }


def test_a_row_that_is_mentioned_twice_is_unknown() -> None:
    results = [{"key": "a", "status": 200}, {"key": "a", "status": 422}]
    assert isinstance(batch_outcomes(200, {"results": results})["a"], Unknown)


@pytest.mark.parametrize("tree", [{"results": {}}, {}, b"<html>", None])
def test_an_answer_without_results_leaves_every_row_unknown(tree) -> None:
    assert {type(one) for one in batch_outcomes(200, tree).values()} == {Unknown}


def test_a_row_s_own_status_has_its_own_meaning() -> None:
    results = [
        {"key": "a", "status": 429},
        {"key": "b", "status": 500},
        {"key": "c", "status": "?"},
    ]
    found = batch_outcomes(200, {"results": results})
    assert isinstance(found["a"], Retry)
    assert isinstance(found["b"], Unknown)
    assert isinstance(found["c"], Unknown)


def test_a_flag_may_say_what_is_good() -> None:
    flagged = {**BATCH, "result_ok": "state", "ok_values": ["OK", "SAME"]}
    del flagged["result_status"]
    results = [
        {"key": "a", "state": "OK"},
        {"key": "b", "state": "SAME"},
        {"key": "c", "state": "BAD", "code": "E7"},
    ]
    found = batch_outcomes(200, {"results": results}, upsert={"path": "/x/{key}", "batch": flagged})
    assert [type(one) for one in found.values()] == [Accepted, Accepted, Rejected]


def test_a_batch_that_is_refused_whole_is_to_be_halved_but_not_for_rights_or_a_wrong_path() -> None:
    whole = batch_outcomes(422, {"error": {"code": "E"}})
    assert all(one.is_whole_batch for one in whole.values())
    for status in (401, 403, 404, 405):
        for one in batch_outcomes(status, None).values():
            assert (one.is_whole_batch, one.is_business) == (False, False)


def test_without_results_one_good_answer_stands_for_every_row() -> None:
    plain = {"path": "/b"}
    found = batch_outcomes(204, None, upsert={"batch": plain})
    assert set(found.values()) == {Accepted("")}
