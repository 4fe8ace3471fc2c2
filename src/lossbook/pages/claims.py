"""Claims of a paper as its verdict page shows them."""

from collections.abc import Iterable, Mapping

from lossbook.evidence.claims import Verdict, summary, tally
from lossbook.pages.page import Page


def overview(
    page: Page,
    verdicts: Mapping[str, Verdict],
    anchor: str,
    headlines: Iterable[str],
    numbers: Mapping[str, str] | None = None,
) -> None:
    """Open a verdict page: the headline claims as boxes, how many claims hold, and the table of all.

    Args:
        page: The page.
        verdicts: The claims by key, in order.
        anchor: In front of a key, where the page has that claim.
        headlines: Keys of the claims to open with.
        numbers: What stands beside a finding by key, where that is not the verdict's own number.
    """
    for key in headlines:
        page.finding(verdicts[key], (numbers or {}).get(key, ""), evidence=f"#{anchor}{key}")
    page.text(f"**{tally(verdicts.values())}**")
    page.table(summary(verdicts, anchor), "claims", caption="The paper's claims and what we find")
