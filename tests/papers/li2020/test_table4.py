"""Table 4: the protocol and the paper's numbers."""

from li2020_runs import CODE, cells, column, evidence, made
from said import numbers

from lossbook import experiments
from lossbook.papers.li2020 import table4
from lossbook.papers.li2020.names import TABLE4
from lossbook.results import published


def test_the_papers_leads_in_table4_have_the_interval_of_its_test_images() -> None:
    # For 10,000 images, at 92.2% and 92.5%, at 91.8% and 91.4%: LGL-INR and LR minus CE, network by network.
    assert numbers(table4.printed_leads())[2:] == [
        *("+2.23", "0.74", "+2.36", "0.73", "18"),
        *("+1.29", "0.76", "+0.23", "0.78", "18"),
    ]


def test_table4_at_paper_scale_is_the_papers_protocol():
    found = {(c.labels["network"], c.labels["loss"], c.labels["dataset"]): c.spec for c in cells("table4")}
    assert found.keys() == {
        (r.network, r.loss, r.dataset) for r in published("li2020", "table4").itertuples()
    }
    for (network, loss, _), spec in found.items():
        assert (spec.model, spec.loss) == (f"li2020_{network}", CODE[loss])
        assert (spec.batch_size, spec.epochs, spec.augmentation) == (64, 100, "crop_flip")
        options = dict(spec.optimizer_options)
        assert spec.schedule == {"name": "steps", "at": [50, 75]}
        assert options == {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    assert experiments.get("li2020/table4").profiles["paper"].seeds >= 3


def test_table_4_has_the_papers_numbers() -> None:
    frame = table4.paper_table()
    assert frame["Paper"].tolist() == ["91.11", "92.40", "93.34", "91.32", "91.55", "93.68"]
    assert frame["Paper minus CE"].tolist() == ["–", "+1.29", "+2.23", "–", "+0.23", "+2.36"]
    found = evidence(TABLE4, [made(TABLE4, "quick", 0.25)])
    frame, _ = table4.TABLE.frame(found, "quick")
    assert set(column(frame, "Ours, %")) == {"25.00 (1 run)"}
    assert column(frame, "Paper") == ["91.11", "92.40", "93.34", "91.32", "91.55", "93.68"]
