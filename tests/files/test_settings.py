"""Settings: one file into one model; what is refused is named by its place, with a suggestion."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from iast_export.errors import IastExportError, InputError, RecipeError
from iast_export.files.settings import Settings, parse_settings

Color = Literal["red", "green"]


class Leaf(Settings):
    size_px: Annotated[int, Field(ge=1)] = 1
    share: float | None = None


class Tree(Settings):
    name: str
    leaf: Leaf = Leaf()
    leaves: Annotated[tuple[Leaf, ...], Field(strict=False)] = ()
    by_color: dict[Color, Leaf] = Field(default_factory=dict)
    corner: Annotated[tuple[int, int], Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _no_empty_name(self) -> Tree:
        if not self.name:
            raise ValueError("a name is needed")
        return self


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_settings(text.encode(), "t.toml", Tree, InputError)
    return caught.value


def test_a_file_becomes_a_model_that_cannot_be_changed() -> None:
    text = b"name = 'oak'\ncorner = [1, 2]\n[[leaves]]\nsize_px = 3\n[by_color.red]\nshare = 0.5\n"
    tree = parse_settings(text, "t.toml", Tree, InputError)
    assert tree == Tree(
        name="oak", corner=(1, 2), leaves=(Leaf(size_px=3),), by_color={"red": Leaf(share=0.5)}
    )
    with pytest.raises(ValidationError, match="frozen"):
        tree.name = "elm"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "where", "remedy"),
    [
        ("nam = 'oak'", "nam", "perhaps you meant 'name'; known here: name, leaf, leaves"),
        ("name = 'a'\n[leaf]\nsize = 1", "leaf.size", "perhaps you meant 'size_px'"),
        ("name = 'a'\n[[leaves]]\n[[leaves]]\nsiz_px = 1", "leaves.1.siz_px", "meant 'size_px'"),
        ("name = 'a'\n[by_color.gren]\nshare = 1.0", "by_color.gren", "perhaps you meant 'green'"),
        (
            "name = 'a'\n[by_color.red]\nshar = 1.0",
            "by_color.red.shar",
            "perhaps you meant 'share'",
        ),
        ("name = 'a'\nzzz = 1", "zzz", "known here: name, leaf, leaves, by_color, corner"),
    ],
)
def test_an_unknown_key_is_named_with_the_known_ones(text: str, where: str, remedy: str) -> None:
    found = refusal(text)
    assert found.message == f"t.toml: unknown key '{where}'"
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.toml: name: it is missing"),
        ("name = 3", "t.toml: name: Input should be a valid string, found 3"),
        ("name = 'a'\nleaf = 3", "t.toml: leaf: .*found 3"),
        ("name = 'a'\n[leaf]\nsize_px = 0", "t.toml: leaf.size_px: .*greater than or equal to 1"),
        ("name = 'a'\n[leaf]\nsize_px = 1.0", "t.toml: leaf.size_px: .*found 1.0"),
        ("name = 'a'\n[leaf]\nshare = inf", "t.toml: leaf.share: inf is not a finite number"),
        ("name = 'a'\ncorner = [1]", r"t.toml: corner.1: .*found \[1\]"),
        ("name = ''", "t.toml: the whole: a name is needed"),
        ("name = ", "t.toml is not valid TOML"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_by_its_place(text: str, message: str) -> None:
    found = refusal(text)
    assert found.remedy
    with pytest.raises(InputError, match=message):
        raise found


def test_an_unknown_key_comes_before_a_wrong_value() -> None:
    assert "unknown key 'leaf.size'" in refusal("name = 3\n[leaf]\nsize = 1").message


@pytest.mark.parametrize("kind", [InputError, RecipeError])
def test_the_caller_says_which_error_it_is(kind: type[IastExportError]) -> None:
    with pytest.raises(kind) as caught:
        parse_settings(b"nam = 'oak'", "t.toml", Tree, kind)
    assert type(caught.value) is kind and caught.value.exit_code == kind.exit_code
