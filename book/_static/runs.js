/* From a number to its runs: a number that knows them is a button, which opens their list. Without scripts, or on
   paper, it is a number. */
document.addEventListener("DOMContentLoaded", () => {
  const places = document.querySelectorAll(".lossbook [data-runs], .lossbook td[title]:not(:has(a))");
  if (!places.length || !("popover" in HTMLElement.prototype)) return;
  const data = document.querySelector("script.lossbook-runs");
  const { cells, runs } = data ? JSON.parse(data.textContent) : { cells: [], runs: [] };

  const made = (name, text = "", properties = {}) =>
    Object.assign(document.createElement(name), { textContent: text }, properties);

  const box = made("div", "", { id: "lossbook-runs", popover: "auto" });
  box.setAttribute("role", "dialog");
  box.setAttribute("aria-label", "Runs behind this number");
  document.body.append(box);

  /* What a cell of a table is: the names of its row and of its column, and its number. */
  const named = (cell) => {
    const row = [...cell.parentElement.querySelectorAll("th")].filter((head) => head !== cell);
    const column = cell.closest("table").tHead?.rows[0].cells[cell.cellIndex];
    return `${[...row, column].map((head) => head?.textContent).filter(Boolean).join(", ")}: ${cell.textContent}`;
  };

  const listed = ([key, cell, seed, trust]) => {
    const command = `lossbook results show ${key}`;
    const item = made("li", seed === undefined ? "" : `seed ${seed}, ${trust}: `);
    const copy = made("button", "Copy", { type: "button" });
    copy.setAttribute("aria-label", `Copy ${command}`);
    copy.addEventListener("click", async () => {
      getSelection().selectAllChildren(item.querySelector("code"));
      const copied = await (navigator.clipboard?.writeText(command) ?? Promise.reject()).then(() => true, () => false);
      copy.textContent = copied ? "Copied" : "Selected";
      copy.setAttribute("aria-label", `${copy.textContent} ${command}`);
    });
    item.append(made("code", command), " ", copy);
    return item;
  };

  const fill = (place) => {
    const found = (place.dataset.runs ?? "").split(" ").filter(Boolean).map((number) => runs[number]);
    // It has the focus: elsewhere Escape is taken by Sphinx, which then closes nothing.
    const close = made("button", "Close", { type: "button", autofocus: true });
    close.addEventListener("click", () => box.hidePopover());
    box.replaceChildren(close, made("p", place.matches("td, th") ? named(place) : "What this rests on"));
    if (place.dataset.title) box.append(made("p", place.dataset.title));
    for (const cell of new Set(found.map((run) => run[1]))) {
      const list = made("ul");
      list.append(...found.filter((run) => run[1] === cell).map(listed));
      box.append(made("p", cells[cell] ?? ""), list);
    }
    if (place.dataset.of) {
      const rest = made("p", `and ${place.dataset.of - found.length} more: `);
      rest.append(document.querySelector('a[href$="/runs.csv"]').cloneNode(true));
      box.append(rest);
    }
  };

  for (const place of places) {
    const button = made("button", "", { type: "button", className: "lossbook-number" });
    button.popoverTargetElement = box;
    button.popoverTargetAction = "show";
    button.setAttribute("aria-haspopup", "dialog");
    if (place.matches("td, th") && !place.querySelector("a")) {
      button.append(...place.childNodes);
      place.append(button);
    } else {
      const count = place.dataset.of ?? place.dataset.runs.split(" ").length;
      button.classList.add("lossbook-behind");
      button.textContent = count == 1 ? "1 run" : `${count} runs`;
      button.setAttribute("aria-label", `${button.textContent} behind this finding`);
      place.append(" ", button);
    }
    if (place.title) {
      place.dataset.title = place.title;
      place.removeAttribute("title");
    }
    button.addEventListener("click", () => {
      fill(place);
      box.querySelector("button").focus();
    });
  }

  /* Tab goes to the first number of a table and past the others; arrow keys go from number to number. */
  const column = (button) => button.closest("td, th").cellIndex;
  for (const table of document.querySelectorAll(".lossbook table")) {
    const numbers = [...table.querySelectorAll(".lossbook-number")];
    numbers.slice(1).forEach((button) => (button.tabIndex = -1));
    table.addEventListener("keydown", (event) => {
      const here = event.target.closest(".lossbook-number");
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!here || !step) return;
      const across = /Left|Right/.test(event.key);
      const way = numbers.filter((button) => across || column(button) === column(here));
      const next = way[way.indexOf(here) + step];
      event.preventDefault();
      if (!next) return;
      here.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  }
});
