import numpy as np
import pytest
import torch

from teachers.caching.parts import Part, Places, part_of

LENGTHS = np.array([2, 3])
MASK = torch.tensor([[1, 1, 0], [1, 1, 1]]).bool()
B, A, L, D, H = 2, 2, 3, 4, 5


def _random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "layer", "shape", "width", "places"),
    [
        ("logits", None, (B, 7), 7, 2),
        ("hidden_states", 3, (B, L, H), 5, 5),
        ("queries", 0, (B, A, L, D), 8, 5),
        ("attention_scores", 1, (B, A, L, L), 2, 4 + 9),
    ],
)
def test_numbers_without_padding_come_back_where_they_were(name, layer, shape, width, places):
    batch = _random(*shape)
    part = part_of(name, layer, batch)
    assert part.width == width
    flat = part.flat(batch, MASK)
    assert flat.shape == (places, width)
    counts = part.places.of(LENGTHS)
    first = torch.from_numpy(counts.cumsum() - counts)
    index = part.index(LENGTHS, L)
    index = index + first.view(-1, *[1] * (index.dim() - 1))
    again = part.padded(flat[index])
    assert again.shape == batch.shape
    for row, length in enumerate(LENGTHS):
        real = (row, slice(None), slice(length), slice(length)) if batch.dim() == 4 else (row, slice(length))
        if name == "queries":
            real = (row, slice(None), slice(length))
        torch.testing.assert_close(again[real], batch[real] if name != "logits" else batch[row][:length])


def test_places_by_hand():
    assert Places.TEXT.of(LENGTHS).tolist() == [1, 1]
    assert Places.TOKEN.of(LENGTHS).tolist() == [2, 3]
    assert Places.PAIR.of(LENGTHS).tolist() == [4, 9]
    assert Part("attention_scores", 0, (2,)).index(np.array([2]), 3).tolist() == [[[0, 1, 1], [2, 3, 3], [2, 3, 3]]]
    assert Part("hidden_states", 0, (5,)).index(np.array([2]), 3).tolist() == [[0, 1, 1]]


def test_counts_of_long_texts_do_not_overflow():
    assert Places.PAIR.of(np.array([60_000], dtype=np.int32)).tolist() == [3_600_000_000]
