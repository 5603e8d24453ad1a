"""What every report is made of: frozen models, finite numbers, relative paths; and its place.

Numbers are finite or the report is refused; unknown fields are refused; paths are relative to the
bundle and can't leave it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, ClassVar, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from iast_export.errors import InputError
from iast_export.files.artifacts import json_bytes, read_json, write_atomic
from iast_export.files.paths import MANIFEST_NAME as MANIFEST_NAME
from iast_export.files.paths import inside

VERIFY_PATH = "reports/verify.json"
BENCHMARK_PATH = "reports/benchmark.json"
QUANTIZE_PATH = "reports/quantize.json"
CONVERT_PATH = "reports/convert.json"
HTML_PATH = "reports/report.html"
# What the manifest of a whole bundle lists.
REPORT_PATHS = {
    "verify": VERIFY_PATH,
    "benchmark": BENCHMARK_PATH,
    "quantize": QUANTIZE_PATH,
    "convert": CONVERT_PATH,
    "html": HTML_PATH,
}
_PATH_PATTERN = r"^(?!/)(?!.*(^|/)\.{1,2}(/|$))(?!.*//)[^\\:\x00-\x1f]*[^\\:/\x00-\x1f]$"
RelativePath = Annotated[
    str, AfterValidator(inside), Field(json_schema_extra={"pattern": _PATH_PATTERN})
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=1, le=65535)]
Milliseconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0)]
# A mean of quotients that are at most 1 may round a little beyond it.
Similarity = Annotated[float, Field(ge=-1.000001, le=1.000001)]
# One unequal level in a 256x256 picture is 101 dB; equal pictures have no finite PSNR.
PSNR_CAP_DB = 100.0


class Model(BaseModel):
    """Base: frozen, no unknown field, no NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        defer_build=True,
        json_schema_serialization_defaults_required=True,
    )


class Report(Model):
    """A model with a file of its own; measured ones say in version 2 which files they speak of."""

    made_by: ClassVar[str] = "build"
    schema_version: int = 1

    def to_json(self) -> bytes:
        """The file's bytes: sorted keys, indent 2, the same for equal reports."""
        return json_bytes(self.model_dump(mode="json"))

    def save(self, path: Path) -> None:
        """Writes the report whole or not at all.

        Raises:
            InputError: the folder can't be written.
        """
        write_atomic(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Self:
        """The report in a file.

        Raises:
            InputError: missing, not JSON, of another schema version, or not valid; names the first
                wrong field.
        """
        raw = read_json(path)
        found = raw.get("schema_version")
        known = cls.model_fields["schema_version"]
        read = get_args(known.annotation) or (known.default,)
        if type(found) is not int or found not in read:
            needed = " and ".join(map(str, read))
            raise InputError(
                f"{path} has schema_version {found!r}, this iast-export reads {needed}",
                "use the iast-export that wrote it, or make it again with `iast-export "
                f"{cls.made_by}`",
            )
        try:
            # As ASCII: a lone surrogate is then the parser's to refuse.
            return cls.model_validate_json(json.dumps(raw), strict=True)
        except ValidationError as error:
            raise InputError(
                f"{path} is not a valid report: {first_error(error)}",
                f"it was altered or cut; make it again with `iast-export {cls.made_by}`",
            ) from error


def first_error(error: ValidationError) -> str:
    """Where and what the first of pydantic's complaints is, as `rows.0.images: ...`."""
    details = error.errors(include_url=False)
    where = ".".join(str(part) for part in details[0]["loc"]) or "the whole"
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{where}: {details[0]['msg']}{more}"


class SetFacts(Model):
    """The image set that a report was measured on."""

    name: str
    sha256: Sha256
    images: Positive
