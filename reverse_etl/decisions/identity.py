"""Which records of two lists (or of one) are the same customer: links and proposals with reasons.

Strong keys link, when the rest bears them out; a strong key that differs vetoes link and proposal;
everything else is a scored proposal for a person. The same name under another number is a hierarchy
question and never a merge. Pure: frames in, a frame out, the same answer for the same records in
whatever order. Nothing is linked here on likeness.
"""

from collections.abc import Callable, Sequence

import polars as pl

from reverse_etl.decisions.identity_clusters import link_by_keys
from reverse_etl.decisions.identity_levels import COMPARISONS
from reverse_etl.decisions.identity_model import score_pairs
from reverse_etl.decisions.identity_policy import IdentityPolicy
from reverse_etl.decisions.identity_records import prepare_records
from reverse_etl.decisions.identity_strong import StrongPair, conflicts_of

__all__ = ["MATCH_SCHEMA", "match_identities"]

#: Columns of the answer.
MATCH_SCHEMA = pl.Schema(
    {
        "left_id": pl.String,
        "right_id": pl.String,
        "decision": pl.String,
        "score": pl.Float64,
        "reason": pl.String,
    }
)

_LINK_SCORE = 1.0
#: Keys that veto even a proposal; another customer number only makes it a hierarchy question.
_VETOING = ("tax", "vat", "lei", "duns")
_SCORE_DIGITS = 6


def match_identities(
    left: pl.DataFrame,
    right: pl.DataFrame | None,
    policy: IdentityPolicy,
    *,
    progress: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """Compare two lists of customers, or one with itself.

    Args:
        left: ``id``, ``name`` and any of ``street, city, postal_code, country, phone, email,
            tax_id``, and of the strong keys ``vat_id, duns, lei, erp_customer_id``. An
            ``erp_customer_id`` on the left names a record of the right by its own
            ``erp_customer_id`` or, where the right has none, by its ``id``.
        right: the same; None compares the left records with each other. ``system_id`` tells which
            ERP a record is of.
        policy: thresholds.
        progress: told what is being done, in plain words.

    Returns:
        ``MATCH_SCHEMA``: one row a pair, links first, then proposals by score. ``link``: certain by
        strong keys. ``proposal``: for a person, score 0..1.

    Raises:
        ConfigError: ``id`` or ``name`` is missing, or an id is empty or not unique in its list.
    """
    tell = progress or (lambda _: None)
    tell("reading the records")
    records = prepare_records(left, right, policy)
    if records.height < 2 or (right is not None and records["side"].n_unique() < 2):
        return MATCH_SCHEMA.to_frame()
    tell("linking by strong keys")
    strong = link_by_keys(records, policy)
    scored = score_pairs(records, policy, tell)
    tell("writing reasons")
    rows = _links(strong) + _proposals(records, strong, scored, right is not None, policy)
    return _answer(rows, records)


_Row = tuple[int, int, str, float, str]


def _links(strong: Sequence[StrongPair]) -> list[_Row]:
    return [
        (pair.left_row, pair.right_row, "link", _LINK_SCORE, pair.reason)
        for pair in strong
        if pair.is_link
    ]


def _proposals(
    records: pl.DataFrame,
    strong: Sequence[StrongPair],
    scored: pl.DataFrame,
    two_sided: bool,
    policy: IdentityPolicy,
) -> list[_Row]:
    """Pairs for a person: what shares a key and is not certain, and what the model finds likely."""
    linked = {(pair.left_row, pair.right_row) for pair in strong if pair.is_link}
    settled = (
        {left for left, _ in linked}
        if two_sided and not policy.several_customers_per_account
        else set()
    )
    scores = {(row[0], row[1]): row[2:] for row in scored.iter_rows()}
    doubted = {(pair.left_row, pair.right_row): pair.reason for pair in strong if not pair.is_link}
    every = sorted({*scores, *doubted} - linked)
    vetoed = conflicts_of(records, every, _VETOING)
    other_number = conflicts_of(records, every, ("erp",))
    rows: list[_Row] = []
    for pair in every:
        if pair in vetoed or pair[0] in settled:
            continue
        score, *levels = scores.get(pair, (0.0,))
        told = [part for part in (doubted.get(pair, ""), _reason(levels)) if part]
        if pair in doubted:
            score = max(score, policy.strong_key_score_min)
        if pair in other_number:
            told.insert(0, "hierarchy question: another customer number")
        elif pair not in doubted and _is_name_alone(levels):
            told.insert(0, "hierarchy question: only the name agrees")
        if score >= policy.proposal_score_min:
            rows.append((*pair, "proposal", score, "; ".join(told)))
    return rows


def _reason(levels: Sequence[int]) -> str:
    """What agrees and differs, field by field; empty fields are not named."""
    return ", ".join(
        words
        for comparison, level in zip(COMPARISONS, levels, strict=False)
        if level >= 0 and (words := comparison.levels[len(comparison.levels) - 1 - level].words)
    )


def _is_name_alone(levels: Sequence[int]) -> bool:
    """Names alike, and no other field agrees."""
    name, *others = levels
    return name > 0 and not any(level > 0 for level in others)


def _answer(rows: Sequence[_Row], records: pl.DataFrame) -> pl.DataFrame:
    ids = records["id"].to_list()
    frame = pl.DataFrame(
        [
            (ids[left], ids[right], decision, round(score, _SCORE_DIGITS), reason)
            for left, right, decision, score, reason in rows
        ],
        schema=MATCH_SCHEMA,
        orient="row",
    )
    return frame.sort(
        "decision", "score", "left_id", "right_id", descending=[False, True, False, False]
    )
