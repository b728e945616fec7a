"""What the shell completes: models of the catalogue, and the layers of a model that is here."""

from __future__ import annotations

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
