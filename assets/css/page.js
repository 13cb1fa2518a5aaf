// Keys, theme and title. Ctrl+Enter presses the run button that is visible, Esc every visible stop button.
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
  // The title: how far the running pictures are; then what a long job brought, until somebody looks at the page.
  const PLAIN = "Playground", LONG_S = 10;
  let ended, news = "";
  const title = () => {
    const job = document.querySelector("#image_title [data-ended]")?.dataset;
    if (!job) return;
    if (ended !== undefined && job.ended !== ended && Number(job.seconds) > LONG_S && Number(job.pictures)) {
      news = `✓ ${job.pictures} picture${job.pictures === "1" ? "" : "s"} – ${PLAIN}`;
    }
    ended = job.ended;
    const wanted = job.percent ? `${job.percent} % – ${PLAIN}` : news || PLAIN;
    if (document.title !== wanted) document.title = wanted; // setting it is a change that is watched, too
  };
  const looked = () => { if (news && !document.hidden) { news = ""; title(); } };
  new MutationObserver(title).observe(document.documentElement, {childList: true, subtree: true, attributeFilter: ["data-ended", "data-percent"]});
  ["focus", "pointermove", "pointerdown", "keydown", "touchstart"].forEach((kind) => addEventListener(kind, looked, {capture: true, passive: true}));
  document.addEventListener("visibilitychange", looked);
  window.playgroundCanvas = async (id) => {
    for (let i = 0; i < 60; i++) {
      const canvas = document.querySelector(`#${id} canvas`);
      if (canvas && canvas.offsetParent !== null && canvas.width > 0) break;
      await new Promise((done) => setTimeout(done, 100));
    }
    await new Promise((done) => setTimeout(done, 250));
  };
})();
