"""The plain-text part, made from the letter's Markdown (not from its HTML): links, lists and tables stay readable."""

from collections.abc import Iterable, Sequence

from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode


def text_of(tokens: Sequence[Token]) -> str:
    """The letter as plain text with placeholders; paragraphs stand apart by one empty line, lines are not wrapped."""
    return _blocks(SyntaxTreeNode(tokens).children)


def _blocks(nodes: Iterable[SyntaxTreeNode]) -> str:
    # A lone tag adds no empty line: where its block is left out, no gap remains.
    return "".join(node.content if node.type == "html_block" else f"{_block(node)}\n\n" for node in nodes)


def _block(node: SyntaxTreeNode) -> str:
    match node.type:
        case "heading":
            return _heading(node)
        case "paragraph":
            return _paragraph(node)
        case "bullet_list" | "ordered_list":
            return _list(node)
        case "blockquote":
            return _prefixed(_blocks(node.children).rstrip("\n"), "> ", "> ")
        case "table":
            return "\n".join(_row(row) for part in node.children for row in part.children)
        case "hr":
            return "-" * 40
        case "fence" | "code_block":
            return _prefixed(node.content.rstrip("\n"), "    ", "    ")
        case _:
            return _inline(node.children).strip() if node.children else node.content


def _heading(node: SyntaxTreeNode) -> str:
    title = _inline(node.children).strip()
    return f"{title}\n{'=' * 40}" if node.tag == "h1" else f"{title}\n{'-' * 40}" if node.tag == "h2" else title


def _paragraph(node: SyntaxTreeNode) -> str:
    if node.attrs.get("class") == "button":
        link = node.children[0].children[0]
        return f"{_inline(link.children).strip()}:\n{link.attrs['href']}"
    return _inline(node.children).strip()


def _list(node: SyntaxTreeNode) -> str:
    first = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else 0
    items = []
    for number, item in enumerate(node.children, first):
        bullet = f"{number}. " if node.type == "ordered_list" else "- "
        items.append(_prefixed(_blocks(item.children).rstrip("\n"), bullet, " " * len(bullet)))
    return "\n".join(items)


def _prefixed(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join(
        [
            first + lines[0],
            *((rest + line).rstrip() if line else rest.rstrip() for line in lines[1:]),
        ]
    )


def _row(row: SyntaxTreeNode) -> str:
    return " | ".join(_inline(cell.children).strip() for cell in row.children)


def _inline(nodes: Iterable[SyntaxTreeNode]) -> str:
    return "".join(map(_span, nodes))


def _span(node: SyntaxTreeNode) -> str:
    match node.type:
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
        case "image":
            return f"[{node.content}]" if node.content.strip() else ""
        case "link":
            return _link(node)
        case _:
            return _inline(node.children) if node.children else node.content


def _link(node: SyntaxTreeNode) -> str:
    label, address = _inline(node.children).strip(), str(node.attrs.get("href", ""))
    written = str(node.meta.get("written", ""))
    bare = address.removeprefix("mailto:").removeprefix("tel:")
    if label in ("", bare, address, written) or f"{label}/" == written:
        return bare
    return f"{label} ({bare})"
