"""Tells each story once, two at a time, and keeps its scene open for the tests that look at it.

A story is one course of events on one scene (a loop with faults, a killed run and its reruns); it
takes seconds, so it is told once a session and many tests look at what it left. Stories of the
collected tests start together on two threads: the product runs in processes of its own.
"""

import shutil
import sys
import tomllib
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from tests.flow.scene import Scene, copied, seeded
from tests.support.dbt import build_empty

__all__ = ["Stage", "Story", "story"]

T = TypeVar("T")
Story = Callable[["Stage"], T]
_AT_ONCE = 2
_STORIES: list[Story[Any]] = []


def story(tell: Story[T]) -> Story[T]:
    """Mark a function as a story, so that it starts early when its tests are collected."""
    _STORIES.append(tell)
    return tell


class Stage:
    """Where stories are told.

    Args:
        folder: all homes lie below it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="story")
        self._stack = ExitStack()
        self._lock = Lock()
        self._told: dict[Story[Any], Future[Any]] = {}
        self._seeding, self._building = Lock(), Lock()

    def begin(self, modules: Collection[str]) -> None:
        """Start the stories of these test modules."""
        for tell in _STORIES:
            if tell.__module__ in modules:
                self._start(tell)

    def _start(self, tell: Story[T]) -> "Future[T]":
        with self._lock:
            if tell not in self._told:
                self._told[tell] = self._pool.submit(tell, self)
            return self._told[tell]

    def of(self, tell: Story[T]) -> T:
        """What a story left; told here and now when nobody has begun it."""
        future = self._start(tell)
        if future.cancel():  # it still waits for a thread: this one is free
            mine: Future[T] = Future()
            with self._lock:
                self._told[tell] = mine
            try:
                mine.set_result(tell(self))
            except BaseException as error:  # noqa: BLE001 - whoever asks for the story gets it
                mine.set_exception(error)
            future = mine
        return future.result()

    def enter(self, opened: AbstractContextManager[T]) -> T:
        """Open something for the rest of the session."""
        value = opened.__enter__()
        with self._lock:
            self._stack.push(opened)
        return value

    @property
    def unbuilt_home(self) -> Path:
        """A home whose vendors hold the twin's books; no loop ran on it and nothing is built."""
        home = self.folder / "unbuilt"
        with self._seeding:
            if not home.exists():
                with seeded(home) as scene:
                    limits = str(home / "demo" / "approved_limits.csv")
                    finished = scene.ledgerloop("approvals", "import", limits)
                    assert finished.code == 0, finished.err
        return home

    @property
    def seeded_home(self) -> Path:
        """The same, its empty tables and views made: nothing was read, nobody looped yet.

        What a first loop on a home without them does, the demo tells and the interrupted loops.
        """
        home, template = self.folder / "seeded", self.unbuilt_home
        with self._building:
            if not home.exists():
                shutil.copytree(template, home, symlinks=True)
                text = (home / "sandbox" / "ledgerloop.toml").read_text(encoding="utf-8")
                build_empty(home, {one["kind"] for one in tomllib.loads(text)["systems"].values()})
        return home

    def scene(self, template: Path, name: str) -> Scene:
        """A scene of its own, going on from a template, open until the session ends."""
        return self.enter(copied(template, self.folder / name))

    def close(self) -> None:
        """Wait for what still runs, then stop every vendor."""
        self._pool.shutdown(cancel_futures=True)
        self._stack.__exit__(*sys.exc_info())
