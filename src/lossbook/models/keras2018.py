"""The two convolutional networks of the Keras examples of 2018, which yao2018 trains.

Both end in logits; the softmax belongs to the loss. Weights start as Keras starts them: Glorot uniform, zero
biases.
"""

import torch
from torch import nn


def keras_mnist_cnn(in_shape: tuple[int, int, int], num_classes: int = 10) -> nn.Module:
    """The ``mnist_cnn`` example: two convolutions, one hidden layer.

    It has 1,199,882 parameters on 28x28 images.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``, height and width at least 6.
        num_classes: Number of logits.

    References:
        yao2018, Sec. IV and its reference 10.
    """
    channels, height, width = in_shape
    flat = 64 * ((height - 4) // 2) * ((width - 4) // 2)
    network = nn.Sequential(
        nn.Conv2d(channels, 32, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 64, 3),
        # Pooling before the rectifier gives the same numbers and rectifies a quarter as many.
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(flat, 128),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(128, num_classes),
    )
    return _start_as_keras(network)


def keras_cifar10_cnn(in_shape: tuple[int, int, int], num_classes: int = 10) -> nn.Module:
    """The ``cifar10_cnn`` example: four convolutions, one hidden layer.

    It has 1,250,858 parameters on 32x32x3 images.

    Args:
        in_shape: Shape of one input, ``(channels, height, width)``, height and width at least 14.
        num_classes: Number of logits.

    References:
        yao2018, Sec. IV and its reference 10.
    """
    channels, height, width = in_shape
    flat = 64 * (((height - 2) // 2 - 2) // 2) * (((width - 2) // 2 - 2) // 2)
    network = nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 32, 3),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Dropout(0.25),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 64, 3),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(flat, 512),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(512, num_classes),
    )
    return _start_as_keras(network)


@torch.no_grad()
def _start_as_keras(network: nn.Sequential) -> nn.Sequential:
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
