"""What the code editor says by itself, in the language of whoever writes: CodeMirror's phrases by their English words.

Those of the packages of `config/codemirror/package.json`; what is missing here is said in English.
"""

from django.utils.translation import pgettext


def phrases() -> dict[str, str]:
    """Each of CodeMirror's phrases, translated. `$` is where it puts a number."""
    return {
        # Search
        "Find": pgettext("code editor", "Find"),
        "Replace": pgettext("code editor", "Replace"),
        "next": pgettext("code editor", "next"),
        "previous": pgettext("code editor", "previous"),
        "all": pgettext("code editor", "all"),
        "match case": pgettext("code editor", "match case"),
        "regexp": pgettext("code editor", "regexp"),
        "by word": pgettext("code editor", "by word"),
        "replace": pgettext("code editor", "replace"),
        "replace all": pgettext("code editor", "replace all"),
        "close": pgettext("code editor", "close"),
        "current match": pgettext("code editor", "current match"),
        "on line": pgettext("code editor", "on line"),
        "replaced match on line $": pgettext("code editor", "replaced match on line $"),
        "replaced $ matches": pgettext("code editor", "replaced $ matches"),
        "Go to line": pgettext("code editor", "Go to line"),
        "go": pgettext("code editor", "go"),
        # Folding
        "Fold line": pgettext("code editor", "Fold line"),
        "Unfold line": pgettext("code editor", "Unfold line"),
        "Folded lines": pgettext("code editor", "Folded lines"),
        "Unfolded lines": pgettext("code editor", "Unfolded lines"),
        "folded code": pgettext("code editor", "folded code"),
        "unfold": pgettext("code editor", "unfold"),
        "to": pgettext("code editor", "to"),
        # Problems, completion, selection
        "Diagnostics": pgettext("code editor", "Diagnostics"),
        "No diagnostics": pgettext("code editor", "No diagnostics"),
        "Completions": pgettext("code editor", "Completions"),
        "Selection deleted": pgettext("code editor", "Selection deleted"),
        "Control character": pgettext("code editor", "Control character"),
    }
