"""`presets: [failure_modes]`: what it turns on, and what takes precedence."""

from __future__ import annotations

import pytest

from evaluators.build import build_suite
from evaluators.presets import FAILURE_MODES, PRESETS
from evaluators.registry import BUILT_IN
from schemas.errors import ConfigError
from schemas.settings import parse_settings


def names(text: str) -> list[str]:
    settings, source = parse_settings(text, "evalstream.yaml", {})
    suite = build_suite(settings, source)
    suite.close()
    return [evaluator.name for evaluator in suite.evaluators]


def test_all_of_them_with_their_defaults() -> None:
    assert names("presets: [failure_modes]") == list(FAILURE_MODES)
    assert names("presets: [failure_modes, failure_modes]") == list(FAILURE_MODES)
    assert names("{}") == []


def test_an_entry_of_the_same_type_or_name_takes_precedence() -> None:
    text = """
presets: [failure_modes]
evaluators:
  - {type: agent_loop, enabled: false}
  - {type: unknown_tool, name: mine}
  - {type: length, name: retry_storm}
"""
    found = names(text)
    assert found[:2] == ["mine", "retry_storm"]
    assert set(found[2:]) == set(FAILURE_MODES) - {"agent_loop", "unknown_tool", "retry_storm"}


def test_every_member_is_a_shipped_type_once() -> None:
    assert set(FAILURE_MODES) <= {name for name, _ in BUILT_IN}
    assert len(set(FAILURE_MODES)) == len(FAILURE_MODES)


def test_the_settings_know_the_same_presets() -> None:
    for preset in PRESETS:
        assert names(f"presets: [{preset}]")
    with pytest.raises(ConfigError, match="presets"):
        names("presets: [failures]")
