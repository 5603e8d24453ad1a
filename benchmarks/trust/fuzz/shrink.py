"""Findings made small: parts left out or given back from the seed, while the fault stays."""

from __future__ import annotations

from collections.abc import Callable

Fails = Callable[[bytes], bool]
_TRIES = 120


def shrink(data: bytes, seed: bytes, fails: Fails, tries: int = _TRIES) -> bytes:
    """The smallest found of inputs that still fail: close to a seed of its length, else short."""
    if len(data) == len(seed):
        return _given_back(data, seed, fails, tries)
    return _cut_down(data, fails, tries)


def _given_back(data: bytes, seed: bytes, fails: Fails, tries: int) -> bytes:
    changed = [i for i, (one, other) in enumerate(zip(data, seed, strict=True)) if one != other]
    size = max(1, len(changed) // 2)
    while changed and tries > 0:
        at = 0
        while at < len(changed) and tries > 0:
            part = set(changed[at : at + size])
            trial = bytes(seed[i] if i in part else byte for i, byte in enumerate(data))
            tries -= 1
            if fails(trial):
                data, changed = trial, [i for i in changed if i not in part]
            else:
                at += size
        if size == 1:
            break
        size //= 2
    return data


def _cut_down(data: bytes, fails: Fails, tries: int) -> bytes:
    size = max(1, len(data) // 2)
    while size and tries > 0:
        at = 0
        while at < len(data) and tries > 0:
            trial = data[:at] + data[at + size :]
            tries -= 1
            if trial != data and fails(trial):
                data = trial
            else:
                at += size
        size //= 2
    return data
