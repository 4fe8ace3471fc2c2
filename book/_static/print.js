/* Paper is white: a page that is read in the dark theme is printed in the light one, its figures too. */
(() => {
  const root = document.documentElement;
  let shown;
  window.addEventListener("beforeprint", () => {
    shown = root.dataset.theme;
    root.dataset.theme = "light";
    // An image that was never scrolled to has not been loaded, and would be missing on paper.
    for (const image of document.querySelectorAll("img[loading=lazy]")) {
      image.loading = "eager";
    }
  });
  window.addEventListener("afterprint", () => {
    root.dataset.theme = shown;
  });
})();
