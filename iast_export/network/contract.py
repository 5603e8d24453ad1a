"""Whether a network keeps the contract, asked once and before anything is exported.

A network is cut and run as it is, some dozen times at small sizes, which takes seconds. What breaks
the contract ends it with one sentence: what was found, what is needed, a line that would mend it.
Randomness is looked for before sizes, since it looks like every other mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from iast_export.errors import InputError
from iast_export.files.notes import note
from iast_export.network import behavior
from iast_export.network.adapters import SEED, StyleNetwork
from iast_export.network.brought import Brought, author_of
from iast_export.network.outputs import check_kind, check_range, check_size, check_values
from iast_export.network.photographs import artworks, flat_pictures, photographs
from iast_export.network.sizes import base_size, check_sizes, smallest_side_px
from iast_export.network.state import check_state, differing, snapshot
from iast_export.network.user_code import calling
from iast_export.network.watching import Seen, watched
from iast_export.specs import STRENGTH

# Of two networks by one factory; between them lies what sums in another order may change.
_ALIKE = 1e-5


def check_contract(
    network: StyleNetwork, depths: Sequence[int], largest_px: int, load: Callable[[int], Any]
) -> None:
    """Refuses a network that breaks the contract, by the first thing that does.

    Args:
        network: as loaded.
        depths: that will be cut.
        largest_px: side of the largest picture that will be taken.
        load: loads the network once more, with a seed for what its factory draws.

    Raises:
        InputError: it breaks the contract; what, and what to do.
    """
    codes = _check_encoder(network)
    for depth in dict.fromkeys(depths):
        trial = _Trial(f"forward of cut({depth})", network, depth, codes, largest_px)
        trial.check()
    _check_factory(network, next(iter(depths)), codes[0], load)


@dataclass
class _Trial:
    """One cut, tried on small pictures.

    Attributes:
        what: the cut, for messages.
        network, depth: that it is cut from, and to what.
        codes: of two artworks.
        largest_px: side of the largest picture that it will see.
    """

    what: str
    network: StyleNetwork
    depth: int
    codes: Sequence[tuple[Tensor, ...]]
    largest_px: int

    def check(self) -> None:
        """Every check, in the order in which one mistake hides another."""
        self.module = self.network.cut(self.depth)
        check_state(f"cut({self.depth})", self.module)
        before = snapshot(self.module)
        first = self._check_first()
        behavior.check_untouched(self.what, self.module, before)
        check_values(self.what, [("a photograph", first)])
        behavior.check_repeats(self.what, self.module, self._inputs(), first)
        self.run(self.pictures["another photograph"])
        behavior.check_memory(self.what, self.module, self._inputs(), first)
        behavior.check_cuts(self.depth, self.network, self.module, self._inputs(), first)
        self._check_path()
        self._check_sizes(first)
        self._check_pictures()
        self._check_inputs(first)
        behavior.check_memory(self.what, self.module, self._inputs(), first)

    def _inputs(self, content: Tensor | None = None, style: int = 0) -> tuple[Tensor, ...]:
        return (self.content if content is None else content, *self.codes[style])

    def run(self, content: Tensor | None = None, style: int = 0) -> Tensor:
        """A result for a picture and one of the two styles."""
        with torch.no_grad(), calling(self.what):
            result: Tensor = self.module(*self._inputs(content, style))
        return result

    def _check_first(self) -> Tensor:
        """What one run is seen to do, and that it gives one picture."""
        inputs, result, seen = self._first_run()
        check_kind(self.what, result, self.content)
        changed = [
            name
            for name, one, before in zip(
                ("content", *self.network.code_shapes), inputs, self._inputs(), strict=True
            )
            if not torch.equal(one, before)
        ]
        behavior.check_seen(self.what, seen, changed)
        self.seen = seen
        return self.run()  # by torch's own kernels, some of which don't run where one watches

    def _first_run(self) -> tuple[list[Tensor], Any, Seen]:
        """Inputs and result of a run at the first usual size that is not too small."""
        height, width = base_size(self.network.size_multiple_px)
        first: InputError | None = None
        for factor in (1, 2, 4):
            self.size = (height * factor, width * factor)
            self.pictures = photographs(*self.size)
            self.content = self.pictures["a photograph"]
            inputs = [one.clone() for one in self._inputs()]
            try:
                with calling(self.what):
                    return inputs, *watched(self.module, inputs)
            except InputError as error:
                first = first or error
        assert first is not None
        raise first

    def _check_path(self) -> None:
        """Python must take the same path for every picture and size."""
        dark = flat_pictures(*self.size)["a black picture"]
        behavior.check_path(
            self.what, self.module, self._inputs(), self._inputs(dark), self.largest_px
        )

    def _check_sizes(self, first: Tensor) -> None:
        height, width = self.size

        def twice() -> Tensor:
            return self.run(photographs(2 * height, 2 * width)["a photograph"])

        check_size(self.what, first, self.content, twice)
        larger = photographs(2 * height, 2 * width)["a photograph"]
        with calling(self.what):
            _, seen = watched(self.module, self._inputs(larger))
        behavior.check_makers(self.what, self.seen, seen)
        multiple, codes = self.network.size_multiple_px, self.codes[0]
        if behavior.takes_sides(self.seen, seen):
            behavior.check_numbers(self.what, self.module, self._inputs(), multiple)
        smallest = smallest_side_px(
            self.module, codes, multiple, max(self.size[0], self.largest_px)
        )
        check_sizes(self.what, self.module, codes, multiple, smallest)

    def _check_pictures(self) -> None:
        """Finite for every picture, and in the range for photographs."""
        tried = {**self.pictures, **flat_pictures(*self.size)}
        results = [(name, self.run(picture)) for name, picture in tried.items()]
        results.append(("another style", self.run(style=1)))
        check_values(self.what, results)
        on_photographs = [result for name, result in results if name in self.pictures]
        facts = self.network.facts if isinstance(self.network, Brought) else None
        check_range(self.what, on_photographs, facts.value_range if facts else (0.0, 1.0))

    def _check_inputs(self, first: Tensor) -> None:
        """The picture and every code must make a difference, and strength an even one."""
        behavior.check_content(self.what, first, self.run(self.pictures["another photograph"]))
        for position, name in enumerate(self.network.code_shapes):
            behavior.check_code(
                self.what, self.own_name(name), self.module, self._inputs(), position, self.codes[1]
            )
        if STRENGTH in self.network.code_shapes:
            position = 1 + list(self.network.code_shapes).index(STRENGTH)
            behavior.check_strength(self.what, self.module, self._inputs(), position)

    def own_name(self, name: str) -> str:
        """A code's name as the author wrote it."""
        network = self.network
        return network.facts.own_names[name] if isinstance(network, Brought) else name


def _check_encoder(network: StyleNetwork) -> list[tuple[Tensor, ...]]:
    """The codes of two artworks, each the same on two runs, by method and by module."""
    pictures = artworks()
    try:
        codes = [network.encode_style(picture) for picture in pictures]
    except InputError:
        check_state("the network", _holder(author_of(network)))  # which may say why
        raise
    if not network.code_shapes:
        return codes
    given = pictures[0].clone()
    bare = network.encode if isinstance(network, Brought) else network.encode_style
    _, seen = watched(bare, [given])
    changed = [] if torch.equal(given, pictures[0]) else ["style"]
    behavior.check_seen("encode_style", seen, changed)
    behavior.check_equal_codes(codes[0], network.encode_style(pictures[0]))
    encoder = getattr(network, "style_encoder", None)
    if isinstance(encoder, nn.Module):
        _check_encoder_module(network, encoder, pictures[0], codes[0])
    return codes


def _holder(author: object) -> nn.Module:
    """The modules that an object holds, as one."""
    if isinstance(author, nn.Module):
        return author
    found = {name: one for name, one in vars(author).items() if isinstance(one, nn.Module)}
    return nn.ModuleDict({name.replace(".", "_"): one for name, one in found.items()})


def _check_encoder_module(
    network: StyleNetwork, encoder: nn.Module, picture: Tensor, codes: Sequence[Tensor]
) -> None:
    """The module that is exported in `encode_style`'s place must give the same codes."""
    kept = {name: code for name, code in zip(network.code_shapes, codes, strict=True)}
    kept.pop(STRENGTH, None)
    with torch.no_grad(), calling("style_encoder"):
        result: Any = encoder.eval()(picture)
    found = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    shapes = [tuple(one.shape) for one in found if isinstance(one, Tensor)]
    wanted = [tuple(code.shape) for code in kept.values()]
    if shapes != wanted:
        raise InputError(
            f"style_encoder returned {shapes}, encode_style {wanted}; style_encoder is exported in "
            "its place",
            "let `encode_style` return what `self.style_encoder(style)` does, or give the module "
            "another name",
        )
    for (name, code), other in zip(kept.items(), found, strict=True):
        scale = max(float(code.abs().max()), 1e-3)
        if not float((code - other).abs().max()) <= 1e-4 * scale:
            raise InputError(
                f"style_encoder gives other values than encode_style for the code {name}; "
                "style_encoder is exported in its place",
                "let `encode_style` return what `self.style_encoder(style)` does, or give the "
                "module another name",
            )


def _check_factory(
    network: StyleNetwork, depth: int, codes: Sequence[Tensor], load: Callable[[int], Any]
) -> None:
    """A factory that is called again must make the same network: other processes call it too."""
    if not isinstance(network, Brought):
        return
    if name := _differing(network, load(SEED), depth, codes):
        raise InputError(
            f"the factory makes another network each time it is called: {name} differs",
            "load the weights from the checkpoint, or begin the factory with "
            "`torch.manual_seed(0)` where they are meant to be random",
        )
    if name := _differing(network, load(SEED + 1), depth, codes):
        note(
            "factory",
            f"the factory draws weights at random, such as {name}: the same in each run, but were "
            "they meant to be loaded?",
        )


def _differing(network: Brought, other: Any, depth: int, codes: Sequence[Tensor]) -> str:
    """The first tensor or code in which two networks of one factory differ, or nothing."""
    if name := differing(network.cut(depth), other.cut(depth)):
        return name
    for name, one, two in zip(
        network.facts.own_names.values(), codes, other.encode_style(artworks()[0]), strict=True
    ):
        if float((one - two).abs().max()) > _ALIKE * max(1.0, float(one.abs().max())):
            return f"the code {name} of an artwork"
    return ""
