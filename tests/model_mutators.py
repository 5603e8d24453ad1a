"""Damage to model files: bytes flipped, cut, spliced and resized, and single fields set to what
can't be.

Deterministic by the generator's seed, so that a finding can be made again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import flatbuffers
import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from iast_export.formats import tflite_file as tf

ODD_NUMBERS = (
    0,
    1,
    -1,
    2,
    -5,
    7,
    127,
    128,
    255,
    256,
    65_535,
    1 << 30,
    (1 << 31) - 1,
    -(1 << 31),
    1 << 32,
    (1 << 63) - 1,
)
ODD_TEXTS = ("", "\0", "a" * 5_000, "../x", "[red]", "é", "\u202e", "\n")
Mutator = Callable[[bytes, random.Random], bytes]


def flip(data: bytes, rng: random.Random) -> bytes:
    """One to eight bytes set to anything, more often near the start or the end."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        near = rng.random()
        at = rng.randrange(len(made))
        if near < 0.3:
            at = rng.randrange(min(len(made), 512))
        elif near < 0.5:
            at = len(made) - 1 - rng.randrange(min(len(made), 4_096))
        made[at] = rng.choice(
            (rng.randrange(256), 0, 0xFF, 0x80, made[at] ^ (1 << rng.randrange(8)))
        )
    return bytes(made)


def number(data: bytes, rng: random.Random) -> bytes:
    """Four bytes in a row set to an odd number, as an offset, an index or a size."""
    made, at = bytearray(data), rng.randrange(max(1, len(data) - 4))
    value = rng.choice((*ODD_NUMBERS, len(data), len(data) - at)) & 0xFFFFFFFF
    made[at : at + 4] = value.to_bytes(4, "little")
    return bytes(made)


def cut(data: bytes, rng: random.Random) -> bytes:
    """The start of the file."""
    return data[: rng.randrange(len(data))]


def splice(data: bytes, rng: random.Random) -> bytes:
    """A part of the file written over, put into or taken out of another place."""
    start, to = rng.randrange(len(data)), rng.randrange(len(data))
    part = data[start : start + rng.choice((1, 4, 16, 64, 1_024))]
    over = rng.choice((0, len(part), 2 * len(part)))
    return data[:to] + part + data[to + over :]


def odd_text(rng: random.Random) -> str:
    return rng.choice(ODD_TEXTS)


def onnx_field(data: bytes, rng: random.Random) -> bytes:
    """One field of the model set to an odd value, dropped or doubled; also names that are not
    UTF-8."""
    model = onnx.load_from_string(data)
    message: Message = model
    while True:  # down to a message somewhere
        inside = [
            (field, value)
            for field, value in message.ListFields()
            if field.type == FieldDescriptor.TYPE_MESSAGE
        ]
        if not inside or (message is not model and rng.random() < 0.25):
            break
        field, value = rng.choice(inside)
        message = rng.choice(list(value)) if field.is_repeated else value
    _set_field(message, rng)
    made = model.SerializeToString(deterministic=True)
    if rng.random() < 0.1:
        names = [n.encode() for node in model.graph.node for n in node.output if n]
        name = rng.choice(names or [b"graph"])
        made = made.replace(name, name[:-1] + b"\x80", rng.choice((1, -1)))
    return made


def _set_field(message: Message, rng: random.Random) -> None:
    field = rng.choice(list(message.DESCRIPTOR.fields))
    name, kinds = field.name, FieldDescriptor
    value: Any
    if field.type == kinds.TYPE_MESSAGE:
        if field.is_repeated:
            items = getattr(message, name)
            if len(items) and rng.random() < 0.5:
                del items[rng.randrange(len(items))]
            elif len(items):
                items.add().CopyFrom(rng.choice(list(items)))
            else:
                items.add()
        elif rng.random() < 0.5:
            message.ClearField(name)
        else:
            getattr(message, name).SetInParent()
        return
    if field.type == kinds.TYPE_STRING:
        value = odd_text(rng)
    elif field.type == kinds.TYPE_BYTES:
        value = bytes(rng.randrange(256) for _ in range(rng.choice((0, 1, 7))))
    elif field.type in (kinds.TYPE_FLOAT, kinds.TYPE_DOUBLE):
        value = rng.choice((float("nan"), float("inf"), -1.0, 0.0))
    elif field.type == kinds.TYPE_ENUM and field.enum_type.is_closed:
        value = rng.choice(list(field.enum_type.values_by_number))
    else:
        bits = 31 if field.type in (kinds.TYPE_INT32, kinds.TYPE_ENUM) else 63
        value = rng.choice([n for n in ODD_NUMBERS if -(1 << bits) <= n < 1 << bits])
        if field.type == kinds.TYPE_UINT64:
            value = abs(value)
    if not field.is_repeated:
        setattr(message, name, value)
        return
    items = getattr(message, name)
    if len(items) and rng.random() < 0.5:
        items[rng.randrange(len(items))] = value
    elif len(items) and rng.random() < 0.5:
        del items[rng.randrange(len(items))]
    else:
        items.append(value)


def tflite_field(data: bytes, rng: random.Random) -> bytes:
    """One field of the object tree set to an odd value, dropped or doubled."""
    model = tf.parse(data)
    made: Any = model
    while True:
        inside = [
            v
            for v in vars(made).values()
            if hasattr(v, "__dict__") or (isinstance(v, list) and v and hasattr(v[0], "__dict__"))
        ]
        if not inside or (made is not model and rng.random() < 0.3):
            break
        chosen = rng.choice(inside)
        made = rng.choice(chosen) if isinstance(chosen, list) else chosen
    name = rng.choice(list(vars(made)))
    setattr(made, name, _odd_value(getattr(made, name), rng))
    builder = flatbuffers.Builder(len(data))
    try:
        builder.Finish(model.Pack(builder), b"TFL3")
    except Exception:  # a number that its field can't hold, a list of nothing: no file, so no case
        return number(data, rng)
    return bytes(builder.Output())


def _odd_value(value: Any, rng: random.Random) -> Any:
    if isinstance(value, (bytes, str)):
        return rng.choice((odd_text(rng).encode(), b"\x80\xff", None, value[:-1]))
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return rng.choice((*ODD_NUMBERS, int(value) + 1, int(value) - 1))
    if isinstance(value, list):
        return rng.choice((None, [], value[:-1], value[1:], [*value, *value[:1]], value[::-1]))
    if isinstance(value, np.ndarray):
        odd = value.copy()
        if len(odd):
            info = np.iinfo(odd.dtype) if odd.dtype.kind in "iu" else None
            fitting = [n for n in ODD_NUMBERS if info is None or info.min <= n <= info.max]
            odd[rng.randrange(len(odd))] = rng.choice(fitting)
        return rng.choice((None, odd, odd, odd[:-1], np.concatenate([odd, odd[:1]])))
    return None


BYTE_MUTATORS: tuple[Mutator, ...] = (flip, number, cut, splice)
FIELD_MUTATORS: dict[str, Mutator] = {"onnx": onnx_field, "tflite": tflite_field}


def mutants(kind: str, seed: bytes, count: int, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """`count` damaged forms of a good file, half of them by field: what was done, and the bytes.

    Args:
        kind: "onnx" or "tflite".
        seed: a good file.
        rng: decides everything.
    """
    for _ in range(count):
        mutator = FIELD_MUTATORS[kind] if rng.random() < 0.5 else rng.choice(BYTE_MUTATORS)
        yield mutator.__name__, mutator(seed, rng)
