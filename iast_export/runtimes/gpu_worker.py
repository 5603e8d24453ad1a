"""The process that holds one TFLite model on the GPU for `gpu`.

Started as `python -m iast_export.runtimes.gpu_worker SOCKET`.

It reads requests and writes answers, both dictionaries, until the other side closes. What LiteRT
logs goes to stderr.
"""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

# Times two minutes, which the runtime itself waits (see `run`); chosen.
_PATIENCE = 4
Request = dict[str, Any]
"""`verb` "open" with `model` (bytes) and `fp32`, or "run" with `feeds` by name."""
Answer = dict[str, Any]
"""`whole` of "open", `outputs` of "run", or `error`."""


class Holder:
    """One model and its buffers on the GPU."""

    def open(self, model: bytes, fp32: bool) -> Answer:
        """Loads the model's one signature, refusing to leave anything to the CPU."""
        from ai_edge_litert.compiled_model import (
            CompiledModel,
            GpuOptions,
            HardwareAccelerator,
            Options,
        )

        options = Options(
            hardware_accelerators=HardwareAccelerator.GPU, gpu_options=GpuOptions(enforce_f32=fp32)
        )
        self._data = model  # read by the runtime as long as it lives
        self._model = CompiledModel.from_buffer(self._data, options=options)
        self._key = next(iter(self._model.get_signature_list()), "")
        return {"whole": self._model.is_fully_accelerated()}

    def run(self, feeds: dict[str, Any]) -> Answer:
        """Outputs by name, in the model's own layout and type.

        The runtime waits two minutes for a GPU, and a buffer that it gave up on stays locked. A
        software driver may compile for longer on a busy machine: then all is run again, with new
        buffers, and the GPU goes on from what it has compiled.
        """
        for _ in range(_PATIENCE - 1):
            try:
                return self._run(feeds)
            except RuntimeError as error:
                if "lock" not in str(error):
                    raise
        return self._run(feeds)

    def _run(self, feeds: dict[str, Any]) -> Answer:
        inputs = {n: self._model.create_input_buffer_by_name(self._key, n) for n in feeds}
        details = self._model.get_output_tensor_details(self._key)
        outputs = {n: self._model.create_output_buffer_by_name(self._key, n) for n in details}
        try:
            for name, value in feeds.items():
                inputs[name].write(np.ascontiguousarray(value))
            self._model.run_by_name(self._key, inputs, outputs)
            return {"outputs": {n: _read(outputs[n], one) for n, one in details.items()}}
        finally:
            for buffer in (*inputs.values(), *outputs.values()):
                buffer.destroy()


def _read(buffer: Any, detail: dict[str, Any]) -> Any:
    """What a buffer holds once the GPU is done."""
    shape, dtype = tuple(int(side) for side in detail["shape"]), np.dtype(detail["dtype"])
    return buffer.read(int(np.prod(shape)), dtype.type).reshape(shape)


def serve(connection: Connection) -> None:
    """Answers requests until there are no more."""
    holder = Holder()
    while True:
        try:
            request: Request = connection.recv()
        except EOFError:
            return
        verb, given = request.pop("verb"), request
        try:
            answer = holder.open(**given) if verb == "open" else holder.run(**given)
        except Exception as error:  # whatever the runtime raises is told to the other side
            answer = {"error": f"{type(error).__name__}: {error}", "whole": False}
        sys.stderr.flush()
        connection.send(answer)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
