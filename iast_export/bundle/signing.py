"""A detached signature over a bundle: Ed25519 over hashes of its manifest and reports.

The manifest holds the hash of everything that an app loads, so the signature covers the whole
bundle. It is the one thing that tells figures that were measured from figures that were made up to
be consistent.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from pydantic import Field

from iast_export.errors import UsageError
from iast_export.files.artifacts import json_bytes, read_bytes, sha256_file
from iast_export.reports.base import MANIFEST_NAME, RelativePath, Report, Sha256
from iast_export.reports.manifest import load_manifest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SIGNATURE_NAME = "bundle.sig.json"
_KEYS = (
    "make a pair with `openssl genpkey -algorithm ed25519 -out key.pem` and `openssl pkey -pubout`"
)


class Signature(Report):
    """bundle.sig.json: SHA-256 of the manifest and every report it lists, and the signature."""

    made_by: ClassVar[str] = "sign"
    schema_version: Literal[1] = 1
    files: dict[RelativePath, Sha256]
    ed25519: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


def sign(folder: Path, key: Path) -> Path:
    """Writes DIR/bundle.sig.json; build, verify or bench anything anew, and it must be signed anew.

    Args:
        folder: a bundle.
        key: a private key, PEM without a password.

    Raises:
        UsageError: the key can't be used, or the library is not installed.
        InputError: the folder is no bundle, or lacks a report.
    """
    private = _private(key)
    files = _files(folder)
    path = folder / SIGNATURE_NAME
    Signature(files=files, ed25519=private.sign(json_bytes(files)).hex()).save(path)
    return path


def signature_fault(folder: Path, key: Path) -> str | None:
    """What is wrong with a bundle's signature; None where it is this key's over these very files.

    Raises:
        UsageError: the key can't be used, or the library is not installed.
        InputError: the signature is missing or no signature.
    """
    public = _public(key)
    from cryptography.exceptions import InvalidSignature

    found, files = Signature.load(folder / SIGNATURE_NAME), _files(folder)
    other = sorted(
        path for path in {*found.files, *files} if found.files.get(path) != files.get(path)
    )
    if other:
        return f"signed with other bytes of {', '.join(other)}"
    try:
        public.verify(bytes.fromhex(found.ed25519), json_bytes(files))
    except InvalidSignature:
        return "not made by this key"
    return None


def _files(folder: Path) -> dict[str, str]:
    """SHA-256 of the manifest and of the reports that it lists."""
    listed = [MANIFEST_NAME, *sorted(set(load_manifest(folder).reports.values()))]
    return {path: sha256_file(folder / path) for path in listed}


def _private(key: Path) -> Ed25519PrivateKey:
    ed25519, serialization = _library()
    try:
        loaded = serialization.load_pem_private_key(read_bytes(key), password=None)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{key} is no private key: {error}", _KEYS) from error
    if not isinstance(loaded, ed25519.Ed25519PrivateKey):
        raise UsageError(f"{key} is no Ed25519 key", _KEYS)
    return cast("Ed25519PrivateKey", loaded)


def _public(key: Path) -> Ed25519PublicKey:
    ed25519, serialization = _library()
    try:
        loaded = serialization.load_pem_public_key(read_bytes(key))
    except ValueError as error:
        raise UsageError(f"{key} is no public key: {error}", _KEYS) from error
    if not isinstance(loaded, ed25519.Ed25519PublicKey):
        raise UsageError(f"{key} is no Ed25519 key", _KEYS)
    return cast("Ed25519PublicKey", loaded)


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise UsageError("signatures need an extra", "pip install 'iast-export[sign]'") from error
    return ed25519, serialization
