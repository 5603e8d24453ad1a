"""Small valid values of the project's own models: the seeds of every JSON reader."""

from __future__ import annotations

import types
import typing
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

_SHA256 = "0" * 64
_TEXTS = {
    "created_at": "2026-01-02T03:04:05Z",
    "status": "pass",
    "id": "ink",
    "tier": "d2-256px",
    "file": "x.onnx",
    "content": "golden/content.png",
    "path": "models/x.onnx",
}
# Where one field decides about another, and the plainest values of each would contradict.
_FITTING: dict[str, dict[str, Any]] = {
    "SelfTestRow": {"max_level_difference": 0},
    "DeviceResult": {"kind": "selftest", "benchmark": []},
    "LadderRow": {"step": "pytorch"},
    "LaneRow": {"median_ms": 1.5, "not_run": ""},
    "VerifyRow": {"not_judged": {"lpips_content": "no weights", "identity": "no faces"}},
    "Drop": {"lpips_content": None, "identity": None},
}


def example(model: type[BaseModel]) -> dict[str, Any]:
    """Plain values that the model accepts, optional fields mostly given."""
    fitting = _FITTING.get(model.__name__, {})
    made: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name in fitting:
            made[name] = fitting[name]
        elif field.default is not PydanticUndefined and not isinstance(field.default, (int, str)):
            continue
        elif field.default is not PydanticUndefined and field.default != "":
            made[name] = field.default
        elif field.default_factory is None:
            made[name] = _value(name, field.annotation, field.metadata)
    return made


def _value(name: str, kind: Any, metadata: list[Any]) -> Any:
    origin, inside = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        return _value(name, inside[0], list(inside[1:]))
    if origin in (typing.Union, types.UnionType):
        return _value(name, inside[0], metadata)
    if origin is Literal:
        return inside[0]
    if origin is tuple:
        parts = [inside[0]] * 2 if inside[1:] == (Ellipsis,) and _is_scalar(inside[0]) else inside
        parts = [inside[0]] if inside[1:] == (Ellipsis,) and not _is_scalar(inside[0]) else parts
        return [_value(name, one, []) for one in parts]
    if origin is list:
        return [_value(name, inside[0], [])]
    if origin is dict:
        return {_value("key", inside[0], []): _value(name, inside[1], [])}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return example(kind)
    return _plain(name, kind, str(metadata))


def _is_scalar(kind: Any) -> bool:
    return not (isinstance(kind, type) and issubclass(kind, BaseModel))


def _plain(name: str, kind: Any, rules: str) -> Any:
    if kind is bool:
        return False
    if kind is int:
        return 1
    if kind is float:
        return 1.0
    return _SHA256 if "{64}" in rules else _TEXTS.get(name, "text")
