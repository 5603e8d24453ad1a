"""The app's engines on a desktop JVM, as compiled for Android, around the real runtimes of
Python."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iast_export.runtimes.onnx import open_onnx
from tests import android_tools as tools

SOURCES = tools.DEMO / "tools" / "bridge"
_TIMEOUT_S = 240


def bridge_jar() -> Path:
    """The bridge, compiled against the app's own classes."""
    classpath = [tools.core_23(), tools.app_23(), *tools.libraries()]
    return tools.compiled_once("bridge.jar", [SOURCES], classpath, jdk=True)


class Runtimes:
    """Answers the bridge's requests with LiteRT and ONNX Runtime; keeps the requests.

    With `has_gpu` the processor plays one: LiteRT's files open, whatever is asked for.
    """

    def __init__(self, has_gpu: bool = False) -> None:
        self.has_gpu = has_gpu
        self.requests: list[list[str]] = []
        self._models: dict[str, Any] = {}

    def answer(self, line: str) -> str:
        """The answer to one request; a runtime's refusal is an answer too."""
        verb, *words = line.split("\t")
        self.requests.append([verb, *words])
        try:
            made = getattr(self, "_" + verb.replace("-", "_"))(*words)
        except Exception as error:
            return "error\t" + " ".join(str(error).split())
        return "\t".join(["ok", *map(str, made)])

    def _litert_open(self, path: str, accelerators: str, threads: str, _gpu: str) -> list[str]:
        from ai_edge_litert.interpreter import Interpreter

        if accelerators != "CPU" and not self.has_gpu:
            raise RuntimeError(f"no {accelerators} in this machine")
        count = 1 if threads == "null" else int(threads)
        self._models[path] = Interpreter(model_path=path, num_threads=count)
        return []

    def _runner(self, path: str, signature: str) -> Any:
        key = f"{path}:{signature}"
        if key not in self._models:
            self._models[key] = self._models[path].get_signature_runner(signature)
        return self._models[key]

    def _litert_buffer(self, path: str, signature: str, side: str, name: str) -> list[object]:
        runner = self._runner(path, signature)
        details = runner.get_input_details() if side == "input" else runner.get_output_details()
        return [np.dtype(details[name]["dtype"]).name, int(np.prod(details[name]["shape"]))]

    def _litert_run(
        self, path: str, signature: str, folder: str, inputs: str, outputs: str
    ) -> list[str]:
        runner = self._runner(path, signature)
        details = runner.get_input_details()
        feeds = {
            name: np.fromfile(Path(folder, name), details[name]["dtype"]).reshape(
                details[name]["shape"]
            )
            for name in inputs.split(",")
        }
        results = runner(**feeds)
        for name in outputs.split(","):
            results[name].tofile(Path(folder, name))
        return []

    def _onnx_open(self, path: str, threads: str, entries: str) -> list[str]:
        self._models[path] = open_onnx(Path(path), max(1, int(threads))).raw
        return []

    def _onnx_inputs(self, path: str) -> list[str]:
        return [f"{i.name}={'x'.join(map(str, i.shape))}" for i in self._models[path].get_inputs()]

    def _onnx_run(self, path: str, folder: str, shapes: str, outputs: str) -> list[str]:
        feeds = {}
        for word in shapes.split(","):
            name, sides = word.split("=")
            feeds[name] = np.fromfile(Path(folder, name), "<f4").reshape(
                [int(s) for s in sides.split("x")]
            )
        session = self._models[path]
        names = [name for name in outputs.split(",") if name] or [
            o.name for o in session.get_outputs()
        ]
        for name, value in zip(names, session.run(names, feeds), strict=True):
            value.astype("<f4").tofile(Path(folder, name))
        return names


def bridge(
    folder: Path, commands: Sequence[Sequence[object]], has_gpu: bool = False
) -> tuple[list[str], Runtimes]:
    """What the commands said, a line each or none, and every request that they led to.

    Nothing may stay open, and nothing may fail but what the core words itself (`refused ...`).
    """
    file, tensors = folder / "bridge-commands.txt", folder / "tensors"
    file.write_text(
        "".join("\t".join(map(str, command)) + "\n" for command in commands), encoding="utf-8"
    )
    # The bridge comes first: its runtimes take the place of the stubs and of ONNX Runtime's own
    # classes.
    classpath = [bridge_jar(), tools.app_23(), tools.core_23(), *tools.libraries()]
    runtimes, said = Runtimes(has_gpu), []
    with tools.start_java(
        classpath, f"-Dbridge={tensors}", "org.iastexport.bridge.MainKt", str(file)
    ) as jvm:
        watch = threading.Timer(_TIMEOUT_S, jvm.kill)
        watch.start()
        assert jvm.stdin and jvm.stdout and jvm.stderr
        for line in jvm.stdout:
            if line.startswith("> "):
                jvm.stdin.write(runtimes.answer(line[2:].rstrip("\n")) + "\n")
                jvm.stdin.flush()
            elif line.startswith("= "):
                said.append(line[2:].rstrip("\n"))
        watch.cancel()
        errors = jvm.stderr.read()
    assert jvm.returncode == 0, errors
    assert said and said[-1] == "open 0", said
    return said[:-1], runtimes
