"""reports/gallery.json: pictures that the HTML page shows, small, with who drew them and when."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from iast_export.reports.base import PSNR_CAP_DB, Model, RelativePath, Report, Sha256, Side
from iast_export.specs import Precision, Runtime

GALLERY_PATH = "reports/gallery.json"
# A WebP file in Base64: it stands in the page as it stands here.
Webp = Annotated[str, Field(pattern=r"^UklGR[A-Za-z0-9+/]*={0,2}$")]
PictureId = Annotated[str, Field(min_length=1)]


class SheetCell(Model):
    """A photograph in a style."""

    content: str
    style: str
    picture: PictureId


class Sheet(Model):
    """Photographs x styles, as one lane of one tier draws them; `contents` has the photographs."""

    runtime: Runtime
    precision: Precision
    tier: str
    contents: dict[str, PictureId]
    cells: tuple[SheetCell, ...] = Field(min_length=1)


class WorstPair(Model):
    """One of the pairs in which a lane is the furthest from FP32.

    Attributes:
        width_px: at which the pair was judged; the pictures here are smaller.
        psnr_db: of the picture to FP32's, as `verify` judged it.
        reference: what FP32 drew.
        drawn: what the lane drew.
        difference: the largest difference over the channels in levels, times `gain`.
    """

    runtime: Runtime
    precision: Precision
    tier: str
    content: str
    style: str
    width_px: Side
    height_px: Side
    psnr_db: Annotated[float, Field(ge=0, le=PSNR_CAP_DB)]
    reference: PictureId
    drawn: PictureId
    difference: PictureId

    @property
    def lane(self) -> tuple[Runtime, Precision, str]:
        """Which lane drew it."""
        return self.runtime, self.precision, self.tier


class GalleryReport(Report):
    """What the last stage of a build drew for the page.

    Attributes:
        made_at: UTC, such as `2026-01-31T12:00:00Z`.
        command: that built the bundle.
        files: SHA-256 of the models that drew, by path.
        styles: SHA-256 of the codes that were drawn in.
        gain: of the difference maps.
        worst: lane by lane, the furthest first.
        left_out: lanes of which nothing is kept, each with the reason.
        pictures: by id.
    """

    made_by: ClassVar[str] = "build"
    schema_version: Literal[1] = 1
    made_at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    command: str
    files: dict[RelativePath, Sha256]
    styles: dict[str, Sha256]
    gain: Annotated[int, Field(ge=1)]
    sheet: Sheet
    worst: tuple[WorstPair, ...] = ()
    left_out: tuple[str, ...] = ()
    pictures: dict[PictureId, Webp]

    @model_validator(mode="after")
    def _holds_what_it_names(self) -> Self:
        named = {*self.sheet.contents.values(), *(cell.picture for cell in self.sheet.cells)}
        for pair in self.worst:
            named |= {pair.reference, pair.drawn, pair.difference}
        if named != set(self.pictures):
            raise ValueError(
                f"pictures are named or held alone: {sorted(named ^ set(self.pictures))}"
            )
        return self
