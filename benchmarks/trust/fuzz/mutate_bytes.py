"""Damage to bytes: what disks, transfers and hands do to a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

Mutator = Callable[[bytes, Random, Sequence[bytes]], bytes]

NUMBERS = (
    0,
    1,
    2,
    7,
    8,
    127,
    128,
    255,
    256,
    32767,
    65535,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
)


def mutate_bytes(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """One to four kinds of damage that disks, transfers and hands do to a file."""
    held = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        held = bytearray(rng.choice(_BYTE_DAMAGE)(held, rng))
    if others and rng.random() < 0.05:
        other = rng.choice(others)
        held = held[: rng.randint(0, len(held))] + bytearray(other[rng.randint(0, len(other)) :])
    return bytes(held)


def _place(held: bytearray, rng: Random) -> int:
    """Anywhere, but the first bytes more often: headers decide."""
    return rng.randrange(min(len(held), 256) if rng.random() < 0.4 else len(held)) if held else 0


def _flip(held: bytearray, rng: Random) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 8)) if held else 0):
        held[_place(held, rng)] ^= 1 << rng.randrange(8)
    return held


def _set(held: bytearray, rng: Random) -> bytearray:
    if held:
        held[_place(held, rng)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return held


def _number(held: bytearray, rng: Random) -> bytearray:
    size = rng.choice((2, 4, 8))
    at = _place(held, rng)
    value = rng.choice(NUMBERS) % (1 << (8 * size))
    held[at : at + size] = value.to_bytes(size, rng.choice(("little", "big")))
    return held


def _cut(held: bytearray, rng: Random) -> bytearray:
    return held[: rng.randint(0, len(held))]


def _remove(held: bytearray, rng: Random) -> bytearray:
    at = _place(held, rng)
    del held[at : at + rng.choice((1, 2, 4, 16, 256))]
    return held


def _insert(held: bytearray, rng: Random) -> bytearray:
    at = _place(held, rng)
    held[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16)))
    return held


def _zero(held: bytearray, rng: Random) -> bytearray:
    at, size = _place(held, rng), rng.choice((4, 64, 512, 4096))
    held[at : at + size] = bytes(len(held[at : at + size]))
    return held


def _repeat(held: bytearray, rng: Random) -> bytearray:
    at, size = _place(held, rng), rng.choice((1, 8, 64, 512))
    held[at:at] = held[at : at + size] * rng.choice((1, 2, 50))
    return held


def _swap(held: bytearray, rng: Random) -> bytearray:
    one, other, size = _place(held, rng), _place(held, rng), rng.choice((1, 4, 16))
    held[one : one + size], held[other : other + size] = (
        held[other : other + size],
        held[one : one + size],
    )
    return held


_BYTE_DAMAGE = (_flip, _set, _number, _cut, _remove, _insert, _zero, _repeat, _swap)
