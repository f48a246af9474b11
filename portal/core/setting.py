"""One setting of the environment: its type, default and meaning."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class ConfigurationError(Exception):
    """A setting is missing or nonsense; the text names it and never repeats a secret value."""


class Setting(Generic[T]):
    """One setting: calling it reads, checks and returns the value."""

    def __init__(
        self, name: str, parse: Callable[[str], T], meaning: str, default: T | None = None,
        *, secret: bool = False, required: bool = False,
    ) -> None:  # fmt: skip
        self.name, self.parse, self.meaning = name, parse, meaning
        self.default, self.secret, self.required = default, secret, required
        REGISTRY.append(self)

    def raw(self) -> str | None:
        """The text as given, or None; an empty value counts as not given."""
        path = os.environ.get(f"{self.name}_FILE")
        if path:
            try:
                return Path(path).read_text().strip() or None
            except OSError as error:
                raise ConfigurationError(f"{self.name}_FILE: {error.strerror}: {path}") from None
        return os.environ.get(self.name) or None

    def __call__(self) -> T:
        """The value; raises ConfigurationError when it is missing or can't be read."""
        text = self.raw()
        if text is None:
            if self.required:
                raise ConfigurationError(f"{self.name} is not set. {self.meaning}")
            return self.default  # type: ignore[return-value]  # None only where T admits it
        try:
            return self.parse(text)
        except ValueError as error:
            shown = "its value" if self.secret else repr(text)
            raise ConfigurationError(f"{self.name}: {shown} is refused: {error}") from None


REGISTRY: list[Setting] = []  # type: ignore[type-arg]  # of every type
