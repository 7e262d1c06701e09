"""A system's SFTP settings: from its ``sftp_…`` options and its credentials.

Addresses, folders and the pinned host key are options of ``[systems.<id>.options]``; keys and
passwords come with the credentials (``LEDGERLOOP_CREDENTIALS_<SYSTEM>_SFTP_…``, or the endpoints
file of the sandbox, which also says where its server listens). Connects to nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from ingestion.common.config import System
from ingestion.common.errors import ConfigError

__all__ = ["SftpSettings", "sftp_of"]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PREFIX = "sftp_"
_TAKEN_RULES = ("move", "remember")
#: Every option that may stand in the configuration or, for the sandbox, in the endpoints file.
_OPTIONS = frozenset(
    {
        "host",
        "port",
        "user",
        "host_key",
        "pull_folder",
        "taken_folder",
        "taken",
        "push_folder",
        "ack_folder",
        "file_from",
        "file_rows_max",
        "ack_wait_seconds",
        "ack_seconds_max",
        "timeout_seconds",
        "connect_seconds",
        "window_bytes",
    }
)
_SECRETS = frozenset({"private_key", "private_key_file", "passphrase", "password"})


@dataclass(frozen=True, slots=True)
class SftpSettings:
    """Where files are exchanged with one system.

    Attributes:
        host_keys: pinned keys: ``SHA256:…`` fingerprints or ``<type> <base64>`` public keys.
        pull_folder: where the other side puts files for us; empty: nothing is pulled.
        taken_folder: where a pulled file is moved to (``taken = "move"``).
        push_folder: where we put files for the other side; empty: nothing is pushed.
        ack_folder: where the other side answers pushed files.
        file_from: commands from which on a batch travels as a file, of at most ``file_rows_max``.
        ack_wait_seconds: how long a sender waits for the answer to a file.
        ack_seconds_max: when a missing answer becomes a person's business.
        timeout_seconds: the longest one transfer may take.
        window_bytes: what is in flight at once; what a cut connection costs.
    """

    host: str
    user: str
    host_keys: frozenset[str]
    port: int = 22
    pull_folder: str = ""
    taken_folder: str = ""
    taken: Literal["move", "remember"] = "move"
    push_folder: str = ""
    ack_folder: str = ""
    file_from: int = 5_000
    file_rows_max: int = 20_000
    ack_wait_seconds: int = 30
    ack_seconds_max: int = 3_600
    timeout_seconds: int = 900
    connect_seconds: int = 20
    window_bytes: int = 4 * 1024 * 1024
    private_key: str = field(default="", repr=False)
    private_key_file: str = ""
    passphrase: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """How people know the server."""
        return f"sftp://{self.user}@{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """True where the server is on this machine."""
        return self.host in _LOOPBACK

    def private_keys(self) -> Sequence[Any]:
        """The client's keys for asyncssh; empty when only a password is configured.

        Raises:
            ConfigError: the key cannot be read.
        """
        import asyncssh

        passphrase = self.passphrase or None
        try:
            if self.private_key:
                return [asyncssh.import_private_key(self.private_key, passphrase)]
            if self.private_key_file:
                return [asyncssh.read_private_key(self.private_key_file, passphrase)]
        except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise ConfigError(
                f"{self.place}: the private key cannot be read ({error}); correct the credential "
                "SFTP_PRIVATE_KEY_FILE or SFTP_PASSPHRASE",
                code="sftp_key",
            ) from error
        return []


def sftp_of(system: System) -> SftpSettings | None:
    """The SFTP settings of a system; None when it has none.

    Raises:
        ConfigError: an unknown ``sftp_`` option, a missing or wrong one, a secret in the options,
            or no pinned host key.
    """
    where = f"systems.{system.system_id}.options"
    options = _named(system.options)
    given = _named(system.credentials)
    if not options and "host" not in given:
        return None
    if secret := sorted(_SECRETS & set(options) - {"private_key_file"}):
        raise ConfigError(
            f"{where}.{_PREFIX}{secret[0]}: a secret never stands in the configuration; set "
            f"LEDGERLOOP_CREDENTIALS_{system.system_id.upper()}_SFTP_{secret[0].upper()}",
            code="sftp_secret",
        )
    if unknown := sorted(set(options) - _OPTIONS - {"private_key_file"}):
        known = ", ".join(f"{_PREFIX}{name}" for name in sorted(_OPTIONS))
        raise ConfigError(
            f"{where}.{_PREFIX}{unknown[0]} is not known; there are {known}", code="sftp_option"
        )
    found = {k: v for k, v in {**given, **options}.items() if k in _OPTIONS | _SECRETS}
    for name in ("host", "user", "host_key"):
        if not found.get(name):
            raise ConfigError(
                f"{where}.{_PREFIX}{name} is missing: {_WHY[name]}", code="sftp_option"
            )
    keys = _pinned(str(found.pop("host_key")), where)
    numbers = {n for n, f in SftpSettings.__dataclass_fields__.items() if f.type is int}
    values = {k: _number(where, k, v) if k in numbers else str(v) for k, v in found.items()}
    if values.get("taken", "move") not in _TAKEN_RULES:
        raise ConfigError(f"{where}.sftp_taken must be one of {_TAKEN_RULES}", code="sftp_option")
    if values.get("pull_folder") and not values.get("taken_folder"):
        values["taken_folder"] = f"{values['pull_folder']}/taken"
    if _is_here(values["host"]):
        values = {"timeout_seconds": 120, "ack_seconds_max": 60, **values}
    return SftpSettings(host_keys=keys, **cast("dict[str, Any]", values))


_WHY = {
    "host": "the server's name",
    "user": "the name to sign in with",
    "host_key": "pin the server's host key, as SHA256:… or as '<type> <base64>' (the first line "
    "of ssh-keyscan's output, checked with the other side); an unknown host is never trusted",
}


def _is_here(host: object) -> bool:
    return host in _LOOPBACK


def _named(tree: Any) -> dict[str, Any]:
    """The entries of a mapping that are about SFTP, without the prefix."""
    return {
        name.removeprefix(_PREFIX): value
        for name, value in tree.items()
        if name.startswith(_PREFIX)
    }


def _pinned(text: str, where: str) -> frozenset[str]:
    """Fingerprints and public keys, several separated by commas or line breaks.

    A line of a known_hosts file is taken too; its host names are not looked at, the pin is for
    this system alone.
    """
    keys = set()
    for part in text.replace("\n", ",").split(","):
        words = part.split()
        if not words:
            continue
        if words[0].startswith("SHA256:"):
            keys.add(words[0])
            continue
        start = next((i for i, word in enumerate(words) if word.startswith(("ssh-", "ecdsa-"))), -1)
        if start < 0 or start + 1 >= len(words):
            raise ConfigError(
                f"{where}.sftp_host_key: {part.strip()[:40]!r} is neither SHA256:… nor a public "
                "key line",
                code="sftp_option",
            )
        keys.add(f"{words[start]} {words[start + 1]}")
    return frozenset(keys)


def _number(where: str, name: str, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number <= 0:
        raise ConfigError(
            f"{where}.{_PREFIX}{name} must be a positive whole number, it is {value!r}",
            code="sftp_option",
        )
    return number
