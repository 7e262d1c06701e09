import pyarrow as pa
import pytest

from ingestion.common.objects import ObjectSpec, declared_kinds, fields_of, objects_of


def test_every_kind_with_settings_is_found_by_looking() -> None:
    assert {"bank_files", "salesforce", "sap_s4hana"} <= set(declared_kinds())


@pytest.mark.parametrize("kind", declared_kinds())
def test_every_declared_object_has_a_key_with_its_system_and_a_lag_behind_its_cursor(
    kind: str,
) -> None:
    for spec in objects_of(kind):
        assert spec.key_columns[0] == "system_id"
        assert len(spec.key_columns) > 1
        assert not spec.cursor or spec.lag_seconds >= 60
        if spec.cursor and spec.cursor_type == "date":
            assert spec.lag_seconds >= 26 * 3600


def test_names_of_raw_tables_are_unique_within_a_kind() -> None:
    for kind in declared_kinds():
        names = [spec.name for spec in objects_of(kind)]
        assert len(names) == len(set(names))


def test_our_two_columns_enclose_the_vendors_and_only_keys_refuse_null() -> None:
    spec = ObjectSpec("things", "", fields_of("Id Amount:money At:date"), ("Id",))
    schema = spec.arrow_schema()
    assert schema.names == ["system_id", "Id", "Amount", "At", "_loaded_at"]
    assert [field.nullable for field in schema] == [False, False, True, True, True]
    assert schema.field("Amount").type == pa.decimal128(28, 6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fields": fields_of("Id Id")},
        {"primary_key": ()},
        {"primary_key": ("Other",)},
        {"cursor": "At"},
        {"cursor": "Missing", "lag_seconds": 1},
    ],
)
def test_a_declaration_that_cannot_be_merged_is_refused(wrong: dict[str, object]) -> None:
    good = {"name": "things", "path": "", "fields": fields_of("Id At:date"), "primary_key": ("Id",)}
    with pytest.raises(AssertionError):
        ObjectSpec(**{**good, **wrong})
