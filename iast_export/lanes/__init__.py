"""Lanes: one runtime, precision and tier each; timed, judged, and one chosen."""
