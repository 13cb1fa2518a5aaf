// Keys and theme. Ctrl+Enter presses the run button that is visible, Esc every visible stop button.
(() => {
  const THEME = "playground-theme";
  const asked = new URLSearchParams(location.search).get("__theme");
  const kept = () => { try { return localStorage.getItem(THEME); } catch { return null; } };
  const apply = (theme) => {
    document.body.classList.toggle("dark", theme === "dark");
    document.body.style.background = "var(--body-background-fill)";
    document.querySelectorAll("#theme_toggle").forEach((b) => b.setAttribute("aria-pressed", theme === "dark"));
  };
  if (!asked && kept()) apply(kept());
  window.playgroundTheme = () => {
    const next = document.body.classList.contains("dark") ? "light" : "dark";
    try { localStorage.setItem(THEME, next); } catch { /* a browser without storage keeps it for this page */ }
    apply(next);
  };
  const shown = (selector) => [...document.querySelectorAll(selector)]
    .filter((b) => b.offsetParent !== null && !b.disabled);
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      const run = shown("button.pg-run")[0];
      if (run) { event.preventDefault(); event.stopPropagation(); run.click(); }
    } else if (event.key === "Escape") {
      shown("button.pg-stop").forEach((b) => b.click());
    } else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && !event.altKey && !event.ctrlKey
               && !event.metaKey && !event.target.closest("input, textarea, select, [role=tablist], [contenteditable]")) {
      const leaf = shown(event.key === "ArrowLeft" ? "button.pg-leaf-back" : "button.pg-leaf-on")[0];
      if (leaf) { event.preventDefault(); event.stopPropagation(); leaf.click(); }
    }
  }, true);
  window.playgroundCanvas = async (id) => {
    for (let i = 0; i < 60; i++) {
      const canvas = document.querySelector(`#${id} canvas`);
      if (canvas && canvas.offsetParent !== null && canvas.width > 0) break;
      await new Promise((done) => setTimeout(done, 100));
    }
    await new Promise((done) => setTimeout(done, 250));
  };
})();
