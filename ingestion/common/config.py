"""Configuration: ``ledgerloop.toml`` plus, for sandbox systems, the endpoints file.

Secrets never stand in the TOML. They come from ``LEDGERLOOP_CREDENTIALS_<SYSTEM>_<NAME>`` in the
environment, or, for ``endpoint = "sandbox"``, from the endpoints file that ``ledgerloop sandbox
serve`` writes. A wrong key is refused by name, with the nearest right one.
"""

import difflib
import importlib
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingestion.common.errors import ConfigError

__all__ = [
    "BankAccount",
    "Company",
    "Config",
    "Hub",
    "System",
    "config_path",
    "endpoints_path",
    "explain",
    "home_path",
    "load_config",
]

Mode = Literal["off", "shadow", "approve_all", "automatic"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Company(_Strict):
    """One company code (legal entity) of an ERP system."""

    currency_code: str
    credit_segment: str = "1000"
    time_zone: str = "UTC"
    name: str = ""
    posting_open_from: date | None = None


class BankAccount(_Strict):
    """One of our own bank accounts; it decides a receipt's company and who books the bank line."""

    account: str
    system_id: str
    company_code: str
    currency_code: str
    gl_account: str = "113100"
    bank_line: Literal["erp", "hub"] | None = None


class System(_Strict):
    """One connected instance of a kind. ``credentials`` is filled from outside the TOML.

    ``objects`` are for kinds that are configured alone (``rest``); the kind's settings check them.
    """

    system_id: str
    kind: str
    base_url: str = ""
    endpoint: Literal["", "sandbox"] = ""
    key_prefix: str = ""
    mode: Mode | None = None
    ca_bundle: str = ""
    companies: dict[str, Company] = Field(default_factory=dict)
    accounts: list[BankAccount] = Field(default_factory=list)
    options: dict[str, str | int | bool] = Field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = Field(default_factory=dict)
    credentials: dict[str, str] = Field(default_factory=dict, repr=False)

    @property
    def is_loopback(self) -> bool:
        """True where the address is this machine: only there a system may start ``automatic``."""
        parts = urlsplit(self.base_url)
        return parts.scheme == "file" or parts.hostname in {"127.0.0.1", "localhost", "::1"}

    @property
    def effective_mode(self) -> Mode:
        """The configured mode; unset means automatic on loopback and shadow elsewhere."""
        return self.mode or ("automatic" if self.is_loopback else "shadow")

    def options_over(self, defaults: Mapping[str, str]) -> dict[str, str]:
        """The options as text, over those of the kind."""
        return {**defaults, **{name: str(value) for name, value in self.options.items()}}


class Hub(_Strict):
    """Figures of the hub itself. ``rates``: one unit of a currency in the group currency."""

    group_currency: str = "USD"
    time_zone: str = "UTC"
    rates: dict[str, Decimal] = Field(default_factory=dict)
    policy: str = ""


class Config(_Strict):
    """The whole configuration of one installation."""

    hub: Hub = Hub()
    systems: dict[str, System] = Field(default_factory=dict)

    def of_kind(self, kind: str) -> list[System]:
        """Every connected system of a kind, in the order of the file."""
        return [s for s in self.systems.values() if s.kind == kind]

    def bank_accounts(self) -> list[BankAccount]:
        """Every own bank account; an unset ``bank_line`` is ``hub`` when its ERP is loopback."""
        found = []
        for system in self.systems.values():
            for account in system.accounts:
                owner = self.systems.get(account.system_id)
                is_ours = account.bank_line is None and owner is not None and owner.is_loopback
                update = {"bank_line": "hub"} if is_ours else {}
                found.append(account.model_copy(update=update))
        return found


def home_path() -> Path:
    """``LEDGERLOOP_HOME``: where all state of a run lies (default ``data/home``)."""
    return Path(os.environ.get("LEDGERLOOP_HOME", "data/home"))


def config_path() -> Path:
    """``LEDGERLOOP_CONFIG`` (default ``ledgerloop.toml`` here, else the one in the repository)."""
    named = os.environ.get("LEDGERLOOP_CONFIG")
    if named:
        return Path(named)
    here = Path("ledgerloop.toml")
    return here if here.exists() else Path(__file__).parents[2] / "ledgerloop.toml"


def endpoints_path() -> Path:
    """``LEDGERLOOP_ENDPOINTS`` (default ``$LEDGERLOOP_HOME/sandbox/endpoints.json``)."""
    named = os.environ.get("LEDGERLOOP_ENDPOINTS")
    return Path(named) if named else home_path() / "sandbox" / "endpoints.json"


def load_config(path: Path | None = None) -> Config:
    """Read and check the configuration.

    Raises:
        ConfigError: no such file, not TOML, an unknown key (with the nearest right one), a wrong
            value, a plain-http address that is not loopback, or a sandbox that is not running.
    """
    path = path or config_path()
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"no configuration at {path}: create it or set LEDGERLOOP_CONFIG", code="config_missing"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", code="config_syntax") from None
    for system_id, system in (tree.get("systems") or {}).items():
        if isinstance(system, dict):
            system.setdefault("system_id", system_id)
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(explain(str(path), error, _KNOWN_KEYS), code="config_key") from None
    for system in config.systems.values():
        _check_objects(path, system)
    systems = {name: _connected(path, system) for name, system in config.systems.items()}
    return config.model_copy(update={"systems": systems})


def _connected(path: Path, system: System) -> System:
    """Fill address and credentials of one system from the endpoints file and the environment."""
    prefix = f"LEDGERLOOP_CREDENTIALS_{system.system_id.upper()}_"
    secrets = {
        name.removeprefix(prefix).lower(): value
        for name, value in os.environ.items()
        if name.startswith(prefix)
    }
    base_url = system.base_url
    if system.endpoint == "sandbox":
        found = _sandbox_endpoint(system.system_id)
        base_url = base_url or str(found.get("base_url", ""))
        secrets = {**found.get("credentials", {}), **secrets}
    if (
        urlsplit(base_url).scheme == "http"
        and not system.model_copy(update={"base_url": base_url}).is_loopback
    ):
        raise ConfigError(
            f"{path}: systems.{system.system_id}.base_url is plain http outside this machine: "
            "use https",
            code="config_insecure",
        )
    return system.model_copy(update={"base_url": base_url, "credentials": secrets})


def _sandbox_endpoint(system_id: str) -> dict[str, Any]:
    """The endpoints file's entry of a system; empty when no sandbox has been started yet."""
    try:
        tree = json.loads(endpoints_path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    entry = tree.get("systems", {}).get(system_id, {})
    return dict(entry)


_KNOWN_KEYS = sorted(
    {name for model in (Company, BankAccount, System, Hub, Config) for name in model.model_fields}
)


def _check_objects(path: Path, system: System) -> None:
    """Let a kind that is configured by objects check them; all others take none."""
    if not system.objects:
        return
    where = f"{path}: systems.{system.system_id}"
    try:
        settings = importlib.import_module(f"ingestion.{system.kind}.settings")
    except ModuleNotFoundError:
        settings = None
    check = getattr(settings, "check_objects", None)
    if check is None:
        raise ConfigError(
            f"{where}.objects: kind {system.kind!r} takes no objects; kind 'rest' does",
            code="config_key",
        )
    check(system, where)


def explain(where: str, error: ValidationError, known_keys: Sequence[str]) -> str:
    """One line per problem: where it stands, what is wrong, the nearest right key."""
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            wrong = str(problem["loc"][-1])
            near = difflib.get_close_matches(wrong, known_keys, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            lines.append(f"{where}: unknown key {place!r}{hint}")
        else:
            said = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{where}: {place}: {said}" if place else f"{where}: {said}")
    return "\n".join(lines)
