"""Which operators compute in integers, at which scales, and why the others do not.

Convolutions decide, grouped ones in the form that integers are fast in; depthwise ones between them
follow. Around them, operators that only move values (pad, slice, pixel shuffle) work on the
integers as they are, so nothing is quantized twice. Then sums of integers, and clamps.
Everything else stays in float on purpose: an *island*, whole. What differs between the runtimes is
their `Policy`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import onnx

from iast_export.decide.flow import Flow
from iast_export.decide.graph import Network, Op
from iast_export.decide.policy import LITERT, ONNX, Policy
from iast_export.decide.read_litert import read_litert
from iast_export.decide.read_onnx import pull_clamps, read_onnx
from iast_export.decide.reasons import reason_in_float
from iast_export.decide.roots import Root, Scales, find_scales, rectified_sums
from iast_export.formats import tflite_file as tf


@dataclass(frozen=True)
class Decisions:
    """What is decided over one network.

    Attributes:
        network: that it is decided over.
        policy: of its runtime.
        integers: first output of each operator that computes in integers, folded clamps included.
        scales: of the tensors that integers read and write.
        rectified: the roots of both terms of each rectified sum that alone reads them
            (`quantize.rectified_sums`).
    """

    network: Network
    policy: Policy
    integers: frozenset[str]
    scales: Scales
    rectified: tuple[tuple[str, str], ...]

    @property
    def roots(self) -> Mapping[str, Root]:
        """The tensors that are quantized."""
        return self.scales.roots

    @property
    def root_of(self) -> Mapping[str, str]:
        """For each tensor in integers, the root whose scale it has; a root may have another's."""
        return self.scales.root_of

    def is_integer(self, op: Op) -> bool:
        """Whether an operator computes in integers."""
        return op.name in self.integers

    def is_fused(self, op: Op) -> bool:
        """Whether the runtime makes one integer kernel of an operator and the conversions around.

        It does where integers made what it reads and integers alone read what it makes.
        """
        readers = self.network.readers.get(op.name, [])
        inside = bool(readers) and op.name not in self.network.outputs
        return (
            op.type in self.policy.fused
            and inside
            and op.inputs[0] in self.root_of
            and all(self.is_integer(reader) for reader in readers)
        )

    def runs_in_integers(self, op: Op) -> bool:
        """Whether an operator computes in integers once the runtime has fused the file."""
        return self.is_integer(op) or self.is_fused(op)

    def reason(self, op: Op) -> str:
        """Why an operator stays in float; empty of one that does not."""
        return "" if self.runs_in_integers(op) else reason_in_float(op, self.network.runtime)


def decide(network: Network, policy: Policy, in_float: Collection[str] = ()) -> Decisions:
    """Decides over a network.

    Args:
        network: of an FP32 file.
        policy: of its runtime.
        in_float: names, in the file, of the operator groups (`groups.find_groups`) to leave in
            float all the same. What then no longer lies among integers follows by itself.
    """
    flow = Flow(network, policy)
    integers = _Decider(flow, frozenset(in_float)).decide()
    scales = find_scales(flow, integers)
    return Decisions(network, policy, integers, scales, tuple(rectified_sums(flow, scales)))


def decide_onnx(
    model: onnx.ModelProto,
    in_float: Collection[str] = (),
    file_names: Mapping[str, str] | None = None,
) -> Decisions:
    """Decides over an ONNX model, whose clamps are moved in place.

    Args:
        model: an FP32 file, or a form of it.
        in_float: see `decide`.
        file_names: of tensors that the file calls otherwise.
    """
    names = {**(file_names or {}), **pull_clamps(model.graph)}
    return decide(read_onnx(model, file_names=names), ONNX, in_float)


def decide_litert(
    model: tf.Model, signature: tf.Signature, in_float: Collection[str] = ()
) -> Decisions:
    """Decides over a signature of a TFLite model."""
    return decide(read_litert(model, signature), LITERT, in_float)


class _Decider:
    """Convolutions first, then what feeds them, then what lies between integers."""

    def __init__(self, flow: Flow, in_float: frozenset[str]) -> None:
        self.flow, self.network, self.policy = flow, flow.network, flow.policy
        self.in_float = in_float
        self.integers: set[str] = set()
        self.refused: set[str] = set()

    def decide(self) -> frozenset[str]:
        self._take([op for op in self.network.ops if self._computes(op) and self._free(op)])
        self._take(self._joined())
        self._feed_all([op for op in self.network.ops if op.name in self.integers])
        for op in self.network.ops:
            if self._is_integer_activation(op):
                self._take([op])
                self._feed_all([op])
        sums = self._sums()
        self._take(sums)
        self._feed_all(sums)
        self._follow()
        return frozenset(self.integers)

    def _computes(self, op: Op) -> bool:
        """Whether integers are worth an operator wherever it stands.

        One that sums constants, as a window that counts its pixels, is there to divide by.
        """
        return self.policy.takes(op) and op.name not in self.network.fixed

    def _free(self, op: Op) -> bool:
        """Whether nobody asked to leave an operator in float."""
        return self.network.file_name(op.name) not in self.in_float

    def _take(self, ops: list[Op]) -> None:
        for op in ops:
            self.integers.update((op.name, self.flow.result(op).name))

    def _joined(self) -> list[Op]:
        """Depthwise convolutions that only integer ones read, through clamps and movements."""
        chosen, found = set(self.integers), list[Op]()
        for op in reversed(self.network.ops):
            joins = self.policy.form_of(op) == "joined" and self._free(op)
            if joins and self.flow.only_leads_to(self.flow.result(op).name, chosen, clamped=True):
                chosen.add(op.name)
                found.append(op)
        return found

    def _feed_all(self, ops: list[Op]) -> None:
        for op in ops:
            for name in op.inputs:
                self._feed(name)

    def _feed(self, name: str) -> None:
        """Lets what moves values to a tensor work on integers, back to where they are made."""
        op = self.network.producers.get(name)
        if op is None or op.name in self.integers or not self.flow.moves(op):
            return
        alone = self.policy.concatenation_alone and self.flow.joins(op)
        if alone and not self._joins_integers(op):
            return
        self.integers.add(op.name)
        for source in op.moved:
            if not alone or self._comes_from_integers(source):
                self._feed(source)

    def _joins_integers(self, op: Op) -> bool:
        """Whether integers alone read a concatenation, when one first asks for it."""
        if op.name in self.refused or not self.flow.only_leads_to(op.name, self.integers):
            self.refused.add(op.name)
        return op.name not in self.refused

    def _comes_from_integers(self, name: str) -> bool:
        """Whether integers made a tensor's values, or a concatenation that may be one of them."""
        root = self.flow.root(name)
        maker = self.network.producers.get(root)
        return root in self.integers or (maker is not None and self.flow.joins(maker))

    def _is_integer_activation(self, op: Op) -> bool:
        """A function of each value between integers.

        What floats read too stays float: it would be rounded for them. But a rectifier that leaks
        is a table in integers, cheaper than what converts for one, so that an integer reader does.
        """
        if op.type not in self.policy.activations or not self._made(op.inputs[0]):
            return False
        readers = self.network.readers.get(op.name, [])
        asked = any(not self.flow.joins(reader) for reader in readers)
        inside = asked and op.name not in self.network.outputs
        enough = any if op.type == "LeakyRelu" else all
        return inside and enough(reader.name in self.integers for reader in readers)

    def _made(self, name: str, more: Collection[str] = ()) -> bool:
        """Whether integers, and `more` operators that might be some, made a tensor's values."""
        root = self.flow.root(name)
        maker = self.network.producers.get(root)
        if maker is None:
            return False
        if self.flow.joins(maker) and not self.policy.concatenation_alone:
            return all(self._made(source, more) for source in maker.moved)
        if self.flow.clamps(maker) and not self.policy.clamps_fold:
            return self._made(maker.inputs[0], more)
        return maker.name in self.integers or maker.name in more

    def _sums(self) -> list[Op]:
        """The sums whose sides come from, and where that counts go to, integers."""
        chosen = {op.name: op for op in self.network.ops if self._may_be_integer_sum(op)}
        while True:
            dropped = [name for name, op in chosen.items() if not self._is_integer_sum(op, chosen)]
            if not dropped:
                return list(chosen.values())
            for name in dropped:
                del chosen[name]

    def _may_be_integer_sum(self, op: Op) -> bool:
        clamped = self.flow.result(op) is not op or not self.policy.sums_among
        counts = clamped or op.mode == "row"
        return op.type == "Add" and len(set(op.inputs)) == 2 and counts and self._free(op)

    def _is_integer_sum(self, op: Op, chosen: Mapping[str, Op]) -> bool:
        made = {self.flow.result(other).name for other in chosen.values()}
        if not all(self._made(name, made) or self._is_row(op, name) for name in op.inputs):
            return False
        found = self.network.readers.get(self.flow.result(op).name, [])
        readers = [reader for reader in found if reader.type != "Shape"]  # of sides alone
        among = all(reader.name in self.integers or reader.name in chosen for reader in readers)
        return not self.policy.sums_among or (bool(readers) and among)

    def _is_row(self, op: Op, name: str) -> bool:
        """Whether a sum adds a tensor along rows, which floats make: it is quantized for that."""
        maker = self.network.producers.get(name)
        return op.mode == "row" and maker is not None and maker.type == "Expand"

    def _follow(self) -> None:
        """Lets what moves or clamps integers work on them, up to the next float operator."""
        for op in self.network.ops:
            if self.flow.moves(op):
                alone = self.policy.concatenation_alone and self.flow.joins(op)
                follows = not alone and not self._stays_reshaped(op)
            else:
                follows = self.flow.clamps(op) and not self.policy.clamps_fold
            sources = op.moved if self.flow.moves(op) else op.inputs
            if follows and sources and all(self._made(name) for name in sources):
                self.integers.add(op.name)

    def _stays_reshaped(self, op: Op) -> bool:
        """Whether a reshape that moves nothing is read by float operators alone."""
        if not self.policy.reshapes_stay or op.type not in ("Flatten", "Reshape"):
            return False
        readers = self.network.readers.get(op.name, [])
        inside = op.moved[0] in self.network.producers and bool(readers)
        return inside and not any(
            self.flow.moves(reader) or reader.type in ("Conv", "Add") for reader in readers
        )
