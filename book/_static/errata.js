/* The filter of the page of errata. Without JavaScript its form stays hidden and the list is whole. */
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("errata-filter");
  if (!form) return;
  const entries = [...document.querySelectorAll(".lossbook-erratum")];
  const texts = new Map(entries.map((entry) => [entry, entry.textContent.toLowerCase()]));
  const groups = [...document.querySelectorAll(".lossbook-errata > *")];
  const papers = [...document.querySelectorAll(".lossbook-errata")];

  const shown = (part) => part.querySelectorAll(".lossbook-erratum:not([hidden])").length;

  const apply = () => {
    const { paper, matters, kind, words } = Object.fromEntries(new FormData(form));
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const narrowed = Boolean(paper || matters || kind || wanted.length);
    for (const entry of entries) {
      const { dataset } = entry;
      entry.hidden =
        (paper && dataset.paper !== paper) ||
        (matters && dataset.matters !== matters) ||
        (kind && dataset.kind !== kind) ||
        !wanted.every((word) => texts.get(entry).includes(word));
    }
    for (const group of groups) {
      const all = group.querySelectorAll(".lossbook-erratum").length;
      const left = shown(group);
      group.hidden = left === 0;
      group.querySelector(".lossbook-count").textContent = left === all ? all : `${left} of ${all}`;
      if (group.matches("details")) group.open = narrowed;
    }
    for (const list of papers) list.closest("section").hidden = shown(list) === 0;
    const left = entries.filter((entry) => !entry.hidden).length;
    form.querySelector("output").textContent = `${left} of ${entries.length} errata shown`;
  };

  const showAll = () => {
    form.reset();
    apply();
  };

  /* A link to an entry shows it, even if it is folded or filtered away. */
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.closest(".lossbook-errata")) return;
    if (target.closest("[hidden]")) showAll();
    const folded = target.closest("details");
    if (folded) folded.open = true;
    target.scrollIntoView();
  };

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.querySelector("button").addEventListener("click", showAll);
  window.addEventListener("hashchange", reveal);
  form.hidden = false;
  apply();
  reveal();
});
