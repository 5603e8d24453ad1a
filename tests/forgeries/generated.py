"""Every field of every document, forged in every way that its type allows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from tests.forgeries.case import Case, Forgery, Json

# Fields that nothing in a bundle can prove: another value of the same type passes, another type
# doesn't.
FREE = re.compile(
    r"manifest\.(created_by|network\.name|styles\.0\.(category|title|licence|source)|golden\.0\.strength"
    r"|source\.(network|checkpoint_sha256|recipe_sha256|calibration_set|tool\..*))"
    r"|verify\.rows\.0\.(own_shape\.)?not_judged\..*"
    r"|benchmark\.(machine\.(os|python|cpu|cores)|versions\..*|rows\.0\.(peak_rss_bytes|warmup_ms.*))"
    r"|quantize\.(method|set\.(name|images)|rows\.0\.(quantized_ops|islands|delegated|not_delegated|rewrites).*)"
    r"|convert\.rows\.0\.(precision|role|unique_bytes|shared_bytes|largest_alone_bytes|parity|delegated"
    r"|not_delegated|rewrites).*"
)
# Other values that say the same, or nothing that anyone judges by.
HARMLESS = {
    "manifest.postprocess: emptied",
    "manifest.preprocess.pad_to: emptied",
    "benchmark.machine.os: a number",
    "benchmark.machine.python: a number",
    "benchmark.versions: emptied",
}
Place = tuple[str | int, ...]


def generated(case: Case) -> Iterator[Forgery]:
    """Forgeries of every field of every document but the baseline, which is sealed."""
    for name in ("manifest", "verify", "benchmark", "quantize", "convert"):
        for place in _places(case[name]):
            label = ".".join(map(str, (name, *place)))
            for what, value in _values(_at(case[name], place)):
                genuine = _at(case[name], place)
                free = type(value) is type(genuine) and FREE.fullmatch(label)
                if not (free or value == genuine or f"{label}: {what}" in HARMLESS):
                    yield Forgery(f"{label}: {what}", (3, 7), _put(name, place, value))


def _places(doc: Json, place: Place = ()) -> Iterator[Place]:
    """Every field, of lists the first entry alone."""
    if place:
        yield place
    if isinstance(doc, dict):
        for key, value in doc.items():
            yield from _places(value, (*place, key))
    elif isinstance(doc, list) and doc:
        yield from _places(doc[0], (*place, 0))


def _values(value: Json) -> Sequence[tuple[str, Json]]:
    """Other values, by what they are."""
    wrong: list[tuple[str, Json]] = [("a list", [[]]), ("an object", {"x": {}})]
    if isinstance(value, bool) or value is None:
        return wrong
    if isinstance(value, (int, float)):
        changed: list[tuple[str, Json]] = [("larger", value * 2 + 1), ("negative", -abs(value) - 1)]
        return [*changed, ("true", True), ("a string", str(value)), ("huge", 10**400), *wrong]
    if isinstance(value, str):
        other = "f" * 64 if len(value) == 64 else f"{value}x"
        return [
            ("another", other),
            ("empty", ""),
            ("a number", 7),
            ("a surrogate", "\ud800"),
            *wrong,
        ]
    return [("emptied", type(value)()), ("null", None), ("a number", 7), ("a string", "x")]


def _at(doc: Json, place: Place) -> Json:
    for part in place:
        doc = doc[part]
    return doc


def _put(name: str, place: Place, value: Json) -> Callable[[Case], None]:
    def forge(case: Case) -> None:
        _at(case[name], place[:-1])[place[-1]] = value

    return forge
