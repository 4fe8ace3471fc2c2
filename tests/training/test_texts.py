"""How texts become numbers, Adam, and parts drawn anew by the seed."""

from dataclasses import replace

import pytest
import torch

from lossbook import datasets
from lossbook.errors import LossbookError, UnknownNameError
from lossbook.training import RunSpec, SettingError, plan_run, select, texts, train
from lossbook.training.pooled_words import PooledWords
from lossbook.training.redraw import redraw
from lossbook.training.tokens import UNKNOWN, Tokens


def spec(**changes):
    settings = {"dataset": "made_up_reviews", "model": "lstm", "loss": "ce", "optimizer": "adam"}
    options = {"embedding": 8, "hidden": 8}
    return RunSpec(**{**settings, "batch_size": 16, "epochs": 2, "model_options": options, **changes})


def with_test(data, text):
    part = data.parts["test"]
    return replace(data, parts={**data.parts, "test": replace(part, inputs=(text, *part.inputs[1:]))})


def test_a_word_of_the_test_part_alone_has_a_number_where_words_are_pooled(text_data):
    data = with_test(text_data, ("splendid splendid",))
    rows = torch.tensor([0])
    (own, _), (pooled, _) = (
        make(data).batch(data.parts["test"], rows, None)
        for make in (texts.get(None), texts.get({"name": "pooled_words"}))
    )
    assert own.tolist() == [[UNKNOWN, UNKNOWN]]
    assert pooled[0, 0] == pooled[0, 1] > UNKNOWN


def test_the_task_of_a_run_has_its_options(text_data):
    task = plan_run(spec(text={"name": "words", "longest": 2})).task(text_data)
    numbers, mask = task.batch(text_data.parts["train"], torch.arange(10), None)
    assert numbers.shape[1] == 2
    assert mask.any(1).all()


def test_the_code_of_a_run_is_that_of_its_reading():
    assert texts.task_class(None) is Tokens
    assert texts.task_class({"name": "pooled_words"}) is PooledWords
    plain, pooled = (plan_run(spec(text=text)).modules for text in (None, {"name": "pooled_words"}))
    assert set(pooled) - set(plain) == {"lossbook.training.pooled_words"}
    assert set(plan_run(spec(redraw=0.2)).modules) - set(plain) == {"lossbook.training.redraw"}
    assert "lossbook.training.adam" in plain


def test_unknown_names_and_settings_that_do_not_fit():
    with pytest.raises(UnknownNameError, match="pooled_words"):
        plan_run(spec(text={"name": "pooled_word"}))
    with pytest.raises(UnknownNameError, match="did you mean 'adam'"):
        plan_run(spec(optimizer="adamm"))
    with pytest.raises(SettingError, match="takes images"):
        plan_run(spec(model="keras_mnist_cnn", model_options={}, text={"name": "words"}))
    for share in (0, 1, 1.5):
        with pytest.raises(SettingError, match="between 0 and 1"):
            plan_run(spec(redraw=share))


def test_parts_are_drawn_anew_by_the_seed_and_lose_no_example():
    data = datasets.load("made_up_reviews", download=False)
    drawn = [redraw(data, spec(redraw=0.25, seed=seed)) for seed in (0, 0, 1)]
    sizes = {name: len(part) for name, part in drawn[0].parts.items()}
    assert sizes == {"train": 360, "test": 120}

    def examples(chosen):
        return [
            (text, int(label))
            for part in chosen.parts.values()
            for text, label in zip(part.inputs, part.targets, strict=True)
        ]

    assert sorted(examples(drawn[0])) == sorted(examples(drawn[2])) == sorted(examples(data))
    assert examples(drawn[0]) == examples(drawn[1]) != examples(drawn[2])
    assert redraw(data, spec()) is data


def test_parts_of_tensors_are_drawn_anew_too(data, feature_data):
    drawn = redraw(data, spec(redraw=0.5))
    assert drawn.parts["train"].inputs.shape == (36, 16, 16, 1)
    lacking = replace(data, parts={"train": data.parts["train"]})
    with pytest.raises(LossbookError, match="with a training and a test part"):
        redraw(lacking, spec(redraw=0.5))


@pytest.mark.parametrize("padded_to", [None, 12])
def test_an_lstm_learns_made_up_reviews(padded_to):
    data = datasets.load("made_up_reviews", download=False)
    options = {"embedding": 16, "hidden": 16, "padded_to": padded_to}
    chosen = spec(epochs=6, optimizer_options={"lr": 0.01}, model_options=options, measures="scale")
    result = train(plan_run(chosen), select(data, chosen))
    majority = data.parts["test"].targets.bincount().max() / 160
    assert result.curves["test_accuracy"][-1] > float(majority) + 0.1
