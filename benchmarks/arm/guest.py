"""Runs inside the emulated Arm system: INT8 files on given inputs, outputs as they come.

    python3.11 guest.py REQUEST.json ANSWER.npz

It imports numpy and the two runtimes alone. Answers are named `JOB/OUTPUT`, jobs counted from 0.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np


def main() -> None:
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    answers = {}
    for number, job in enumerate(jobs):
        run = run_litert if job["runtime"] == "litert" else run_onnxruntime
        with np.load(job["feeds"]) as feeds:
            outputs = run(job, {name: feeds[name] for name in feeds.files})
        answers.update({f"{number}/{name}": value for name, value in outputs.items()})
    np.savez(sys.argv[2], allow_pickle=False, **answers)


def run_litert(job: dict[str, str], feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One signature of a TFLite file, with its default delegate (XNNPACK)."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=job["path"], num_threads=1)
    return dict(interpreter.get_signature_runner(job["signature"])(**feeds))


def run_onnxruntime(job: dict[str, str], feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """An ONNX file on the CPU."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    session = ort.InferenceSession(job["path"], options, providers=["CPUExecutionProvider"])
    return dict(
        zip([item.name for item in session.get_outputs()], session.run(None, feeds), strict=True)
    )


if __name__ == "__main__":
    main()
