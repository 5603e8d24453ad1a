"""How pictures are judged. Every metric refuses NaN, emptiness and unequal shapes."""

from __future__ import annotations

from iast_export.metrics.fidelity import psnr_db, ssim, ssim_content
from iast_export.metrics.style import style_distance, style_statistics
from iast_export.reports import PSNR_CAP_DB
from iast_export.summaries import lower_p5

__all__ = [
    "PSNR_CAP_DB",
    "lower_p5",
    "psnr_db",
    "ssim",
    "ssim_content",
    "style_distance",
    "style_statistics",
]
