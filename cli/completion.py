"""What the shell completes: models, the layers of one that is here, and words that options take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from ..errors import OnnxscopeError

# A file that takes long to read would hold up the shell.
_LARGEST = 2**28


def complete_model(incomplete: str) -> list[str]:
    """Return the catalogue's names that begin so; files are the shell's."""
    from .. import models

    return [name for name in models.catalogue() if name.startswith(incomplete)]


def complete_target(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the layers that begin so, of a model that need not be fetched first."""
    from .. import models
    from ..network.loading import load

    name = str(ctx.params.get("model") or "")
    try:
        here = models.is_cached(name) if name in models.catalogue() else _is_small(name)
        if not here:
            return []
        layers = load(name).layers.values()
    except OnnxscopeError:
        # While one types there is nobody to tell.
        return []
    return [layer.title for layer in layers if layer.title.startswith(incomplete)]


def _is_small(name: str) -> bool:
    return Path(name).is_file() and Path(name).stat().st_size < _LARGEST


def _providers() -> Iterable[str]:
    from ..runtime.session import available_providers

    return ["auto", *available_providers()]


def _presets() -> Iterable[str]:
    from ..network.inputs.presets import PRESETS

    return PRESETS


def _qualities() -> Iterable[str]:
    from ..store.plan import QUALITIES

    return QUALITIES


def _rules() -> Iterable[str]:
    from ..rules.named import NAMED

    return NAMED


_WORDS: dict[str, Callable[[], Iterable[str]]] = {
    "--channel-order": lambda: ("rgb", "bgr"),
    "--export": lambda: ("json", "npz"),
    "--optimizer": lambda: ("adam", "nadam", "momentum", "lbfgs"),
    "--parameterization": lambda: ("fourier", "pixels", "laplacian", "shared", "cppn", "maco"),
    "--preprocessing": _presets,
    "--provider": _providers,
    "--quality": _qualities,
    "--rules": _rules,
    "--transforms": lambda: ("lucid", "distill", "none"),
}
"""The words that an option takes; imported only when the shell asks."""


def words_of(option: str) -> Callable[[str], list[str]]:
    """Return what completes an option that takes certain words.

    Args:
        option: Its name, such as `--quality`.
    """
    words = _WORDS[option]

    def complete(incomplete: str) -> list[str]:
        # Of several between commas the last one is being typed.
        before, comma, last = incomplete.rpartition(",")
        return [before + comma + word for word in words() if word.startswith(last)]

    return complete
