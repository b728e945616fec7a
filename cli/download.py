"""Weights of the catalogue, with a bar while they are downloaded."""

from __future__ import annotations

from pathlib import Path

from .. import models
from .console import plural, stderr


def fetch(name: str) -> Path:
    """Return the ONNX file of weights in the catalogue.

    Raises:
        OnnxscopeError: see `onnxscope.models.fetch`.
    """
    if models.is_cached(name):
        return models.fetch(name)
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = stderr()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    if not console.is_terminal:
        entry = models.catalogue()[name]
        console.print(
            f"fetching {name} ({plural(entry.size, 'byte')}) from {entry.source}", soft_wrap=True
        )
        return models.fetch(name)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"fetching {name}", total=None)
        return models.fetch(name, lambda done, total: bar.update(task, completed=done, total=total))
