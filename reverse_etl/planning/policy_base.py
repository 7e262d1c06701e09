"""What every section of the policy file has in common: no unknown key, no float, never changed."""

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["Section"]


class Section(BaseModel):
    """A section of the policy file; amounts and percentages stand in it as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_float(cls, value: Any) -> Any:
        if isinstance(value, float):
            raise ValueError(  # noqa: TRY004 (pydantic reports only ValueError)
                'write amounts and percentages as text, such as "10.5"'
            )
        return value
