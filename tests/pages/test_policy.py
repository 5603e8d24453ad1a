"""The policy of a page names its own style and script, and nothing beside what is allowed."""

from __future__ import annotations

import base64
import hashlib

from iast_export.pages.policy import policy


def test_it_allows_one_style_one_script_and_pictures_inside_the_page() -> None:
    script = base64.b64encode(hashlib.sha256(b"go()").digest()).decode()
    rules = policy("p{}", "go()").split("; ")
    assert rules[:2] == ["default-src 'none'", "img-src data:"]
    assert f"script-src 'sha256-{script}'" in rules and not any("unsafe" in one for one in rules)


def test_what_is_allowed_beside_replaces_a_rule_or_adds_one() -> None:
    rules = policy("", "", {"img-src": "blob:", "connect-src": "'self'"}).split("; ")
    assert "img-src blob:" in rules and "connect-src 'self'" in rules
    assert len({rule.split()[0] for rule in rules}) == len(rules)
