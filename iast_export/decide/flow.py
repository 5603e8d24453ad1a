"""Where values come from and where they lead, through what only moves them."""

from __future__ import annotations

from collections.abc import Collection

from iast_export.decide.graph import Network, Op
from iast_export.decide.policy import Policy


class Flow:
    """A network as one runtime's policy sees it."""

    def __init__(self, network: Network, policy: Policy) -> None:
        self.network, self.policy = network, policy
        self._roots: dict[str, str] = {}

    def moves(self, op: Op) -> bool:
        """Whether an operator only moves values, and all of them have a range.

        Edges that are filled with infinity, as before a largest value, have none (`is_endless`).
        """
        return self.policy.moves(op.type, op.mode) and bool(op.moved) and not self._is_endless(op)

    def _is_endless(self, op: Op) -> bool:
        makers = [self.network.producers.get(self.root(name)) for name in op.moved]
        return any(maker is not None and maker.mode == "endless" for maker in makers)

    def root(self, name: str) -> str:
        """The tensor whose values a tensor holds; of several that are joined, the result."""
        if name not in self._roots:
            op = self.network.producers.get(name)
            moved = op.moved if op is not None and self.moves(op) else ()
            found = {self.root(source) for source in moved}
            self._roots[name] = found.pop() if len(found) == 1 else name
        return self._roots[name]

    def joins(self, op: Op) -> bool:
        """Whether an operator joins the values of several tensors."""
        return self.moves(op) and self.root(op.name) == op.name

    def result(self, op: Op) -> Op:
        """The operator itself, or the clamp that alone reads it where that folds into it."""
        reader = self.network.only_reader(op.name)
        folds = reader is not None and self.policy.clamps_fold and self.clamps(reader)
        return reader if reader is not None and folds else op

    def clamps(self, op: Op) -> bool:
        """Whether an operator is a clamp that exists for integers."""
        return op.type in self.policy.clamps

    def only_leads_to(self, name: str, targets: Collection[str], clamped: bool = False) -> bool:
        """Whether targets alone read a tensor's values, and some do; Shape reads only its sides.

        Args:
            name: a tensor.
            targets: first outputs of operators.
            clamped: clamps that do not fold may lie on the way as well.
        """
        pending, seen = [name], {name}
        while pending:
            tensor = pending.pop()
            readers = self.network.readers.get(tensor, [])
            if not readers or tensor in self.network.outputs:
                return False
            for reader in readers:
                if reader.name in targets or reader.type == "Shape" or reader.name in seen:
                    continue
                passes = clamped and not self.policy.clamps_fold and self.clamps(reader)
                if not passes and not self.moves(reader):
                    return False
                seen.add(reader.name)
                pending.append(reader.name)
        return True
