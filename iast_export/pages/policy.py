"""What a browser may do with a page of ours: its own style and script, and what else is named."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping


def policy(css: str, script: str, others: Mapping[str, str] | None = None) -> str:
    """A Content-Security-Policy: one style and one script by their hashes, pictures inside the
    page, nothing else but what `others` allows, such as {"connect-src": "'self'"}.
    """
    rules = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{_sha256(css)}'",
        "script-src": f"'sha256-{_sha256(script)}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    } | dict(others or {})
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
