// The page a letter is written on: insert, look at it while it grows, save without leaving, lose nothing.
// Without this script it is a form with a textarea, a button to save and a button to look.
"use strict";
(() => {
  const form = document.getElementById("letter-form");
  const letter = document.getElementById("letter");
  if (!form || !letter) return;
  const say = (words) => { document.getElementById("announce").textContent = words; };
  const fields = ["subject", "preheader", "letter"];
  const field = (name) => form.elements.namedItem(name);
  const typed = () => Object.fromEntries(fields.map((name) => [name, field(name).value]));
  const saved = document.getElementById("saved");

  // -- Where the letter is written: the textarea, or what stands in for it --------------------------------------------

  let surface = {
    insert: (text) => insert(letter, text),
    toLine: (number) => {
      const lines = letter.value.split("\n");
      const start = lines.slice(0, number - 1).join("\n").length + (number > 1 ? 1 : 0);
      letter.focus();
      letter.setSelectionRange(start, start + (lines[number - 1] || "").length);
    },
    set: (text) => { letter.value = text; changed(); },
    show: () => {},
  };
  const insert = (area, text) => {
    area.focus();
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  };
  // Subject and preheader take fields too: the one that had the cursor last.
  let last = null;
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("#subject, #preheader, #letter")) last = event.target;
    else if (event.target.closest(".cm-editor")) last = letter;
  });
  const problems = () => [...document.querySelectorAll("#checked [data-problem]")].map((one) => ({
    line: Number(one.dataset.problem), message: one.querySelector("span").textContent.trim(), blocks: one.matches(".bad"),
  }));
  // The code editor is more than all the rest of the page. It comes when somebody is about to write; until then, and
  // where it can't come, the textarea is there.
  const bringCode = () => {
    const script = document.createElement("script");
    script.src = letter.dataset.code;
    script.addEventListener("load", () => {
      const writing = document.activeElement === letter;
      const [from, to] = [letter.selectionStart, letter.selectionEnd];
      surface = window.LetterpaceCode(letter, {
        nonce: letter.dataset.nonce,
        label: document.querySelector("label[for=letter]").textContent,
        describedBy: "letter-h",
        words: JSON.parse(document.getElementById(letter.dataset.words).textContent),
        readOnly: letter.readOnly,
      });
      surface.show(problems());
      if (writing) surface.select(from, to);
    });
    document.head.append(script);
  };
  if (letter.dataset.code) {
    const about = new AbortController();
    ["pointerenter", "focus", "touchstart"].forEach((name) => letter.addEventListener(name, () => {
      about.abort();
      bringCode();
    }, { signal: about.signal, passive: true }));
  }

  document.addEventListener("change", (event) => {
    if (event.target.id !== "emoji" || !event.target.value) return;
    const into = last || document.getElementById("subject");
    if (into !== letter) insert(into, event.target.value);
    else surface.insert(event.target.value);
    event.target.value = "";
  });

  document.addEventListener("click", (event) => {
    const device = event.target.closest("[data-device]");
    if (device) {
      event.preventDefault();
      document.querySelector(".lp-device").dataset.is = device.dataset.device;
      device.parentElement.querySelectorAll("[data-device]").forEach((one) => one.removeAttribute("aria-current"));
      device.setAttribute("aria-current", "true");
      return;
    }
    const button = event.target.closest("button, [data-forget]");
    if (!button) return;
    if (button.dataset.insertField) {
      const key = document.getElementById("field-key").value;
      const fallback = document.getElementById("field-default").value.replace(/["{}]/g, "");
      const tag = `{{ contact.${key}${fallback ? ` | default: "${fallback}"` : ""} }}`;
      if (last && last !== letter) insert(last, tag);
      else surface.insert(tag);
    }
    if (button.dataset.insert) {
      const code = document.getElementById(button.dataset.insert).textContent;
      if (letter.dataset.code) surface.insert(code);
      else {
        // A picture stands in a paragraph of its own; at the end when the letter never had the cursor.
        if (last !== letter) letter.setSelectionRange(letter.value.length, letter.value.length);
        const before = letter.value.slice(0, letter.selectionStart);
        const gap = !before || before.endsWith("\n\n") ? "" : before.endsWith("\n") ? "\n" : "\n\n";
        surface.insert(`${gap}${code}\n\n`);
      }
    }
    if (button.dataset.line) surface.toLine(Number(button.dataset.line));
    if (button.dataset.person) showAs(button.dataset.person);
    if ("nextPerson" in button.dataset) {
      const people = [...document.querySelectorAll("#people-samples option")].map((one) => one.value);
      showAs(people[(people.indexOf(person.value) + 1) % people.length]);
    }
    if ("putBack" in button.dataset) putBack();
    if ("forget" in button.dataset) forget();
  });

  // -- The preview follows --------------------------------------------------------------------------------------------

  const person = document.getElementById("pv-as");
  const showButton = document.querySelector("[data-preview]");
  showButton.hidden = true;
  let waiting = 0;
  let turn = 0;
  const soon = (delay) => {
    clearTimeout(waiting);
    waiting = setTimeout(look, delay);
  };
  const showAs = (address) => { person.value = address; look(); };
  const look = () => {
    turn += 1;
    preview(turn);
    check(turn);
  };
  // A new frame behind the old one: no flash, no entry in the history, and the reader stays where they were.
  const preview = (mine) => {
    const device = document.querySelector(".lp-device");
    device.querySelectorAll("iframe[data-coming]").forEach((one) => one.remove());
    const old = device.querySelector("iframe");
    const frame = old.cloneNode(false);
    frame.removeAttribute("src");
    frame.removeAttribute("id");
    frame.name = `preview-${mine}`;
    frame.dataset.coming = "";
    device.append(frame);
    frame.addEventListener("load", () => {
      if (mine !== turn) return;
      frame.contentWindow.scrollTo(0, old.contentWindow.scrollY);
      old.remove();
      frame.id = "preview-frame";
      delete frame.dataset.coming;
    }, { once: true });
    showButton.formTarget = frame.name;
    showButton.setAttribute("formtarget", frame.name);
    form.requestSubmit(showButton);
  };
  const check = async (mine) => {
    const answer = await fetch(form.dataset.check, {
      method: "POST", body: new FormData(form), headers: { "HX-Request": "true" },
    }).catch(() => null);
    if (mine !== turn || !answer || !answer.ok || answer.headers.has("HX-Redirect")) return;
    const parts = new DOMParser().parseFromString(await answer.text(), "text/html");
    ["checked", "inbox"].forEach((id) => {
      const part = parts.getElementById(id);
      if (part) document.getElementById(id).replaceWith(part);
    });
    document.querySelectorAll("#checked [data-js][hidden]").forEach((one) => { one.hidden = false; });
    surface.show(problems());
  };
  document.querySelectorAll("#pv-part, #pv-scheme, #pv-pictures, #pv-as").forEach((one) => one.addEventListener("change", look));

  // -- Saved without leaving; what is not saved is kept in this browser ------------------------------------------------

  const key = `letter-${form.dataset.campaign}`;
  let dirty = form.matches("[data-dirty]");
  let keeping = 0;
  const keep = () => {
    const kept = { ...typed(), kind: field("kind").value, based_on: field("based_on").value, at: new Date().toISOString() };
    try { localStorage.setItem(key, JSON.stringify(kept)); } catch { /* full or forbidden: the warning on leaving remains */ }
  };
  const forget = () => {
    localStorage.removeItem(key);
    dirty = false;
    const note = document.getElementById("kept");
    if (note) note.hidden = true;
  };
  const kept = () => {
    try { return JSON.parse(localStorage.getItem(key) || "null"); } catch { return null; }
  };
  const putBack = () => {
    const found = kept();
    field("subject").value = found.subject;
    field("preheader").value = found.preheader;
    surface.set(found.letter);
    document.getElementById("kept").hidden = true;
    changed();
    say(document.getElementById("kept").dataset.putBackSaid);
  };
  const changed = () => {
    if (!form.matches("[data-keep]")) return;
    if (!dirty) saved.textContent = saved.dataset.unsaved;
    dirty = true;
    clearTimeout(keeping);
    keeping = setTimeout(keep, 400);
    soon(500);
  };
  form.addEventListener("input", (event) => {
    const counter = event.target.dataset.count;
    if (counter) document.getElementById(counter).textContent = [...event.target.value].length;
    if (fields.includes(event.target.name)) changed();
  });
  const found = form.matches("[data-keep]:not([data-dirty])") ? kept() : null;
  if (found) {
    const now = typed();
    if (found.kind !== field("kind").value || fields.every((name) => found[name] === now[name])) localStorage.removeItem(key);
    else {
      document.getElementById("kept-at").textContent = new Date(found.at).toLocaleString(document.documentElement.lang);
      document.getElementById("kept").hidden = false;
    }
  }
  const save = async () => {
    const sent = JSON.stringify(typed());
    saved.textContent = saved.dataset.saving;
    const answer = await fetch(form.action, {
      method: "POST", body: new FormData(form), headers: { "HX-Request": "true" },
    }).catch(() => null);
    if (!answer) {
      saved.textContent = saved.dataset.unreached;
      keep();
      return;
    }
    const version = answer.headers.get("X-Version");
    if (!version) {
      // Somebody else saved, or the session is over: the whole page says so, with all that was typed.
      keep();
      dirty = false;
      form.submit();
      return;
    }
    field("based_on").value = version;
    saved.innerHTML = await answer.text();
    if (sent === JSON.stringify(typed())) forget();
    else saved.textContent = saved.dataset.unsaved;
  };
  form.addEventListener("submit", (event) => {
    if (event.submitter === showButton) return;
    if (event.submitter && event.submitter.name) {
      dirty = false;
      return;
    }
    event.preventDefault();
    save();
  });
  window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
  // The last letters too: who leaves does not wait for what is kept in a moment.
  window.addEventListener("pagehide", () => { if (dirty) keep(); });
  document.addEventListener("keydown", (event) => {
    if (form.matches("[data-keep]") && (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
      event.preventDefault();
      save();
    }
  });
})();
