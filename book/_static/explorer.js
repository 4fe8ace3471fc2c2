// The slider of the atlas. Every curve is a row of the table that the page was built with: nothing is computed
// here but where it goes.
for (const box of document.querySelectorAll(".lossbook-explorer")) {
  const { charts, families } = JSON.parse(box.querySelector("script").textContent);
  const slider = box.querySelector("input[type=range]");
  const label = box.querySelector(".slider label");
  const said = box.querySelector(".said");
  const paths = box.querySelectorAll(".moves");
  let family = families[0];

  const draw = () => {
    const position = Number(slider.value);
    label.textContent = `${family.symbol} = ${family.labels[position]}`;
    slider.setAttribute("aria-valuetext", label.textContent);
    said.textContent = family.texts[position];
    charts.forEach(({ x, y: [zero, one] }, number) => {
      const heights = family.rows[position][number];
      const points = heights.map((height, i) => `${x[i]} ${(zero + height * (one - zero)).toFixed(1)}`);
      paths[number].setAttribute("d", `M${points.join("L")}`);
    });
  };

  const choose = (number) => {
    family = families[number];
    slider.max = family.rows.length - 1;
    slider.value = family.start;
    box.style.setProperty("--moving", family.color);
    draw();
  };

  slider.addEventListener("input", draw);
  for (const button of box.querySelectorAll("input[type=radio]")) {
    button.addEventListener("change", () => choose(Number(button.value)));
  }
  box.querySelector("input[type=radio]").checked = true; // a browser may remember another
  choose(0);
  box.hidden = false;
}
