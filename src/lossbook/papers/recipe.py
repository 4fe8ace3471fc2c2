"""The recipe of the reference network, for every comparison that no paper's own protocol decides."""

from lossbook.training import RunSpec

#: Nothing in it is made for one of the losses. It was chosen with CE, and the learning rate is the one that
#: CE did best at on validation images of CIFAR-10 (:mod:`lossbook.papers.synthesis.head_to_head`).
RECIPE = RunSpec(
    dataset="cifar10",
    model="reference_small",
    loss="ce",
    optimizer="sgd",
    optimizer_options={
        "lr": 1.0,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
        "decay_vectors": False,
    },
    schedule={"name": "one_cycle", "peak": 2, "start": 0.2},
    augmentation="shift_flip",
    pixels="standardised",
    precision="native",
    batch_size=512,
    epochs=9,
)
