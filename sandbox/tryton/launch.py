"""Starts ``trytond`` in its own virtual environment, with log-ins that cost next to nothing.

Tryton hashes passwords with argon2 and has no setting for its cost: 64 MB and 0.2 s of CPU for each
log-in, and tests log in some hundred times. The databases here stand on loopback for as long as a
test or a demo lasts and their one password is random, so the smallest cost does. Nothing else of
Tryton is changed, and nothing of it is imported into the hub.

Call: ``python launch.py -c CONFIGURATION``, or ``python launch.py hash < password``.
"""

import functools
import importlib
import sys
from typing import Any

argon2: Any = importlib.import_module("pwdlib.hashers.argon2")

#: What a database that was made otherwise holds is hashed anew at its first log-in.
_CHEAP = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}


def main(arguments: list[str]) -> None:
    """Serve until the process is told to end; or print what a database holds of a password."""
    argon2.Argon2Hasher = functools.partial(argon2.Argon2Hasher, **_CHEAP)
    if arguments == ["hash"]:
        print(argon2.Argon2Hasher().hash(sys.stdin.read().strip()))
        return
    # Imported only now: Tryton makes its hasher as soon as its users are loaded.
    importlib.import_module("trytond.cli").main()


if __name__ == "__main__":
    main(sys.argv[1:])
