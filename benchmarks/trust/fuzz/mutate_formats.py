"""Damage that stays inside a format: a safetensors header, members of a zip, chunks of a PNG."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from random import Random

from benchmarks.trust.fuzz.mutate_bytes import NUMBERS, mutate_bytes
from benchmarks.trust.fuzz.mutate_text import mutate_tree


def mutate_safetensors(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """A safetensors file whose header says something else, or with damaged bytes."""
    if rng.random() < 0.4:
        return mutate_bytes(data, rng, others)
    size = int.from_bytes(data[:8], "little")
    header = mutate_tree(json.loads(data[8 : 8 + size]), rng)
    if isinstance(header, dict) and rng.random() < 0.3:
        for value in header.values():
            if isinstance(value, dict) and "dtype" in value:
                value["dtype"] = rng.choice(
                    ("F16", "BF16", "F8_E4M3", "F64", "I8", "BOOL", "C64", "x")
                )
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def mutate_zip(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """A zip with damaged bytes, or with a damaged member whose checksum is right again."""
    if rng.random() < 0.5 or not zipfile.is_zipfile(io.BytesIO(data)):
        return mutate_bytes(data, rng, others)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(made, "w") as target:
        names = given.namelist()
        chosen = rng.choice([name for name in names if name.endswith("data.pkl")] * 3 + names)
        for name in names:
            held = given.read(name)
            if name == chosen and rng.random() < 0.1:
                continue
            target.writestr(name, mutate_bytes(held, rng) if name == chosen else held)
    return made.getvalue()


def mutate_picture(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """A picture with damaged bytes; of a PNG often a chunk whose CRC is right again."""
    if not data.startswith(b"\x89PNG") or rng.random() < 0.4:
        return mutate_bytes(data, rng, others)
    chunks = list(_chunks(data))
    at = rng.randrange(len(chunks))
    kind, body = chunks[at]
    if kind == b"IHDR":
        body = bytearray(body)
        place = rng.choice((0, 4, 8, 9, 12))
        size = 4 if place < 8 else 1
        body[place : place + size] = (rng.choice(NUMBERS) % (1 << (8 * size))).to_bytes(size, "big")
        chunks[at] = kind, bytes(body)
    elif rng.random() < 0.2:
        chunks.insert(at, chunks.pop(rng.randrange(len(chunks))))
    else:
        chunks[at] = kind, mutate_bytes(body, rng)
    return data[:8] + b"".join(_chunk(*one) for one in chunks)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while len(data) >= at + 12:
        size = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 12 + size


def _chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + crc
