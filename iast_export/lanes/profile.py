"""Where a file's time goes, by the runtime's own profile."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from iast_export.errors import IastExportError, ToolError
from iast_export.lanes.lane import Lane
from iast_export.lanes.views import View
from iast_export.pictures.images import to_tensor
from iast_export.runtimes.onnx import onnx_session_options
from iast_export.specs import CONTENT

_RUNS = 5


def onnx_convolution_share(lane: Lane, view: View, threads: int) -> float:
    """The share of a file's time that ONNX Runtime spends in its convolutions, by its own profile.

    Raises:
        ToolError: ONNX Runtime refuses the file, or its profile names no operator.
    """
    feeds = {CONTENT: to_tensor(view.content), **view.pair.feeds}
    with tempfile.TemporaryDirectory() as folder:
        options = onnx_session_options(threads)
        options.enable_profiling, options.profile_file_prefix = True, str(Path(folder) / "profile")
        try:
            session = lane.open_onnx(options).raw
            for _ in range(_RUNS):
                session.run(None, feeds)
            events = json.loads(Path(session.end_profiling()).read_text())
        except IastExportError:
            raise
        except Exception as error:  # onnxruntime raises classes of its own, without a common base
            raise ToolError(
                f"ONNX Runtime can't profile {lane.path}: {error}", "build the file again"
            ) from error
    spent = [
        (one["args"]["op_name"], one["dur"])
        for one in events
        if one["name"].endswith("_kernel_time")
    ]
    total = sum(duration for _, duration in spent)
    if not total:
        raise ToolError(f"ONNX Runtime's profile of {lane.path} is empty", "report this")
    return float(sum(duration for name, duration in spent if "Conv" in name) / total)
