"""Tables and facts as HTML, for notebooks: readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

# The page's own colours: nothing here has one but what is right, wrong or unsure, which are
# readable on white and on black.
_LINE = "border-bottom:1px solid rgba(128,128,128,.35)"
_CELL = "padding:.15em .9em .15em 0;text-align:{side};vertical-align:top;background:none"
_VERDICTS = {"agrees": "#2f9e44", "disagrees": "#e03131", "cannot tell": "#e08e0b"}


def panel(title: str, *parts: str) -> str:
    """Return a title with parts of HTML below it."""
    heading = f'<div style="font-weight:600;margin-bottom:.3em">{escape(title)}</div>'
    inside = "".join(part for part in parts if part)
    return f'<div style="color:inherit;font-size:.95em;overflow-x:auto">{heading}{inside}</div>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names with what is known of each; those of which nothing is known are left out."""
    rows = "".join(
        f'<tr style="background:none">{_cell(name, faint=True)}{_cell(fact)}</tr>'
        for name, fact in pairs
        if fact
    )
    return f'<table style="border:none;margin:0 0 .6em 0"><tbody>{rows}</tbody></table>'


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()
) -> str:
    """Return a table with a heading.

    Args:
        columns: Their names.
        rows: Text, which is escaped; a verdict has its colour.
        numbers: Which columns hold numbers, from 0, and end at the right.
    """
    head = "".join(
        f'<th style="{_style(at in numbers)};font-weight:600;opacity:.75">{escape(name)}</th>'
        for at, name in enumerate(columns)
    )
    body = "".join(
        '<tr style="background:none">'
        + "".join(_cell(text, right=at in numbers) for at, text in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return (
        '<table style="border:none;border-collapse:collapse;margin:0 0 .6em 0">'
        f'<thead><tr style="background:none;{_LINE}">{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def note(text: str) -> str:
    """Return a remark below a table."""
    return f'<div style="opacity:.75">{escape(text)}</div>'


def _cell(text: str, *, right: bool = False, faint: bool = False) -> str:
    style = _style(right) + (";opacity:.75" if faint else "")
    if text in _VERDICTS:
        style += f";color:{_VERDICTS[text]};font-weight:600"
    return f'<td style="{style}">{escape(text)}</td>'


def _style(right: bool) -> str:
    return _CELL.format(side="right" if right else "left")
