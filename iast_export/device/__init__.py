"""Evidence from phones: results of the Android demo, fetched over adb or by hand, added to a
bundle."""

from iast_export.device.adb import BenchOptions, bench
from iast_export.device.importing import import_result

__all__ = ["BenchOptions", "bench", "import_result"]
