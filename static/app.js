// The little script the shell needs: theme, phone menu, copy buttons. Pages work without it.
"use strict";
(() => {
  const root = document.documentElement;
  const COLOURS = ["system", "light", "dark"];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => (COLOURS.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "system");
  const apply = () => {
    const now = chosen() === "system" ? (dark.matches ? "dark" : "light") : chosen();
    root.dataset.bsTheme = now;
    root.style.colorScheme = now;
    document.querySelectorAll("[data-theme-toggle]").forEach((one) => {
      one.setAttribute("aria-label", one.dataset[chosen()]);
      one.title = one.dataset[chosen()];
    });
  };
  apply();
  dark.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", apply);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-theme-toggle]")) {
      localStorage.setItem("theme", COLOURS[(COLOURS.indexOf(chosen()) + 1) % COLOURS.length]);
      apply();
      document.getElementById("announce").textContent = button.title;
    }
    if (button.matches(".lp-burger")) {
      const open = document.body.classList.toggle("lp-nav-open");
      button.setAttribute("aria-expanded", String(open));
    }
    if (button.dataset.copy) {
      navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      const announce = document.getElementById("announce");
      announce.textContent = announce.dataset.copied;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.body.classList.remove("lp-nav-open");
  });

  // -- Campaigns ---------------------------------------------------------------------------------------------------

  const say = (words) => { document.getElementById("announce").textContent = words; };
  const reveal = (within) => within.querySelectorAll("[data-js][hidden]").forEach((one) => { one.hidden = false; });
  document.addEventListener("DOMContentLoaded", () => reveal(document));
  document.addEventListener("htmx:afterSwap", () => reveal(document));

  // -- The palette, and single keys for those who want them ----------------------------------------------------------

  const palette = () => document.getElementById("palette");
  const openPalette = () => {
    const box = palette();
    if (!box || box.open) return;
    box.showModal();
    const field = document.getElementById("palette-q");
    field.value = "";
    htmx.trigger(field, "open-palette");
  };
  const options = () => [...document.querySelectorAll("#palette-list [role=option]")];
  const select = (row) => {
    options().forEach((one) => one.setAttribute("aria-selected", String(one === row)));
    const field = document.getElementById("palette-q");
    if (row) {
      field.setAttribute("aria-activedescendant", row.id);
      row.scrollIntoView({ block: "nearest" });
    } else field.removeAttribute("aria-activedescendant");
  };
  const selected = () => options().find((one) => one.getAttribute("aria-selected") === "true");
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "palette-list") select(options()[0]);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette]")) {
      event.preventDefault();
      openPalette();
    }
    const row = event.target.closest("#palette-list [data-href]");
    if (row) location.assign(row.dataset.href);
    if (event.target === palette()) palette().close();
  });
  const KEYS = { c: "/campaigns/new/", "g h": "/", "g c": "/campaigns/", "g p": "/people/", "g l": "/lists/", "g d": "/domains/" };
  let before = "";
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
      return;
    }
    if (event.target.id === "palette-q") {
      const rows = options();
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && rows.length) {
        event.preventDefault();
        select(rows[(rows.indexOf(selected()) + step + rows.length) % rows.length]);
      }
      if (event.key === "Enter" && selected()) location.assign(selected().dataset.href);
      return;
    }
    const typing = event.target.closest("input, textarea, select, [contenteditable], dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !("shortcuts" in document.body.dataset)) return;
    const keys = before ? `${before} ${event.key}` : event.key;
    before = event.key === "g" ? "g" : "";
    if (event.key === "/") {
      const search = document.querySelector("main input[type=search]");
      event.preventDefault();
      if (search) search.focus();
      else openPalette();
    } else if (event.key === "?") document.getElementById("help").click();
    else if (KEYS[keys]) location.assign(KEYS[keys]);
  });

  // Polling rests while nobody looks, and leaves open what was open.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.target.matches("[data-poll]")) event.preventDefault();
  });
  let open = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    open = [...event.target.querySelectorAll("details[open][id]")].map((one) => one.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    open.forEach((id) => { const one = document.getElementById(id); if (one) one.open = true; });
  });
  document.addEventListener("announce", (event) => say(event.detail.words));
})();
