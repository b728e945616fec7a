"""The standard rules in the forms that are fastest on a provider."""

from __future__ import annotations

from .cpu import cpu_rules
from .standard import standard_rules
from .table import RuleTable


def rules_for(provider: str) -> RuleTable:
    """Return the standard rules with the forms that are fastest on a provider, such as `cpu`."""
    return standard_rules() | cpu_rules() if provider == "cpu" else standard_rules()
