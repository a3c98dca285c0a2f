// The code editor of letters: what of CodeMirror is used, and how. Built by build.sh into one file; the page loads that.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { HighlightStyle, LRLanguage, bracketMatching, foldNodeProp, foldGutter, foldKeymap, indentNodeProp, indentUnit,
  syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { Decoration, EditorView, MatchDecorator, ViewPlugin, drawSelection, highlightActiveLine,
  highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { parser } from "@lezer/html";
import { tags } from "@lezer/highlight";

const markup = LRLanguage.define({
  parser: parser.configure({
    props: [
      indentNodeProp.add({
        Element(context) {
          const after = /^(\s*)(<\/)?/.exec(context.textAfter);
          if (context.node.to <= context.pos + after[0].length) return context.continue();
          return context.lineIndent(context.node.from) + (after[2] ? 0 : context.unit);
        },
        "OpenTag CloseTag SelfClosingTag"(context) { return context.column(context.node.from) + context.unit; },
      }),
      foldNodeProp.add({
        Element(node) {
          const first = node.firstChild, last = node.lastChild;
          if (!first || first.name !== "OpenTag") return null;
          return { from: first.to, to: last.name === "CloseTag" ? last.from : node.to };
        },
      }),
    ],
  }),
});

// Colours are the page's own, so that they follow light and dark.
const colours = HighlightStyle.define([
  { tag: [tags.tagName, tags.angleBracket], color: "var(--lp-accent)" },
  { tag: tags.attributeName, color: "var(--lp-code-name)" },
  { tag: tags.attributeValue, color: "var(--lp-code-value)" },
  { tag: [tags.comment, tags.documentMeta], color: "var(--lp-muted)", fontStyle: "italic" },
]);
const look = EditorView.theme({
  "&": { color: "var(--lp-text)", backgroundColor: "transparent", fontSize: "13px" },
  "&.cm-focused": { outline: "2px solid var(--lp-accent)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--tblr-font-monospace)", lineHeight: "20px" },
  ".cm-content": { caretColor: "var(--lp-text)" },
  ".cm-cursor": { borderInlineStartColor: "var(--lp-text)" },
  ".cm-gutters": { backgroundColor: "var(--lp-raised)", color: "var(--lp-muted)", borderInlineEndColor: "var(--lp-line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--lp-code-line)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    { backgroundColor: "var(--lp-code-selected)" },
  ".cm-selectionMatch": { backgroundColor: "var(--lp-wait-soft)" },
  ".cm-liquid": { color: "var(--lp-code-field)", fontWeight: "600" },
  ".cm-tooltip, .cm-panels": { backgroundColor: "var(--lp-surface)", color: "var(--lp-text)", borderColor: "var(--lp-line)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--lp-accent)", color: "var(--lp-accent-fg)" },
  ".cm-textfield": { backgroundColor: "var(--lp-surface)", color: "var(--lp-text)", borderColor: "var(--lp-line-strong)" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--lp-raised)", color: "var(--lp-text)", borderColor: "var(--lp-line-strong)" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--lp-raised)", color: "var(--lp-muted)", borderColor: "var(--lp-line)" },
});

const fields = new MatchDecorator({ regexp: /\{\{[^}]*\}\}|\{%[^%]*%\}/g, decoration: Decoration.mark({ class: "cm-liquid" }) });
const highlightFields = ViewPlugin.fromClass(
  class {
    constructor(view) { this.decorations = fields.createDeco(view); }
    update(update) { this.decorations = fields.updateDeco(update, this.decorations); }
  },
  { decorations: (one) => one.decorations },
);

// words: { fields: ["contact.first_name", …], elements: { "mj-text": ["color", …], … }, phrases: { Find: "Suchen", … } }
const complete = (words) => (context) => {
  const field = context.matchBefore(/\{\{-?\s*[\w.]*$/);
  if (field) {
    const typed = /[\w.]*$/.exec(field.text)[0];
    return { from: context.pos - typed.length, options: words.fields.map((label) => ({ label, type: "variable" })) };
  }
  const element = context.matchBefore(/<[\w-]*$/);
  if (element) {
    return { from: element.from + 1, options: Object.keys(words.elements).map((label) => ({ label, type: "type" })) };
  }
  const inside = context.matchBefore(/<[\w-]+\s[^<>]*$/);
  const known = inside && words.elements[/^<([\w-]+)/.exec(inside.text)[1]];
  const name = /[\s"']([\w-]*)$/.exec(inside ? inside.text : "");
  const quotes = inside ? (inside.text.match(/["']/g) || []).length : 0;
  if (!known || !name || quotes % 2) return null;
  return { from: context.pos - name[1].length, options: known.map((label) => ({ label, type: "property", apply: `${label}=""` })) };
};

// Stand in for a textarea; it keeps holding the text, so that the form and all else go on as before.
window.LetterpaceCode = (area, { nonce, label, describedBy, words, readOnly }) => {
  const view = new EditorView({
    state: EditorState.create({
      doc: area.value,
      extensions: [
        EditorView.cspNonce.of(nonce), EditorState.phrases.of(words.phrases || {}),
        lineNumbers(), foldGutter(), highlightActiveLineGutter(), highlightActiveLine(), history(), drawSelection(),
        bracketMatching(), closeBrackets(), highlightSelectionMatches(), search({ top: true }), lintGutter(),
        indentUnit.of("  "), markup, syntaxHighlighting(colours), highlightFields, look,
        autocompletion({ override: [complete(words)] }),
        EditorView.contentAttributes.of({ "aria-label": label, "aria-describedby": describedBy, "aria-multiline": "true" }),
        EditorState.readOnly.of(readOnly), EditorView.editable.of(!readOnly), EditorView.lineWrapping,
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...lintKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap,
          ...defaultKeymap, indentWithTab]),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          area.value = update.state.doc.toString();
          area.dispatchEvent(new Event("input", { bubbles: true }));
        }),
      ],
    }),
  });
  area.after(view.dom);
  area.hidden = true;
  const at = (line) => view.state.doc.line(Math.max(1, Math.min(line, view.state.doc.lines)));
  return {
    select: (from, to) => { view.dispatch({ selection: { anchor: from, head: to }, scrollIntoView: true }); view.focus(); },
    insert: (text) => { view.dispatch(view.state.replaceSelection(text), { scrollIntoView: true }); view.focus(); },
    toLine: (number) => {
      const line = at(number);
      view.dispatch({ selection: { anchor: line.from, head: line.to }, effects: EditorView.scrollIntoView(line.from, { y: "center" }) });
      view.focus();
    },
    set: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
    // problems: [{ line, message, blocks }]
    show: (problems) => view.dispatch(setDiagnostics(view.state, problems.map((one) => {
      const line = at(one.line);
      return { from: line.from, to: line.to, severity: one.blocks ? "error" : "warning", message: one.message };
    }))),
  };
};
