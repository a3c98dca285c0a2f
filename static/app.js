// The little script the shell needs: theme, phone menu, copy buttons. Pages work without it.
"use strict";
(() => {
  const root = document.documentElement;
  const stored = localStorage.getItem("theme");
  const apply = (theme) => {
    if (theme) root.dataset.bsTheme = theme;
    else delete root.dataset.bsTheme;
    root.style.colorScheme = theme || "light dark";
  };
  apply(stored || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-theme-toggle]")) {
      const next = root.dataset.bsTheme === "dark" ? "light" : "dark";
      localStorage.setItem("theme", next);
      apply(next);
    }
    if (button.matches(".lp-burger")) {
      const open = document.body.classList.toggle("lp-nav-open");
      button.setAttribute("aria-expanded", String(open));
    }
    if (button.dataset.copy) {
      navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      document.getElementById("announce").textContent = "Copied";
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.body.classList.remove("lp-nav-open");
  });
})();
