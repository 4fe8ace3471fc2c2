"""torchvision's networks for ImageNet, and what stands in front of them."""

import pytest
import torch
from torch import nn
from torchvision import models as tv
from torchvision.transforms import v2

from lossbook import models
from lossbook.experiments.costs import operations
from lossbook.models.photographs import DEVIATION, MEAN, Photographs, centre

#: torchvision's name, its record of its weights, and parameters with 1,000 classes.
NETWORKS = {
    "imagenet_resnet18": ("resnet18", tv.ResNet18_Weights, 11_689_512),
    "imagenet_resnet34": ("resnet34", tv.ResNet34_Weights, 21_797_672),
    "imagenet_resnet50": ("resnet50", tv.ResNet50_Weights, 25_557_032),
    "imagenet_resnet101": ("resnet101", tv.ResNet101_Weights, 44_549_160),
    "imagenet_resnext50": ("resnext50_32x4d", tv.ResNeXt50_32X4D_Weights, 25_028_904),
    "imagenet_resnext101": ("resnext101_32x8d", tv.ResNeXt101_32X8D_Weights, 88_791_336),
    "imagenet_shufflenet_v2": ("shufflenet_v2_x1_0", tv.ShuffleNet_V2_X1_0_Weights, 2_278_604),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_as_large_as_torchvision_documents(name):
    theirs, weights, count = NETWORKS[name]
    documented = weights.IMAGENET1K_V1.meta
    with torch.device("meta"):
        network = models.build(name, (3, 256, 256), 1000)
        state = tv.get_model(theirs).state_dict()
    assert sum(p.numel() for p in network.parameters()) == count == documented["num_params"]
    # torchvision counts a multiplication with its addition once, at 224 x 224: the crop is in front.
    assert operations(name, "imagenet") / 2e9 == pytest.approx(documented["_ops"], abs=5e-4)
    # The constants in front are no part of the weights, so torchvision's fit by name.
    found = {key.removeprefix("network."): value.shape for key, value in network.state_dict().items()}
    assert found == {key: value.shape for key, value in state.items()}


def test_a_test_image_passes_as_through_torchvisions_transforms():
    images = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    transforms = v2.Compose([v2.CenterCrop(224), v2.Normalize(MEAN, DEVIATION)])
    assert list(MEAN) == list(tv.ResNet50_Weights.IMAGENET1K_V1.transforms().mean)
    assert list(DEVIATION) == list(tv.ResNet50_Weights.IMAGENET1K_V1.transforms().std)
    torch.testing.assert_close(Photographs(nn.Identity())(images), transforms(images))


@pytest.mark.parametrize(
    ("size", "cut"), [((256, 256), (224, 224)), ((300, 225), (224, 224)), ((100, 230), (100, 224))]
)
def test_only_what_is_beyond_the_centre_is_cut_off(size, cut):
    images = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    out = centre(images)
    assert out.shape[2:] == cut
    top, left = (round((a - b) / 2) for a, b in zip(size, cut, strict=True))
    assert torch.equal(out, images[:, :, top : top + cut[0], left : left + cut[1]])
    cropped = torch.rand(1, 3, 224, 224)
    assert torch.equal(centre(cropped), cropped)


def test_grey_images_are_refused():
    with pytest.raises(ValueError, match="three channels; got 1"):
        models.build("imagenet_resnet18", (1, 256, 256))
