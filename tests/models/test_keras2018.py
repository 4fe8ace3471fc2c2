"""The networks of the Keras examples of 2018."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lossbook import models
from lossbook.errors import UnknownNameError

SHAPES = {"keras_mnist_cnn": (1, 28, 28), "keras_cifar10_cnn": (3, 32, 32)}
# As the examples list them: filters with their padding, then what follows.
LAYERS = {
    "keras_mnist_cnn": ["conv 32 valid", "conv 64 valid", "pool", "drop 0.25", "fc 128", "drop 0.5", "fc 10"],
    "keras_cifar10_cnn": [
        *["conv 32 same", "conv 32 valid", "pool", "drop 0.25"],
        *["conv 64 same", "conv 64 valid", "pool", "drop 0.25"],
        *["fc 512", "drop 0.5", "fc 10"],
    ],
}


@pytest.fixture(params=sorted(SHAPES))
def name(request):
    return request.param


@pytest.fixture
def network(name):
    torch.manual_seed(0)
    return models.build(name, SHAPES[name])


def described(layer):
    if isinstance(layer, nn.Conv2d):
        assert (layer.kernel_size, layer.stride, layer.dilation, layer.groups) == ((3, 3), (1, 1), (1, 1), 1)
        return f"conv {layer.out_channels} {'same' if layer.padding == (1, 1) else 'valid'}"
    if isinstance(layer, nn.MaxPool2d):
        assert (layer.kernel_size, layer.stride, layer.padding) == (2, 2, 0)
        return "pool"
    if isinstance(layer, nn.Dropout):
        return f"drop {layer.p}"
    return f"fc {layer.out_features}"


def test_the_layers_and_their_order(name, network):
    layers = [layer for layer in network if not isinstance(layer, nn.ReLU | nn.Flatten)]
    assert [described(layer) for layer in layers] == LAYERS[name]


@pytest.mark.parametrize(
    ("name", "count"), [("keras_mnist_cnn", 1_199_882), ("keras_cifar10_cnn", 1_250_858)]
)
def test_as_many_parameters_as_the_examples(name, count):
    network = models.build(name, SHAPES[name])
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_it_computes_what_the_example_computes(name, network):
    """A rectifier after every layer but the last, then pooling; no dropout when evaluated."""
    network.eval()
    images = torch.randn(3, *SHAPES[name], generator=torch.Generator().manual_seed(1))
    weights = iter(network.parameters())
    x, *rest = images, *LAYERS[name]
    for layer in rest:
        if layer.startswith("conv"):
            x = F.conv2d(x, next(weights), next(weights), padding=1 if "same" in layer else 0).relu()
        elif layer == "pool":
            x = F.max_pool2d(x, 2)
        elif layer.startswith("fc"):
            x = F.linear(x.flatten(1), next(weights), next(weights))
            x = x if layer == "fc 10" else x.relu()
    torch.testing.assert_close(network(images), x)
    assert (x < 0).any(), "logits are not rectified"


def test_dropout_acts_in_training_only(name, network):
    images = torch.rand(2, *SHAPES[name])
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 16, 16), (2, 15, 21)])
@pytest.mark.parametrize("classes", [2, 10, 100])
def test_output_shapes(name, shape, classes):
    network = models.build(name, shape, classes)
    assert network(torch.zeros(5, *shape)).shape == (5, classes)


def test_smallest_images_that_fit():
    assert models.build("keras_mnist_cnn", (1, 6, 6))(torch.zeros(1, 1, 6, 6)).shape == (1, 10)
    assert models.build("keras_cifar10_cnn", (1, 14, 14))(torch.zeros(1, 1, 14, 14)).shape == (1, 10)


def test_weights_are_glorot_uniform_and_biases_zero(network):
    for layer in network:
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        assert (layer.bias == 0).all()
        area = layer.weight[0, 0].numel()
        fan_in, fan_out = layer.weight.shape[1] * area, layer.weight.shape[0] * area
        limit = math.sqrt(6 / (fan_in + fan_out))
        values = layer.weight.detach().flatten()
        assert values.abs().max() <= limit
        # Uniform: nearly reaches its limit, has mean 0 and deviation limit / sqrt(3).
        assert values.abs().max() > 0.98 * limit
        error = limit / math.sqrt(3 * len(values))
        assert values.mean().abs() < 5 * error
        assert values.std().item() == pytest.approx(limit / math.sqrt(3), rel=5 / math.sqrt(len(values)))


def test_weights_come_from_the_global_seed(name):
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(nn.utils.parameters_to_vector(models.build(name, (1, 16, 16)).parameters()))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_names_and_an_unknown_one():
    assert set(SHAPES) <= set(models.names())
    for build in (models.builder, lambda name: models.build(name, (1, 28, 28))):
        with pytest.raises(
            UnknownNameError, match="unknown model 'keras_mnist'; did you mean 'keras_mnist_cnn'"
        ):
            build("keras_mnist")
