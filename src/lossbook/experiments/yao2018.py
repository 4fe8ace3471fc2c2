"""The experiments of yao2018: Table I and Fig. 1 and 2, which show the same runs."""

from dataclasses import replace

from lossbook.experiments.grid import Cell, Experiment, Profile
from lossbook.training import RunSpec

LOSSES = ("ce", "bce", "nllr")
# NLLR with probabilities clipped as the Keras backend of 2018 clips them: probably what the paper ran.
CLIPPED = "nllr_clipped"
_CODE = {CLIPPED: ("nllr", {"clip": 1e-7})}

# The Keras examples of 2018, which the paper names (Sec. IV, reference 10).
MNIST = RunSpec(
    dataset="mnist",
    model="keras_mnist_cnn",
    loss="ce",
    optimizer="keras_adadelta",
    optimizer_options={"lr": 1.0},
    batch_size=128,
    epochs=12,
)
CIFAR10 = RunSpec(
    dataset="cifar10",
    model="keras_cifar10_cnn",
    loss="ce",
    optimizer="keras_rmsprop",
    optimizer_options={"lr": 1e-4, "decay": 1e-6},
    batch_size=32,
    epochs=100,
    augmentation="keras_shift_flip",
)


def _cell(base: RunSpec, loss: str, epochs: int, dataset: str | None = None) -> Cell:
    labels = {"dataset": dataset or base.dataset, "loss": loss, "epochs": epochs}
    name, options = _CODE.get(loss, (loss, {}))
    return Cell(labels, replace(base, loss=name, loss_options=options, epochs=epochs))


def _paper_cells() -> tuple[Cell, ...]:
    # As published first; then what the paper lacks: NLLR clipped, and CE and BCE for as long as NLLR had.
    published = {"ce": 100, "bce": 100, "nllr": 500}
    lengths = [*published.items(), (CLIPPED, 500), ("ce", 500), ("bce", 500)]
    return tuple(_cell(base, loss, epochs) for base in (MNIST, CIFAR10) for loss, epochs in lengths)


def _quick_cells() -> tuple[Cell, ...]:
    mnist = replace(MNIST, train_size=2000, test_size=2000)
    cifar10 = replace(CIFAR10, train_size=1500, test_size=1000, optimizer_options={"lr": 1e-3, "decay": 1e-6})
    return tuple(_cell(base, loss, epochs) for base, epochs in ((mnist, 3), (cifar10, 2)) for loss in LOSSES)


def _smoke_cells() -> tuple[Cell, ...]:
    return tuple(
        _cell(replace(base, dataset="digits", train_size=256, test_size=100), loss, 2, dataset=base.dataset)
        for base in (MNIST, CIFAR10)
        for loss in (*LOSSES, CLIPPED)
    )


TABLE1 = Experiment(
    name="yao2018/table1",
    title="Table I, Fig. 1 and 2: CE, BCE and NLLR on MNIST and CIFAR-10",
    profiles={
        profile.name: profile
        for profile in (
            Profile(
                "paper",
                "the paper's protocol: CE, BCE 100 epochs, NLLR 500; besides, CE, BCE, clipped NLLR 500",
                _paper_cells(),
                seeds=3,
            ),
            Profile(
                "keras12",
                "all of MNIST for 12 epochs, the length of the Keras example",
                tuple(_cell(MNIST, loss, 12) for loss in (*LOSSES, CLIPPED)),
                seeds=3,
            ),
            Profile(
                "quick",
                "2,000 images of MNIST for 3 epochs, 1,500 of CIFAR-10 for 2 epochs at learning rate 0.001",
                _quick_cells(),
                seeds=2,
                embedded_fallback=True,
            ),
            Profile(
                "smoke",
                "256 of scikit-learn's digits for 2 epochs, to see that everything runs",
                _smoke_cells(),
                seeds=2,
            ),
        )
    },
)

EXPERIMENTS = (TABLE1,)
