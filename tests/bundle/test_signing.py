"""Signatures: this key over these files, or a failed gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from iast_export.bundle.signing import SIGNATURE_NAME, sign
from iast_export.cli.main import run
from iast_export.errors import InputError, UsageError
from iast_export.gate import gate, make_baseline
from tests.gate_cases import make_bundle

_PEM = serialization.Encoding.PEM


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    make_baseline(make_bundle(tmp_path / "bundle"), tmp_path / "baseline.json")
    return tmp_path / "bundle"


def pair(folder: Path, name: str = "key") -> tuple[Path, Path]:
    """A private and a public key."""
    key = ed25519.Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}-public.pem"
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(_PEM, form, no_password))
    public.write_bytes(
        key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def judged(bundle: Path, public: Path) -> int:
    return gate(bundle, bundle.parent / "baseline.json", None, public).exit_code


def test_a_signed_bundle_passes_and_says_so(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = pair(bundle.parent)
    assert run(["sign", str(bundle), "--key", str(private)]) == 0
    options = [
        "--baseline",
        str(bundle.parent / "baseline.json"),
        "--public-key",
        str(public),
        "--json",
    ]
    capsys.readouterr()
    assert run(["gate", str(bundle), *options]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["signature"]["measured"] == "good"


@pytest.mark.parametrize("name", ["manifest.json", "reports/verify.json", "reports/benchmark.json"])
def test_3_consistent_figures_that_were_made_up_fail_by_the_signature_alone(
    bundle: Path, name: str
) -> None:
    private, public = pair(bundle.parent)
    sign(bundle, private)
    (bundle / name).write_bytes((bundle / name).read_bytes() + b"\n")
    assert gate(bundle, bundle.parent / "baseline.json").exit_code == 0
    assert judged(bundle, public) == 3


def test_3_another_key_an_altered_or_a_missing_signature_fails(bundle: Path) -> None:
    private, public = pair(bundle.parent)
    _, other = pair(bundle.parent, "other")
    path = sign(bundle, private)
    assert (judged(bundle, public), judged(bundle, other)) == (0, 3)
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"ed25519": "0" * 128}))
    assert judged(bundle, public) == 3
    path.write_text(json.dumps(told | {"ed25519": "zz"}))
    with pytest.raises(InputError, match="not a valid report"):
        judged(bundle, public)
    (bundle / SIGNATURE_NAME).unlink()
    with pytest.raises(InputError, match="is missing"):
        judged(bundle, public)


def test_2_what_is_no_key_is_refused_with_how_to_make_one(bundle: Path) -> None:
    private, public = pair(bundle.parent)
    foreign = bundle.parent / "rsa.pem"
    form = serialization.PrivateFormat.PKCS8
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    foreign.write_bytes(key.private_bytes(_PEM, form, serialization.NoEncryption()))
    for wrong in (public, foreign, bundle / "manifest.json"):
        with pytest.raises(UsageError, match="openssl genpkey"):
            sign(bundle, wrong)
    sign(bundle, private)
    with pytest.raises(UsageError, match="openssl genpkey"):
        judged(bundle, private)
