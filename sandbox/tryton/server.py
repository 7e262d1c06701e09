"""Starts and stops a real Tryton server on loopback, on databases of a PostgreSQL server.

Tryton runs from its own virtual environment (``.venv-tryton``, hash-pinned by requirements.lock) as
a process of its own. A database is initialised and given its base books once (tens of seconds of
CPU), kept as a dump whose name says what made it, and from then on restored, or copied from a
template in well under a second. It must not be reachable from outside this machine.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from ingestion.common.config import Company, System
from ingestion.common.errors import ConfigError

__all__ = [
    "MODULES",
    "TrytonServer",
    "base_is_made",
    "cache_folder",
    "missing_parts",
    "postgres_of",
    "running_server",
]

MODULES = (
    "party", "bank", "company", "currency", "account", "account_invoice", "account_product",
    "account_credit_limit", "sale", "sale_credit_limit",
)  # fmt: skip
USER = "admin"
_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_VENV = _ROOT / ".venv-tryton"
_START_SECONDS = 90.0
_INIT_SECONDS = 580.0


def missing_parts(postgres_url: str | None, venv: Path = _VENV) -> str:
    """Why Tryton cannot run here, in words that say what to do; empty when it can."""
    if not (venv / "bin" / "trytond").exists():
        return f"{venv} is missing: make test sets it up"
    if not postgres_url:
        return "no PostgreSQL: set LEDGERLOOP_TEST_POSTGRES_URL (Debian package postgresql)"
    if not _program("pg_restore"):
        return "pg_restore is missing: install the Debian package postgresql"
    return ""


def postgres_of(url: str) -> str:
    """A PostgreSQL URL without SQLAlchemy's driver and without a database name."""
    parts = urlsplit(url)
    return f"postgresql://{parts.netloc}"


def _program(name: str) -> str | None:
    """A PostgreSQL program: on the path, or the newest that Debian keeps beside it."""
    found = shutil.which(name)
    if found:
        return found
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(kept[-1]) if kept else None


@dataclass(slots=True)
class TrytonServer:
    """One Tryton process over one PostgreSQL server; it serves any of its databases.

    Attributes:
        postgres_url: ``postgresql://user@host:port``, whose user may create databases.
        cache: folder of the dumps.
        template: name of the database that all others are copied from.
    """

    postgres_url: str
    cache: Path
    venv: Path = _VENV
    port: int = 0
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    _process: subprocess.Popen[bytes] | None = None
    _folder: tempfile.TemporaryDirectory[str] | None = None

    # The process

    def start(self) -> None:
        """Serve on a free loopback port until ``stop``. Raises ConfigError when it does not."""
        self._folder = tempfile.TemporaryDirectory(prefix="ledgerloop-tryton-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", self.port))
            self.port = probe.getsockname()[1]
        with (Path(self._folder.name) / "trytond.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*self._launcher(), "-c", self._configuration()],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                said = (Path(self._folder.name) / "trytond.log").read_text()[-600:]
                self.stop()
                raise ConfigError(f"Tryton did not start: {said}", code="tryton_start")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the process that this object started."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                try:
                    self._process.wait(10)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def is_running(self) -> bool:
        """Whether this object's process serves."""
        return self._process is not None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=2):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def _configuration(self) -> Path:
        assert self._folder is not None
        path = Path(self._folder.name) / "trytond.conf"
        path.write_text(
            f"[database]\nuri = {self.postgres_url}/\npath = {self._folder.name}\nlist = False\n"
            f"[web]\nlisten = 127.0.0.1:{self.port}\n"
            "[session]\ntimeout = 3600\n"
        )
        return path

    def _launcher(self) -> list[str | Path]:
        return [self.venv / "bin" / "python", "-P", _HERE / "launch.py"]

    # Databases

    def base(self) -> str:
        """The template database with base books, made, restored or found; its name.

        Call it before ``url``: where the base had to be made, the server is on another port then.
        Only one process makes it: the others wait for the lock and find it.
        """
        name = f"tryton_base_{_fingerprint()}"
        self.cache.mkdir(parents=True, exist_ok=True)
        dump, secret = self.cache / f"{name}.dump", self.cache / f"{name}.password"
        with (self.cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if dump.exists() and secret.exists():
                self.password = secret.read_text()
                if not self._exists(name):
                    self.restore(dump, f"{name}_unfinished")
                    self._ease_log_ins(f"{name}_unfinished")
                    self._rename(f"{name}_unfinished", name)
                return name
            self.drop(name)
            self._initialise(f"{name}_unfinished")
            self._ease_log_ins(f"{name}_unfinished")
            self.dump(f"{name}_unfinished", dump.with_suffix(".part"))
            secret.touch(mode=0o600)
            secret.write_text(self.password)
            dump.with_suffix(".part").rename(dump)
            self._rename(f"{name}_unfinished", name)
        # A process that served the base while it was made keeps its list of databases for as long
        # as a session lives, and would not find a copy made since.
        self.stop()
        self.port = 0
        self.start()
        return name

    def copy(self, template: str, name: str) -> None:
        """A fresh database from a template in which nobody works, opened; the old one goes."""
        self.prepare(template, name)
        self.open(name)

    def prepare(self, template: str, name: str) -> None:
        """``copy``, but not opened yet: the process finds no database made after its first."""
        self.drop(name)
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        self._let_commits_wait_for_no_disk(name)

    def restore(self, dump: Path, name: str) -> None:
        """A database from a dump."""
        self.drop(name)
        self._execute("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", name)
        self._let_commits_wait_for_no_disk(name)
        self._run("pg_restore", "--no-owner", "-d", f"{self.postgres_url}/{name}", dump)

    def _let_commits_wait_for_no_disk(self, name: str) -> None:
        """What is lost when the machine fails can be made again; what is kept is dumped."""
        self._execute("ALTER DATABASE {} SET synchronous_commit = off", name)

    def dump(self, name: str, path: Path) -> None:
        """A database's content as a file."""
        self._run("pg_dump", "-Fc", "-f", path, f"{self.postgres_url}/{name}")

    def drop(self, name: str) -> None:
        """Remove a database if it is there, ending whoever is connected to it."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def open(self, name: str) -> None:
        """Let the running process load a database that it was not started with.

        Without it Tryton 8.2.1 answers a log-in with KeyError: the log-in's own transaction makes
        an empty pool of models and then takes it for a loaded one. This address loads it first.
        """
        try:
            urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/{name}/r/_", timeout=_START_SECONDS
            ).close()
        except urllib.error.HTTPError as error:
            error.close()

    def query(self, name: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of Tryton's own database: the oracle of tests, never of the product."""
        with psycopg.connect(f"{self.postgres_url}/{name}") as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def execute(self, name: str, statement: str) -> None:
        """Change Tryton's own database behind its back: for faults that tests make."""
        with psycopg.connect(f"{self.postgres_url}/{name}") as connection:
            connection.execute(statement.encode())

    def url(self, name: str) -> str:
        """The address of a database, as ``base_url`` of a system."""
        return f"http://127.0.0.1:{self.port}/{name}"

    def entry(self, name: str) -> dict[str, Any]:
        """A database as an entry of the endpoints file."""
        return {
            "kind": "tryton",
            "base_url": self.url(name),
            "credentials": {"username": USER, "password": self.password},
        }

    def system(self, name: str, system_id: str = "tryton_test") -> System:
        """A database as a connected system with the base books' one company."""
        return System(
            system_id=system_id,
            kind="tryton",
            base_url=self.url(name),
            key_prefix="TRY",
            companies={"1": Company(currency_code="USD", credit_segment="1")},
            options={"ar_gl_account": "1.2.1", "unidentified_gl_account": "2.9.9"},
            credentials={"username": USER, "password": self.password},
        )

    # Making the base

    def _initialise(self, name: str) -> None:
        """Tryton's modules, then the base books over its own protocol."""
        self.drop(name)
        self._execute("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", name)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(self.password)
            file.flush()
            modules = (
                "-u",
                *MODULES,
                "--activate-dependencies",
                "--email",
                "erp@example.com",
                "-p",
            )
            self._admin(name, file.name, *modules)
        self.open(name)
        python, script = self.venv / "bin" / "python", _HERE / "base_books.py"
        _ran([python, script, f"{self.url(name)}/rpc/", USER], said=self.password.encode())

    def _admin(self, name: str, password_file: str, *arguments: str) -> None:
        assert self._folder is not None, "the server is not started"
        configuration = Path(self._folder.name) / "trytond.conf"
        _ran(
            [self.venv / "bin" / "trytond-admin", "-c", configuration, "-d", name, *arguments],
            env={**os.environ, "TRYTONPASSFILE": password_file},
        )

    def _ease_log_ins(self, name: str) -> None:
        """Keep the password in the form that is checked fast, before the first log-in does it."""
        made = _ran([*self._launcher(), "hash"], said=self.password.encode()).decode().strip()
        with psycopg.connect(f"{self.postgres_url}/{name}") as connection:
            connection.execute(
                "UPDATE res_user SET password_hash = %s WHERE login = %s", (made, USER)
            )

    def _rename(self, before: str, after: str) -> None:
        """Rename a database; Tryton's own idle connections to it end."""
        self.query(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            before,
        )
        self._execute("ALTER DATABASE {} RENAME TO {}", before, after)

    def _exists(self, name: str) -> bool:
        rows = self.query("postgres", "SELECT 1 FROM pg_database WHERE datname = %s", name)
        return bool(rows)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(f"{self.postgres_url}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*(sql.Identifier(one) for one in names)))

    def _run(self, program: str, *arguments: str | Path) -> None:
        found = _program(program)
        if found is None:
            raise ConfigError(f"{program} is missing: install postgresql", code="no_postgresql")
        _ran([found, *arguments])


def _ran(
    command: Sequence[str | Path], *, said: bytes = b"", env: Mapping[str, str] | None = None
) -> bytes:
    """What a program says until its end. Raises ConfigError with its last words when it fails."""
    ended = subprocess.run(
        command, input=said, capture_output=True, timeout=_INIT_SECONDS, env=env, check=False
    )
    if ended.returncode:
        words = ended.stderr.decode("utf-8", "replace")[-800:]
        raise ConfigError(f"{Path(command[0]).name} failed: {words}", code="tryton_program")
    return ended.stdout


def cache_folder() -> Path:
    """Where dumps of base books are kept: ``LEDGERLOOP_TRYTON_CACHE``, or ``data/home/tryton``."""
    return Path(os.environ.get("LEDGERLOOP_TRYTON_CACHE", _ROOT / "data/home/tryton"))


def base_is_made(cache: Path) -> bool:
    """Whether base books need only be restored: making them takes minutes."""
    return (cache / f"tryton_base_{_fingerprint()}.dump").exists()


def _fingerprint() -> str:
    """What made the base: its packages, its modules, its books."""
    parts = [(_HERE / name).read_bytes() for name in ("requirements.lock", "base_books.py")]
    parts.append(",".join(MODULES).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


@contextmanager
def running_server(postgres_url: str, cache: Path | None = None) -> Iterator[TrytonServer]:
    """A started server, stopped at the end.

    Args:
        postgres_url: of the PostgreSQL server.
        cache: of dumps; ``cache_folder`` when None.
    """
    server = TrytonServer(postgres_of(postgres_url), cache or cache_folder())
    server.start()
    try:
        yield server
    finally:
        server.stop()
