import pytest
import torch

from benchmarks.zoo.catalog import ENTRIES, Entry
from iast_export.network.adapters import StyleNetwork, load_network
from iast_export.network.photographs import artworks, photographs

every_network = pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])


def made(entry: Entry) -> StyleNetwork:
    return load_network(entry.target("tiny"), None)


def drawn(network: StyleNetwork, height_px: int, width_px: int) -> torch.Tensor:
    picture = photographs(height_px, width_px)["a photograph"]
    with torch.no_grad():
        return network.cut(1)(picture, *network.encode_style(artworks()[0]))


@every_network
def test_it_draws_a_picture_of_the_contents_size_that_is_not_flat(entry: Entry) -> None:
    picture = drawn(made(entry), 64, 96)
    assert picture.shape == (1, 3, 64, 96)
    assert 0.0 <= float(picture.min()) <= float(picture.max()) <= 1.0
    assert float(picture.std()) > 0.03


@every_network
def test_made_twice_it_draws_the_same(entry: Entry) -> None:
    assert torch.equal(drawn(made(entry), 48, 64), drawn(made(entry), 48, 64))


@every_network
def test_its_codes_have_the_shapes_that_it_promises(entry: Entry) -> None:
    network = made(entry)
    codes = network.encode_style(torch.rand(1, 3, 256, 256))
    assert [tuple(code.shape) for code in codes] == list(network.code_shapes.values())


def test_adain_is_there_with_a_decoder_that_doubles_bilinearly() -> None:
    smooth = drawn(load_network("benchmarks.zoo.networks.adain:bilinear", None), 48, 64)
    sharp = drawn(load_network("benchmarks.zoo.networks.adain:factory", None), 48, 64)
    assert smooth.shape == sharp.shape and not torch.equal(smooth, sharp)
