"""What stands in ledgerloop.toml about a REST target is checked when it is loaded, by name."""

import pytest

from ingestion.common.config import load_config
from ingestion.common.errors import ConfigError
from ingestion.rest.settings import rest_objects
from tests.reverse_etl.rest.support import (
    CREATE_ONE,
    FIELDS,
    LOOK_UP,
    READ_MANY,
    READ_ONE,
    UPDATE_ONE,
    UPSERT_BATCH,
    UPSERT_ONE,
    configuration,
)


def load(tmp_path, *parts, **given):
    file = tmp_path / "ledgerloop.toml"
    file.write_text(configuration("http://127.0.0.1:9", *parts, **given))
    return load_config(file).systems["desk"]


def test_a_whole_object_is_read_as_written(tmp_path) -> None:
    system = load(tmp_path, FIELDS, UPSERT_ONE, UPSERT_BATCH, READ_MANY, LOOK_UP)
    one = rest_objects(system)["invoices"]
    assert one.key_field == ("id",)
    assert one.fields["amount"].wire == "number"
    assert one.upsert is not None
    assert one.upsert.batch is not None
    assert one.upsert.batch.results_at == ("results",)
    assert one.upsert.batch.errors.field == ("error", "field")
    assert one.look_up is not None
    assert one.look_up.is_read_your_writes


WRONG = {
    "a key of an endpoint": (UPSERT_ONE + 'ptah = "/x"\n', "upsert.ptah.*did you mean 'path'"),
    "money without a wire": (
        '[systems.desk.objects.invoices.fields]\namount = { format = "money" }\n' + UPSERT_ONE,
        'wire = "number" or "text" go together',
    ),
    "a word that the path cannot fill": (
        UPSERT_ONE.replace("{key}", "{id}"), r"\{id\} cannot be filled here; known: .*\{key\}",
    ),
    "a path without a slash": (UPSERT_ONE.replace('"/', '"'), "must begin with /"),
    "nothing to write with": ("", "name upsert, create or update"),
    "two ways to write": (UPSERT_ONE + CREATE_ONE, "create and update in one"),
    "results that cannot be judged": (
        UPSERT_BATCH.replace('result_status = "/status"', "").replace('code = "/error/code", ', ""),
        "how does a row's result say that it was refused",
    ),
    "a look-up that does not say whether it may prove absence": (
        CREATE_ONE + LOOK_UP.replace("is_read_your_writes = true", ""), "is_read_your_writes",
    ),
    "an unknown action": (UPSERT_ONE + "[systems.desk.objects.invoices.statuses]\n409 = 'skip'\n",
                          "statuses.409"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(tmp_path, name) -> None:
    part, message = WRONG[name]
    with pytest.raises(ConfigError, match=f"(?s)systems.desk.objects.invoices.*{message}"):
        load(tmp_path, part, READ_ONE)


def test_without_a_read_back_nothing_is_configured_because_nothing_could_be_verified(
    tmp_path,
) -> None:
    with pytest.raises(ConfigError, match="without being read back"):
        load(tmp_path, UPSERT_ONE)


def test_a_look_up_is_a_read_back_too(tmp_path) -> None:
    one = rest_objects(load(tmp_path, CREATE_ONE, LOOK_UP))["invoices"]
    assert one.reads is one.look_up


def test_an_update_is_addressed_by_its_key(tmp_path) -> None:
    update = UPDATE_ONE.replace("{key}", "{external_key}")
    with pytest.raises(ConfigError, match="an update is addressed by"):
        load(tmp_path, update, READ_ONE)


def test_a_wrong_option_is_named_with_the_nearest_right_one(tmp_path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'auth_header'"):
        load(tmp_path, UPSERT_ONE, READ_ONE, options='auth_haeder = "X"')


def test_only_kinds_that_are_configured_by_objects_take_them(tmp_path) -> None:
    file = tmp_path / "ledgerloop.toml"
    for kind in ("salesforce", "nothing_such"):
        file.write_text(f'[systems.crm]\nkind = "{kind}"\n[systems.crm.objects.x]\na = 1\n')
        with pytest.raises(ConfigError, match="takes no objects; kind 'rest' does"):
            load_config(file)


def test_a_name_of_an_object_is_plain(tmp_path) -> None:
    file = tmp_path / "ledgerloop.toml"
    text = configuration("http://127.0.0.1:9", UPSERT_ONE, READ_ONE)
    file.write_text(text.replace("objects.invoices", 'objects."open-items"'))
    with pytest.raises(ConfigError, match="'open-items' is no name"):
        load_config(file)
