"""Customers' deduction codes to our reason codes.

Every payer has codes of its own, and one code means different things to different payers. Asked in
this order: the customer's own map, what people made of that customer's code before, the general
map. An unknown code is OTHER and somebody is told; it is never guessed from its text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from reverse_etl.planning.policy_credit import DeductionsPolicy

__all__ = ["OTHER", "UNEARNED", "CodeMap"]

OTHER = "OTHER"
#: What the hub itself calls a discount that a payer took and was not granted.
UNEARNED = "UNEARNED-DISC"


def _folded(code: str) -> str:
    """Codes are compared without case, blanks at their ends and leading zeros."""
    folded = code.strip().casefold()
    return folded.lstrip("0") or folded


@dataclass(frozen=True, slots=True)
class CodeMap:
    """Which internal code an external one stands for."""

    general: Mapping[str, str] = field(default_factory=dict)
    of_customer: Mapping[tuple[str, str], str] = field(default_factory=dict)
    learned: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, policy: DeductionsPolicy, disputes: pl.DataFrame | None = None) -> "CodeMap":
        """From the policy and from what people decided.

        Args:
            policy: the maps of the policy file.
            disputes: ``ledger.disputes``: a person's code on a decided dispute teaches what that
                customer means, unless people disagreed.
        """
        return cls(
            {
                _folded(UNEARNED): UNEARNED,
                **{_folded(code): reason for code, reason in policy.codes.items()},
            },
            {
                (customer_id, _folded(code)): reason
                for customer_id, codes in policy.customer_codes.items()
                for code, reason in codes.items()
            },
            {} if disputes is None else _learned(disputes),
        )

    def code_of(
        self, customer_id: str, external_code: str, claim_text: str = ""
    ) -> tuple[str, str]:
        """The reason code and how it was found, in plain words."""
        if not external_code:
            return OTHER, "the payer gave no reason" if not claim_text else "no code was given"
        code = _folded(external_code)
        for how, found in (
            ("this customer's own code", self.of_customer.get((customer_id, code))),
            ("as people decided for this customer before", self.learned.get((customer_id, code))),
            ("a general code", self.general.get(code)),
        ):
            if found is not None:
                return found, f"code {external_code} is {found}, {how}"
        return OTHER, f"code {external_code} is unknown: add it to this customer's map"

    def knows(self, customer_id: str, external_code: str) -> bool:
        """Whether a code has a meaning."""
        code = _folded(external_code)
        keys = (customer_id, code)
        return code in self.general or keys in self.of_customer or keys in self.learned


def _learned(disputes: pl.DataFrame) -> dict[tuple[str, str], str]:
    """What decided disputes say of a customer's code, where they all say the same."""
    decided = disputes.filter(
        (pl.col("version") > 0)
        & (pl.col("external_code") != "")
        & (pl.col("reason_code") != OTHER)
        & (pl.col("status") != "void")
    )
    said: dict[tuple[str, str], set[str]] = {}
    for customer_id, code, reason in decided.select(
        "customer_id", "external_code", "reason_code"
    ).iter_rows():
        said.setdefault((customer_id, _folded(code)), set()).add(reason)
    return {key: next(iter(reasons)) for key, reasons in said.items() if len(reasons) == 1}
