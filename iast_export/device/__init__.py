"""Evidence from phones: the Android demo's results, fetched over adb or by hand."""

from iast_export.device.adb import BenchOptions, bench
from iast_export.device.importing import import_result

__all__ = ["BenchOptions", "bench", "import_result"]
