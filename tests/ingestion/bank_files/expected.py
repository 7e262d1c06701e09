"""Expected results that lie beside other people's sample files, read without their libraries."""

import base64
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from ingestion.common.money import MINOR_DIGITS

SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "bank"


#: The files name Python classes and refer to themselves: only these parts are wanted.
_SKIPPED = {"processors", "tags", "options"}


def _value(node: yaml.Node) -> Any:
    """A node as a plain value; nothing that it names is ever built or imported."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag.endswith(("null", ":binary")):
            return base64.b64decode(node.value) if node.tag.endswith("binary") else None
        return node.value
    if isinstance(node, yaml.SequenceNode):
        items = [_value(one) for one in node.value]
        if node.tag.endswith("Decimal"):
            return Decimal(items[0])
        if node.tag.endswith("models.Date"):
            return date(items[0][0] * 256 + items[0][1], items[0][2], items[0][3])
        return items
    return {key.value: _value(value) for key, value in node.value if key.value not in _SKIPPED}


def mt940_of(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Statement data and transactions of the YAML beside a file."""
    root = yaml.compose(path.with_suffix(".yml").read_text("utf-8"), yaml.CSafeLoader)
    parts = {key.value: value for key, value in root.value}
    transactions = [
        _value({key.value: value for key, value in one.value}["data"])
        for one in parts["transactions"].value
    ]
    return _value(parts["data"]), transactions


def signed(transaction: dict[str, Any]) -> Decimal:
    """The amount from the account's view: that library leaves a reversed credit positive."""
    amount = transaction["amount"]["amount"]
    return -amount if transaction["status"] == "RC" else amount


def camt_of(path: Path) -> dict[str, Any]:
    """The JSON beside a file."""
    found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return found


def money(found: dict[str, Any]) -> Decimal:
    """An amount in smallest units with its currency."""
    money = found["getAmount"] if isinstance(found["getAmount"], dict) else found
    digits = MINOR_DIGITS[money["getCurrency"]["getCode"]]
    return Decimal(money["getAmount"]).scaleb(-digits)


def day(found: dict[str, Any] | None) -> date | None:
    """A date object."""
    return date.fromisoformat(found["0"][:10]) if found else None
