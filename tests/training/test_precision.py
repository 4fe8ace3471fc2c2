"""Runs in mixed precision."""

import torch
from torch import nn

from lossbook.training import plan_run, precision, train

CPU = torch.device("cpu")


def products_of(network, forward, images):
    """The dtypes of what the network's convolutions and linear layers give."""
    seen = set()
    hooks = [
        layer.register_forward_hook(lambda _layer, _given, made: seen.add(made.dtype))
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    result = forward(images)
    for hook in hooks:
        hook.remove()
    return seen, result


def test_products_are_short_and_weights_gradients_and_result_are_not(spec):
    plan = plan_run(spec(precision="bfloat16"))
    network = plan.build_model((1, 16, 16), 3)
    seen, result = products_of(network, plan.forward(network, CPU), torch.rand(4, 1, 16, 16))
    assert seen == {torch.bfloat16}
    assert result.dtype == torch.float32
    result.sum().backward()
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in network.parameters()} == {torch.float32}


def test_what_it_computes_is_the_network_to_8_bits():
    torch.manual_seed(0)
    network = nn.Linear(64, 5)
    inputs = torch.randn(100, 64)
    wide = network(inputs)
    # A product of bfloat16 numbers, of 8 bits each, is off by 2^-8 of the terms' sizes at most.
    bound = 2**-7 * (inputs.abs() @ network.weight.abs().T + 1)
    short = precision.forward(network, "bfloat16", CPU)(inputs)
    assert ((short - wide).abs() <= bound).all()
    assert not torch.equal(short, wide)


def test_a_run_learns_as_in_float32_and_comes_out_the_same_again(spec, data):
    runs = {
        name: train(plan_run(spec(loss="ce", epochs=6, precision=name)), data) for name in (None, "bfloat16")
    }
    again = train(plan_run(spec(loss="ce", epochs=6, precision="bfloat16")), data)
    assert again.curves == runs["bfloat16"].curves != runs[None].curves
    last = {name: run.curves["train_loss"][-1] for name, run in runs.items()}
    first = runs[None].curves["train_loss"][0]
    assert last["bfloat16"] < 0.9 * first
    assert abs(last["bfloat16"] - last[None]) < 0.1 * first


def test_native_is_what_the_machine_has(spec, data, monkeypatch):
    run = spec(loss="ce", epochs=1)
    wide = train(plan_run(run), data).curves
    short = train(plan_run(spec(loss="ce", epochs=1, precision="bfloat16")), data).curves
    for flags, expected, name in (
        ({"avx2"}, wide, "float32"),
        ({"avx512_bf16"}, short, "bfloat16"),
        ({"amx_bf16"}, short, "bfloat16"),
    ):
        monkeypatch.setattr(precision, "_processor_flags", lambda flags=flags: frozenset(flags))
        assert precision.used("native", CPU) == name
        assert train(plan_run(spec(loss="ce", epochs=1, precision="native")), data).curves == expected


def test_the_precision_is_part_of_the_run(spec):
    plain, short = plan_run(spec()), plan_run(spec(precision="bfloat16"))
    assert plain.spec.key != short.spec.key
    assert "precision" not in plain.spec.config
    assert short.spec.config["precision"] == "bfloat16"
