"""Takes a phone's result into a bundle: checked, kept as it is, shown as that phone's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from iast_export.build.page import write_page
from iast_export.bundle.added import check_result_belongs
from iast_export.errors import AccuracyError, InputError
from iast_export.files.artifacts import read_bytes, read_json, write_atomic
from iast_export.files.paths import check_folders
from iast_export.reports.base import first_error
from iast_export.reports.device import DEVICE_FOLDER, DeviceResult, SelfTestRow
from iast_export.reports.manifest import load_manifest

_NAME_LENGTH = 40  # of each word of a file name


def import_result(path: Path, folder: Path, host: dict[str, Any] | None = None) -> Path:
    """Adds the result in `path` to the bundle in `folder` and draws its report anew.

    Args:
        path: JSON that the Android demo wrote.
        folder: the bundle that the app carried.
        host: what was seen of the phone from outside, kept with the result.

    Returns:
        Where the result lies now: DIR/reports/device/MODEL-KIND-TIME.json.

    Raises:
        InputError: not a valid result, of another bundle, of lanes or tiers that the bundle lacks,
            or another result has its name already.
        AccuracyError: the result was added, and holds a self-test that did not pass: a picture that
            differs, or one that the CPU could not draw. What a phone's GPU does not open is told in
            the report, since nobody promised that phone's driver.
    """
    result = DeviceResult.load(path)
    _check_belongs(result, folder)
    if host is not None:
        result = _with_host(result, host)
    target = folder / DEVICE_FOLDER / _name(result)
    data = result.to_json()
    if target.is_file() and read_bytes(target) != data:
        raise InputError(
            f"{target} holds another result of the same phone and second", "move it away first"
        )
    check_folders(folder)
    write_atomic(target, data)
    write_page(folder)
    wrong = [row for row in result.selftest if _is_wrong(row)]
    if wrong:
        first = wrong[0]
        raise AccuracyError(
            f"{result.device.model}: {len(wrong)} of {len(result.selftest)} self-tests did not "
            f"pass, first {first.runtime} {first.precision} {first.tier} on the {first.asked}: "
            f"{first.status} "
            f"{first.message}".rstrip(),
            f"the result is kept in {target}; see the report, and don't ship that lane to that "
            "phone",
        )
    return target


def _is_wrong(row: SelfTestRow) -> bool:
    return row.status == "fail" or (row.status == "error" and row.asked == "cpu")


def _with_host(result: DeviceResult, host: dict[str, Any]) -> DeviceResult:
    try:
        return DeviceResult.model_validate_json(
            json.dumps({**result.model_dump(mode="json"), "host": host}), strict=True
        )
    except ValidationError as error:
        raise InputError(
            f"the phone's own tools report nonsense: {first_error(error)}", "report this"
        ) from error


def _name(result: DeviceResult) -> str:
    words = [result.device.manufacturer, result.device.model, result.kind, result.created_at]
    parts = [re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")[:_NAME_LENGTH] for word in words]
    return "-".join(part for part in parts if part) + ".json"


def _check_belongs(result: DeviceResult, folder: Path) -> None:
    manifest = load_manifest(folder)
    check_result_belongs(folder, result)
    lanes = {
        (entry.runtime, entry.precision) for entry in manifest.files if entry.role == "transfer"
    }
    tiers = {tier.id for tier in manifest.tiers}
    for row in result.rows:
        if (row.runtime, row.precision) not in lanes or row.tier not in tiers:
            raise InputError(
                f"the result names {row.runtime} {row.precision} {row.tier}, which the bundle "
                "doesn't have",
                "use the result that the app wrote, unchanged",
            )


def describe(path: Path) -> dict[str, Any]:
    """A stored result as plain values, for machines."""
    return read_json(path)
