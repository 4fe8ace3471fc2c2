"""The pages on objects without records."""

from dong2019_runs import CLASSES, TABLE1

from lossbook.evidence import claims
from lossbook.evidence.select import Evidence
from lossbook.papers.dong2019 import classes, fig1, fig2, fig5, hard_mining, table1
from lossbook.papers.dong2019.names import TABLE2


def nothing() -> list[Evidence]:
    return [Evidence(name, "", {}) for name in (TABLE1, CLASSES, TABLE2)]


def test_without_records_nothing_is_claimed() -> None:
    given = nothing()
    for module in (table1, classes, fig1, fig2, fig5, hard_mining):
        for claim in module.CLAIMS:
            assert claims.judge(module.CLAIMS, claim.key, *given).finding == "not tested", claim.key
    assert fig2.every_shown(*given[:2]) == []
