"""The commands of ``ledgerloop``, one module per topic, imported only when called."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """A group whose commands are imported when used: starting a sender stays quick and small.

    Args:
        lazy_commands: command name to ``module:attribute``.
    """

    def __init__(
        self, *args: Any, lazy_commands: Mapping[str, str] | None = None, **kw: Any
    ) -> None:
        super().__init__(*args, **kw)
        self._lazy = dict(lazy_commands or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self._lazy:
            module, _, attribute = self._lazy[cmd_name].partition(":")
            command = getattr(importlib.import_module(module), attribute)
            if isinstance(command, click.Command):
                return command
        return super().get_command(ctx, cmd_name)
