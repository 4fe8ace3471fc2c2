"""The texts that the package makes up."""

from lossbook import datasets
from lossbook.datasets import verification


def test_they_are_the_same_every_time_and_need_no_files(root):
    for name in ("made_up_reviews", "made_up_pairs"):
        assert datasets.present(name)
        first, second = (datasets.load(name, download=False) for _ in range(2))
        assert first.checksum == second.checksum
        info = datasets.info(name)
        assert {part: len(held) for part, held in first.parts.items()} == info.parts
        assert set(first.parts["train"].targets.tolist()) == set(range(info.num_classes))
        assert any("made up by a fixed rule" in note for note in first.notes)
        assert datasets.verify(name).ok
        assert verification.status(name).where == "part of this package"


def test_most_reviews_have_the_best_rating_and_pairs_follow_their_rule():
    ratings = datasets.load("made_up_reviews", download=False).parts["train"].targets
    assert int(ratings.bincount().argmax()) == 4
    pairs = datasets.load("made_up_pairs", download=False).parts["test"]
    for (first, second), label in zip(pairs.inputs, pairs.targets, strict=True):
        name = first.split()[0]
        assert second.endswith(f" {name}.") == bool(label)
