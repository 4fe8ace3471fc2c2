"""Networks with dropout before their output."""

import torch

from lossbook import models


def test_without_training_it_is_cnn2c():
    images = torch.rand(3, 1, 28, 28)
    built = []
    for name, options in (("li2020_cnn2c", {}), ("cnn2c_dropout", {"dropout": 0.5})):
        torch.manual_seed(0)
        built.append(models.build(name, (1, 28, 28), 10, **options).eval())
    torch.testing.assert_close(built[0](images), built[1](images), rtol=0, atol=0)


def test_in_training_that_share_of_the_features_is_dropped():
    torch.manual_seed(0)
    network = models.build("cnn2c_dropout", (1, 28, 28), 10, dropout=0.2).train()
    seen = []
    network[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    before = []
    network[-2].register_forward_pre_hook(lambda _, inputs: before.append(inputs[0]))
    network(torch.rand(200, 1, 28, 28))
    kept = seen[0][before[0] > 0] > 0
    assert abs(kept.float().mean() - 0.8) < 0.01
