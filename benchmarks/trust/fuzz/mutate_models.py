"""Damage to model files that stays readable: fields of ONNX and TFLite set to other values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import numpy as np

from benchmarks.trust.fuzz.mutate_bytes import mutate_bytes

_WHOLE = (
    -(2**63),
    -(2**31),
    -100,
    -1,
    0,
    1,
    2,
    3,
    7,
    99,
    127,
    128,
    255,
    1000,
    2**31 - 1,
    2**40,
    2**63 - 1,
)
_TEXTS = (
    "",
    "x",
    "Conv",
    "If",
    "content",
    "Nothing",
    "caf\u00e9",
    "a" * 4000,
    "../x",
    "\x00",
    "location",
    "[red]",
)


def mutate_onnx(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """An ONNX file with wrong fields, or with damaged bytes."""
    if rng.random() < 0.35:
        return mutate_bytes(data, rng, others)
    import onnx

    model = onnx.ModelProto()
    model.ParseFromString(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _change_message(rng.choice(list(_messages(model))), rng)
    return model.SerializeToString()


def _messages(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if _is_repeated(field) else [value]:
                yield from _messages(one)


def _is_repeated(field: Any) -> bool:
    return (
        field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
    )


def _change_message(message: Any, rng: Random) -> None:
    fields = list(message.DESCRIPTOR.fields)
    given = [field for field, _ in message.ListFields()]
    field = rng.choice(given if given and rng.random() < 0.8 else fields)
    value = getattr(message, field.name)
    if rng.random() < 0.15:
        message.ClearField(field.name)
    elif field.message_type is not None:
        if _is_repeated(field) and len(value) and rng.random() < 0.5:
            value.add().CopyFrom(value[rng.randrange(len(value))])
        elif _is_repeated(field) and len(value):
            del value[rng.randrange(len(value))]
        elif not _is_repeated(field):
            value.SetInParent()
    elif _is_repeated(field):
        made = _scalar(field, rng)
        if len(value) and rng.random() < 0.7:
            value[rng.randrange(len(value))] = made
        else:
            value.append(made)
    else:
        with contextlib.suppress(ValueError):  # an enum that its schema has closed
            setattr(message, field.name, _scalar(field, rng))


def _scalar(field: Any, rng: Random) -> Any:
    kinds = field.CPPTYPE_STRING, field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE
    if field.cpp_type == kinds[0]:
        text = rng.choice(_TEXTS)
        return text.encode() if field.type == field.TYPE_BYTES else text
    if field.cpp_type in kinds[1:]:
        return rng.choice((0.0, -1.0, 1e38, float("nan"), float("inf")))
    if field.cpp_type == field.CPPTYPE_ENUM:
        return rng.choice([value.number for value in field.enum_type.values] + [99])
    whole = rng.choice(_WHOLE)
    wide = field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64)
    low, high = (-(2**63), 2**63 - 1) if wide else (-(2**31), 2**31 - 1)
    unsigned = field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64)
    return max(0 if unsigned else low, min(high, whole))


def mutate_tflite(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """A TFLite file with wrong fields, or with damaged bytes."""
    if rng.random() < 0.4:
        return mutate_bytes(data, rng, others)
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(data), 0))
    objects = list(_objects(model))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _change_object(rng.choice(objects), rng)
    builder = flatbuffers.Builder(4096)
    try:
        builder.Finish(model.Pack(builder), b"TFL3")
    except Exception:  # the packer refuses values that no file can hold, each in its own way
        return mutate_bytes(data, rng, others)
    return bytes(builder.Output())


def _objects(thing: Any) -> Iterator[Any]:
    yield thing
    for value in vars(thing).values():
        for one in value if isinstance(value, list) else [value]:
            if hasattr(one, "__dict__") and type(one).__name__.endswith("T"):
                yield from _objects(one)


def _change_object(thing: Any, rng: Random) -> None:
    names = [name for name, value in vars(thing).items() if value is not None] or list(vars(thing))
    if not names:
        return
    name = rng.choice(names)
    value = getattr(thing, name)
    if isinstance(value, (bool, int)):
        setattr(
            thing,
            name,
            rng.choice(_WHOLE) if rng.random() < 0.5 else int(value) + rng.choice((-1, 1, 7)),
        )
    elif isinstance(value, float):
        setattr(thing, name, rng.choice((0.0, -1.0, 1e38, float("nan"))))
    elif isinstance(value, (bytes, str)):
        setattr(thing, name, rng.choice((*_TEXTS, b"\xff\xfe", None)))
    elif isinstance(value, list) and value:
        at = rng.randrange(len(value))
        if rng.random() < 0.4:
            setattr(thing, name, value[:at] + value[at + 1 :])
        else:
            setattr(thing, name, [*value, value[at]])
    elif hasattr(value, "__len__") and len(value):
        changed = value.copy()
        kind = rng.randrange(3)
        if kind == 0:
            whole = np.array(rng.choice((-1, 0, 1, 2, 99, 127)))
            changed[rng.randrange(len(changed))] = whole.astype(changed.dtype)
        setattr(
            thing,
            name,
            None
            if kind == 1
            else changed[: rng.randint(0, len(changed))]
            if kind == 2
            else changed,
        )
    else:
        setattr(thing, name, None)
