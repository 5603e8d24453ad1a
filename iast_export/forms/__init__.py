"""Exact rewrites of float ONNX graphs into forms that stay fast, or whole, in integers.

Each keeps the result to float rounding and leaves alone what it does not recognize; `registry`
lists them.
"""

from iast_export.forms.edit import Rewritten
from iast_export.forms.registry import REWRITES, Fired, Rewrite, note, note_more, noted, rewrite

__all__ = ["REWRITES", "Fired", "Rewrite", "Rewritten", "note", "note_more", "noted", "rewrite"]
