"""Records of two lists in one frame, in one way of writing, with the keys they are compared by.

Checks the input, writes every column as ``identity_text`` says, and empties what identifies nobody
(a tax id that many names share, a shared mail domain). It must not compare records.
"""

from collections.abc import Callable, Sequence

import polars as pl

from ingestion.common.errors import ConfigError
from reverse_etl.decisions.identity_policy import IdentityPolicy
from reverse_etl.decisions.identity_text import (
    country_code,
    customer_number,
    identifier,
    mail_address,
    mail_domain,
    name_parts,
    phone_number,
    plain_words,
    postal_code,
    street_parts,
    tax_number,
)

__all__ = ["OPTIONAL_COLUMNS", "STRONG_COLUMNS", "prepare_records", "text_frame"]

#: Columns that identify a customer by themselves, when filled.
STRONG_COLUMNS = ("tax_id", "vat_id", "duns", "lei", "erp_customer_id")
_PLAIN_COLUMNS = ("street", "city", "postal_code", "country", "phone", "email", "system_id")
OPTIONAL_COLUMNS = (*_PLAIN_COLUMNS, *STRONG_COLUMNS)


def text_frame(frame: pl.DataFrame, side: str) -> pl.DataFrame:
    """All known columns as text, blanks as null, absent ones null.

    Raises:
        ConfigError: no column ``id`` or ``name``, an id that is empty or not unique.
    """
    for needed in ("id", "name"):
        if needed not in frame.columns:
            raise ConfigError(
                f"{side}: no column {needed!r}; there are {', '.join(frame.columns)}",
                code="identity_column",
            )
    names = ("id", "name", *OPTIONAL_COLUMNS)
    text = frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(pl.String).alias(name)
        for name in names
    ).with_columns(pl.col(names).str.strip_chars().replace("", None))
    if text["id"].null_count():
        raise ConfigError(f"{side}: a record without an id", code="identity_id")
    if text["id"].n_unique() != text.height:
        twice = text.filter(pl.col("id").is_duplicated())["id"].sort()[0]
        raise ConfigError(f"{side}: id {twice!r} occurs more than once", code="identity_id")
    return text


def prepare_records(
    left: pl.DataFrame, right: pl.DataFrame | None, policy: IdentityPolicy
) -> pl.DataFrame:
    """Both sides as one frame, ordered by side and id.

    Returns:
        ``row`` (position), ``side`` (0 left, 1 right; all 0 without a right side), ``id``, the
        strong keys (``tax``/``vat`` with their ``_country``, ``duns``, ``lei``, ``erp``) and what
        the model compares (``name_*``, ``street_*``, ``postal``, ``city``, ``phone``, ``email``,
        ``domain``). The order of the input does not matter.
    """
    parts = [text_frame(left, "left").with_columns(pl.lit(0, pl.Int8).alias("side"))]
    if right is not None:
        parts.append(text_frame(right, "right").with_columns(pl.lit(1, pl.Int8).alias("side")))
    text = pl.concat(parts).sort("side", "id")
    if right is not None and text.filter(pl.col("side") == 1)["erp_customer_id"].null_count():
        # A right side without its own column of numbers is the ERP: its ids are the numbers.
        own_id = (pl.col("side") == 1) & pl.col("erp_customer_id").is_null()
        text = text.with_columns(
            pl.when(own_id).then("id").otherwise("erp_customer_id").alias("erp_customer_id")
        )
    written = _with_number_scope(_written(text.with_row_index("row")))
    return _without_shared_keys(written, policy)


def _with_number_scope(records: pl.DataFrame) -> pl.DataFrame:
    """Add ``erp_scope``: the ERP whose customer number a record carries, null when not known.

    A record of the right side carries its own system's; one of the left that of the only system
    where the number occurs.
    """
    own = records.filter(pl.col("side") == 1, pl.col("erp").is_not_null()).select(
        "erp", scope=pl.col("system_id").fill_null("")
    )
    known = (
        own.group_by("erp")
        .agg(pl.col("scope").n_unique().alias("count"), pl.col("scope").first())
        .filter(pl.col("count") == 1)
        .select("erp", "scope")
    )
    found = records.join(known, on="erp", how="left", maintain_order="left")
    of_right = pl.when(pl.col("side") == 1).then(pl.col("system_id").fill_null(""))
    return found.with_columns(of_right.otherwise("scope").alias("erp_scope")).drop("scope")


def _mapped(text: pl.DataFrame, name: str, write: Callable[[str], str | None]) -> pl.Series:
    """A column written anew, each distinct value once."""
    values = text[name].unique().drop_nulls().to_list()
    written = [write(value) for value in values]
    return text[name].replace_strict(
        pl.Series(values, dtype=pl.String),
        pl.Series(written, dtype=pl.String),
        default=None,
        return_dtype=pl.String,
    )


def _per_row(text: pl.DataFrame, names: Sequence[str]) -> list[tuple[str | None, ...]]:
    return list(text.select(names).iter_rows())


def _written(text: pl.DataFrame) -> pl.DataFrame:
    """Every column in the one way of writing."""
    names = [name_parts(one) for one in text["name"].to_list()]
    streets = [street_parts(one) for one in text["street"].to_list()]
    country = _mapped(text, "country", country_code)
    text = text.with_columns(country.alias("country"))
    taxes = [tax_number(*pair) for pair in _per_row(text, ("tax_id", "country"))]
    vats = [tax_number(*pair) for pair in _per_row(text, ("vat_id", "country"))]
    mails = _mapped(text, "email", mail_address)
    postal = [postal_code(*pair) for pair in _per_row(text, ("postal_code", "country"))]

    def column(name: str, values: Sequence[str | None]) -> pl.Series:
        return pl.Series(name, [value or None for value in values], dtype=pl.String)

    number = column("street_number", [one.number for one in streets])
    stem = column("street_stem", [one.stem for one in streets])
    words = pl.Series("name_words", [list(one.words) for one in names], dtype=pl.List(pl.String))
    return pl.DataFrame(
        [
            text["row"], text["side"], text["id"], text["name"], text["system_id"], country,
            words, column("name_text", [" ".join(one.words) for one in names]),
            column("name_key", [" ".join(sorted(set(one.words))) for one in names]),
            column("name_forms", [" ".join(one.legal_forms) for one in names]),
            number, stem, column("postal", postal),
            _mapped(text, "city", lambda one: " ".join(plain_words(one)) or None).alias("city"),
            _mapped(text, "phone", phone_number).alias("phone"), mails.alias("email"),
            column("domain", [mail_domain(one) for one in mails.to_list()]),
            column("tax", [one[1] if one else None for one in taxes]),
            column("tax_country", [one[0] if one else None for one in taxes]),
            column("vat", [one[1] if one else None for one in vats]),
            column("vat_country", [one[0] if one else None for one in vats]),
            _mapped(text, "duns", identifier).alias("duns"),
            _mapped(text, "lei", identifier).alias("lei"),
            _mapped(text, "erp_customer_id", customer_number).alias("erp"),
        ]
    ).with_columns(
        pl.concat_str("street_number", "street_stem", separator=" ").alias("street_key"),
        pl.col("phone").str.slice(-7).alias("phone_end"),
    )  # fmt: skip


def _without_shared_keys(records: pl.DataFrame, policy: IdentityPolicy) -> pl.DataFrame:
    """Empty a key that too many records or too many different names carry: a placeholder."""
    first_word = pl.col("name_words").list.first()
    for name in ("tax", "vat", "duns", "lei", "domain"):
        shared = (
            records.filter(pl.col(name).is_not_null())
            .group_by("side", name)
            .agg(pl.len().alias("records"), first_word.n_unique().alias("names"))
            .filter(
                (pl.col("records") > policy.key_records_max)
                | (pl.col("names") >= policy.key_names_max)
            )[name]
        )
        if shared.len():
            is_shared = pl.col(name).is_in(shared.unique().to_list())
            records = records.with_columns(pl.when(~is_shared).then(pl.col(name)).alias(name))
    return records
