"""Texts of all pages can be read: WCAG's contrast of level AA, on light and on dark."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

ASSETS = files("onnxscope.pages").joinpath("assets")
BASE = ASSETS.joinpath("base.css").read_text("utf-8")
SCHEMES = [
    dict(re.findall(r"--([\w-]+):\s*#([0-9a-f]+)", block))
    for block in re.findall(r":root \{(.*?)\}", BASE, re.DOTALL)
]


def luminance(color: str) -> float:
    """The relative luminance of WCAG 2, of three or six hexadecimal digits."""
    digits = "".join(2 * digit for digit in color) if len(color) == 3 else color
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark"])
def test_what_is_written_is_read(scheme):
    assert contrast("000", "fff") == pytest.approx(21)
    for ink in ("ink", "soft"):
        assert contrast(scheme[ink], scheme["paper"]) >= 4.5
        assert contrast(scheme[ink], scheme["stage"]) >= 4.5
    for ink in ("accent", "for", "against"):
        assert contrast(scheme[ink], scheme["paper"]) >= 4.5
    # The edges of controls.
    assert contrast(scheme["faint"], scheme["paper"]) >= 3


@pytest.mark.parametrize(
    "name", sorted(one.name for one in ASSETS.iterdir() if one.name.endswith(".css"))
)
def test_nothing_is_written_in_the_colours_of_lines(name):
    text = ASSETS.joinpath(name).read_text("utf-8")
    assert not re.search(r"(?<![\w-])color: var\(--(faint|line|bar|stage)\)", text)
