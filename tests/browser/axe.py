"""axe-core on a page as it stands: what breaks WCAG 2.2 AA, and how many texts it measured the contrast of."""

from dataclasses import dataclass
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
# What may differ between light and dark.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
RUN = """async (options) => {
    const found = await axe.run(document, { ...options, iframes: false, selectors: false, preload: false });
    const contrast = found.passes.concat(found.violations).filter((rule) => rule.id === "color-contrast");
    return {
        measured: contrast.reduce((sum, rule) => sum + rule.nodes.length, 0),
        violations: found.violations.map((rule) =>
            `${rule.id}: ${rule.help}\\n` + rule.nodes.slice(0, 5).map((node) =>
                `      ${node.html.slice(0, 200)}\\n        ${node.failureSummary.replace(/\\s+/g, " ")}`).join("\\n")),
    };
}"""


@dataclass(frozen=True)
class Verdict:
    measured: int
    violations: list[str]


def bring(page: Page) -> None:
    """By the debugger's door: the policy of the site lets no script in."""
    page.evaluate(AXE_SCRIPT)


def shapes(page: Page) -> Verdict:
    """Everything but colours. Frames hold letters, which are somebody else's pages."""
    off = {rule: {"enabled": False} for rule in OF_COLOURS}
    return _run(page, {"runOnly": {"type": "tag", "values": TAGS}, "rules": off, "resultTypes": ["violations"]})


def colours(page: Page) -> Verdict:
    return _run(page, {"runOnly": {"type": "rule", "values": OF_COLOURS}, "resultTypes": ["violations", "passes"]})


def _run(page: Page, options: dict[str, Any]) -> Verdict:
    return Verdict(**page.evaluate(RUN, options))
