"""Scores of pairs that no strong key decides, by Splink (Fellegi–Sunter) in DuckDB.

Pairs are looked for by exact values only (street, phone, name, domain …), and no value that would
bring up too many is used, so that the cost follows the records and not their square. The model
learns by expectation maximisation where there are enough records; small lists use the weights of
``identity_levels``. The same input gives the same scores. It must not decide anything.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import polars as pl

from reverse_etl.decisions.identity_levels import COMPARISONS, Comparison
from reverse_etl.decisions.identity_policy import IdentityPolicy

__all__ = ["score_pairs"]

Progress = Callable[[str], None]

_LEVEL_SHARE_MIN = 1e-5
_STRANGERS_SHARE_MIN = 0.1
_RARE_WORD_SHARE = 0.002
_RARE_WORD_RECORDS_MIN = 3
_RARE_WORD_LENGTH_MIN = 4
_PRIOR_RECALL = 0.8
_PRIOR_MATCHES_PER_RECORD = 0.25
_EM_PAIRS_MIN = 200
_U_PAIRS_MAX = 1_000_000
_SURE_PAIRS = (("street_key", "phone_end"), ("street_key", "name_key"), ("phone_end", "name_key"))
_SCORES = pl.Schema(
    {"left_row": pl.UInt32, "right_row": pl.UInt32, "score": pl.Float64}
    | {f"level_{one.name}": pl.Int32 for one in COMPARISONS}
)
#: What two records must share to be compared; each part must be filled.
_BLOCKS: dict[str, tuple[str, ...]] = {
    "street": ("street_key",),
    "phone": ("phone_end",),
    "name": ("name_key",),
    "mail": ("email",),
    "domain": ("domain",),
    "house": ("postal", "street_number"),
    "place": ("postal", "first_word"),
    "town": ("city", "first_two_words"),
}


def score_pairs(
    records: pl.DataFrame, policy: IdentityPolicy, progress: Progress | None = None
) -> pl.DataFrame:
    """Score every pair that shares a block.

    Args:
        records: of ``prepare_records``.
        policy: bounds of the search and of the training.
        progress: told what is being done.

    Returns:
        ``left_row`` < ``right_row``, ``score`` (0..1) and ``level_<field>`` (the higher the closer,
        -1 where a side is empty), for scores from ``proposal_score_min``.
    """
    tell = progress or (lambda _: None)
    two_sided = records["side"].n_unique() > 1
    tell("looking for pairs")
    blocked, used = _blocked(_with_rare_words(records), policy, two_sided)
    compared = [one for one in COMPARISONS if _is_filled(records, one, two_sided)]
    if not used or not compared:
        return _SCORES.to_frame()
    with _quiet():
        return _scored(blocked, used, compared, policy, two_sided, tell)


def _is_filled(records: pl.DataFrame, comparison: Comparison, two_sided: bool) -> bool:
    """Whether any pair can have the field on both sides."""
    filled = records.filter(pl.col(comparison.column).is_not_null())["side"]
    return filled.n_unique() > 1 if two_sided else filled.len() > 1


def _with_rare_words(records: pl.DataFrame) -> pl.DataFrame:
    """Words of the name that few records have: they say more than the others."""
    most = max(_RARE_WORD_RECORDS_MIN, int(records.height * _RARE_WORD_SHARE))
    words = records.select("row", pl.col("name_words").list.unique()).explode("name_words")
    rare = words.filter(
        pl.len().over("name_words") <= most,
        pl.col("name_words").str.len_chars() >= _RARE_WORD_LENGTH_MIN,
    )
    of_row = rare.group_by("row").agg(pl.col("name_words").sort().alias("rare_words"))
    return (
        records.join(of_row, on="row", how="left", maintain_order="left")
        .with_columns(pl.col("rare_words").fill_null([]))
        .with_columns(
            pl.col("name_words").list.first().alias("first_word"),
            pl.col("name_words").list.head(2).list.join(" ").alias("first_two_words"),
        )
    )


def _blocked(
    records: pl.DataFrame, policy: IdentityPolicy, two_sided: bool
) -> tuple[pl.DataFrame, list[str]]:
    """Add ``block_*`` columns, null where the value brings up too many pairs or none.

    Over all blocks together at most ``candidate_pairs_max`` pairs come up, rare values first.
    """
    counted = []
    for name, parts in _BLOCKS.items():
        key = pl.when(pl.all_horizontal(pl.col(one).is_not_null() for one in parts)).then(
            pl.concat_str(*parts, separator="|")
        )
        records = records.with_columns(key.alias(f"block_{name}"))
        counted.append(_pairs_of_values(records, name, two_sided))
    values = (
        pl.concat(counted)
        .filter(pl.col("pairs").is_between(1, policy.block_pairs_max))
        .sort("pairs", "block", "value")
        .filter(pl.col("pairs").cum_sum() <= policy.candidate_pairs_max)
    )
    used = []
    for name in _BLOCKS:
        kept = values.filter(pl.col("block") == name)["value"]
        column = pl.col(f"block_{name}")
        records = records.with_columns(
            pl.when(column.is_in(kept.implode())).then(column).alias(f"block_{name}")
        )
        if kept.len():
            used.append(name)
    return records, used


def _pairs_of_values(records: pl.DataFrame, name: str, two_sided: bool) -> pl.DataFrame:
    """How many pairs each value of a block brings up."""
    count = pl.len().cast(pl.Int64)
    of_left = (pl.col("side") == 0).sum().cast(pl.Int64)
    pairs = of_left * (count - of_left) if two_sided else count * (count - 1) // 2
    column = pl.col(f"block_{name}")
    return (
        records.filter(column.is_not_null())
        .group_by(column.alias("value"))
        .agg(pairs.alias("pairs"))
        .select(pl.lit(name).alias("block"), "value", "pairs")
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Splink explains its own working at length; a person asked for links."""
    logger = logging.getLogger("splink")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _splink() -> tuple[Any, Any]:
    """Splink's two classes, imported only where there is something to compare.

    One of its own dependencies warns about another while it is imported.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="sqlglotrs is deprecated")
        from splink import DuckDBAPI, Linker
    return Linker, DuckDBAPI


def _scored(
    blocked: pl.DataFrame,
    used: list[str],
    compared: list[Comparison],
    policy: IdentityPolicy,
    two_sided: bool,
    tell: Progress,
) -> pl.DataFrame:
    Linker, DuckDBAPI = _splink()  # noqa: N806 (classes)
    with duckdb.connect() as connection:
        connection.execute("set threads = 2")
        api = DuckDBAPI(connection)
        prior = _prior(blocked, two_sided)
        settings = _settings(compared, used, two_sided, prior)
        if blocked.height >= policy.training_rows_min:
            tell("learning the weights")
            sample = _sample(blocked, policy)
            trainer = Linker(api.register(sample.to_arrow()), settings, log_level=None)
            learnt = _trained(trainer, sample, compared, two_sided)
            settings = settings | {"comparisons": learnt}
        tell("comparing pairs")
        linker = Linker(api.register(blocked.to_arrow()), settings, log_level=None)
        found = linker.inference.predict(
            threshold_match_probability=policy.proposal_score_min, warning_mode="never"
        )
        scored: pl.DataFrame = connection.sql(f"select * from {found.physical_name}").pl()  # noqa: S608
    levels = {f"level_{one.name}": f"gamma_{one.name}" for one in compared}
    return scored.select(
        pl.col("row_l").cast(pl.UInt32).alias("left_row"),
        pl.col("row_r").cast(pl.UInt32).alias("right_row"),
        pl.col("match_probability").alias("score"),
        *(
            (pl.col(levels[name]) if name in levels else pl.lit(-1)).cast(pl.Int32).alias(name)
            for name in _SCORES.names()
            if name.startswith("level_")
        ),
    ).sort("left_row", "right_row")


def _prior(blocked: pl.DataFrame, two_sided: bool) -> float:
    """How likely two records are one customer before anything is compared.

    Counted from pairs that agree on two of street, phone and name; never less than a part of the
    records having one counterpart, so that a short list is not held to be without any.
    """
    left = blocked.filter(pl.col("side") == 0).height
    right = blocked.height - left
    every = left * right if two_sided else left * (left - 1) // 2
    sure = 0
    for pair in _SURE_PAIRS:
        both = blocked.filter(pl.all_horizontal(pl.col(one).is_not_null() for one in pair))
        joined = both.with_columns(pl.concat_str(*pair, separator="|").alias("block_sure"))
        sure = max(sure, int(_pairs_of_values(joined, "sure", two_sided)["pairs"].sum()))
    least = _PRIOR_MATCHES_PER_RECORD * (min(left, right) if two_sided else left)
    return min(0.5, max(sure / _PRIOR_RECALL, least) / max(every, 1))


def _settings(
    compared: list[Comparison], used: list[str], two_sided: bool, prior: float
) -> dict[str, Any]:
    sides = " and l.side <> r.side" if two_sided else ""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "row",
        "probability_two_random_records_match": prior,
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": False,
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": f"l.block_{name} = r.block_{name}{sides}"} for name in used
        ],
        "comparisons": [_comparison(one) for one in compared],
        "max_iterations": 15,
        "em_convergence": 0.001,
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    """A comparison as Splink writes it, with the weights it came with."""
    column = comparison.column
    levels: list[dict[str, Any]] = [
        {
            "sql_condition": f"{column}_l is null or {column}_r is null",
            "label_for_charts": "empty",
            "is_null_level": True,
        }
    ]
    for level in comparison.levels:
        one: dict[str, Any] = {
            "sql_condition": level.condition,
            "label_for_charts": level.words or "else",
            "m_probability": level.m,
            "u_probability": level.u,
        }
        if level.rare:
            one["tf_adjustment_column"] = level.rare
            one["tf_adjustment_weight"] = 1.0
        levels.append(one)
    return {"output_column_name": comparison.name, "comparison_levels": levels}


def _sample(blocked: pl.DataFrame, policy: IdentityPolicy) -> pl.DataFrame:
    """Records to learn from: whole streets, so that pairs stay together."""
    if blocked.height <= policy.training_rows_max:
        return blocked
    order = pl.coalesce("block_street", "block_phone", "id").hash(seed=1)
    return blocked.sort(order, "row").head(policy.training_rows_max).sort("row")


def _trained(
    trainer: Any, sample: pl.DataFrame, compared: list[Comparison], two_sided: bool
) -> list[dict[str, Any]]:
    """Comparisons with learnt weights; a level that was never seen keeps the one it came with."""
    trainer.training.estimate_u_using_random_sampling(max_pairs=_U_PAIRS_MAX)
    sides = " and l.side <> r.side" if two_sided else ""
    for block in ("street", "phone", "name"):
        if _pairs_of_values(sample, block, two_sided)["pairs"].sum() >= _EM_PAIRS_MIN:
            trainer.training.estimate_parameters_using_expectation_maximisation(
                f"l.block_{block} = r.block_{block}{sides}",
                estimate_without_term_frequencies=True,
            )
    learnt = {
        one["output_column_name"]: one["comparison_levels"]
        for one in trainer.misc.save_model_to_json()["comparisons"]
    }
    prior = _prior(sample, two_sided)
    return [_with_weights(_comparison(one), learnt[one.name], prior) for one in compared]


def _with_weights(
    comparison: dict[str, Any], learnt: list[dict[str, Any]], prior: float
) -> dict[str, Any]:
    """The comparison with what was learnt of each level; a level never seen keeps its own.

    The random pairs that ``u`` was counted on hold some pairs of one customer, as many as the prior
    says. Among strangers a level such as "same street" is rarer by them.
    """
    levels = []
    for own, found in zip(comparison["comparison_levels"], learnt, strict=True):
        m, u = found.get("m_probability"), found.get("u_probability")
        if own.get("is_null_level") or not isinstance(m, float) or not isinstance(u, float):
            levels.append(own)
            continue
        among_strangers = max((u - prior * m) / (1 - prior), u * _STRANGERS_SHARE_MIN)
        levels.append(
            own
            | {
                "m_probability": max(m, _LEVEL_SHARE_MIN),
                "u_probability": max(among_strangers, _LEVEL_SHARE_MIN),
            }
        )
    return comparison | {"comparison_levels": levels}
