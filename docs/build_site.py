"""Build the documentation site into build/site: `make docs`.

The pages are copied into build/pages as they stand in the repository, so that a link is the same in both. A warning
ends the build, and so does a link or a heading that the built pages do not have.
"""

import html
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
PAGES, SITE = ROOT / "build" / "pages", ROOT / "build" / "site"
COPIED = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "docs", "examples"]

BAR = r"\|"
CODE_WITH_BARS = re.compile(r"`([^`\n]*\\\|[^`\n]*)`")


class Page(HTMLParser):
    """The links of a page, and the names in it that a link can lead to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {""}
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [link for name in ("href", "src") if (link := values.get(name))]
        self.anchors |= {name for name in (values.get("id"), values.get("name")) if name}


def copy_pages() -> None:
    for folder in (PAGES, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("build_site.py", "__pycache__")
            shutil.copytree(ROOT / name, PAGES / name, ignore=ignored)
        else:
            PAGES.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, PAGES / name)


def escape_bars() -> None:
    """`a\\|b` in a table is code with a bar on a code host; Python-Markdown would show the backslash."""
    for page in PAGES.rglob("*.md"):
        lines = page.read_text().splitlines(keepends=True)
        rows = [CODE_WITH_BARS.sub(html_code, line) if line.startswith("|") else line for line in lines]
        page.write_text("".join(rows))


def html_code(code: re.Match[str]) -> str:
    return f"<code>{html.escape(code[1].replace(BAR, '|'), quote=False).replace('|', '&#124;')}</code>"


def build() -> None:
    """Raises SystemExit on a warning; those of docstrings are only printed by the tool, whatever `--strict` says."""
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", "mkdocs.yml"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout, end="")
    if done.returncode or re.search(r"^griffe: ", done.stdout, re.MULTILINE):
        sys.exit("The documentation has warnings.")


def broken_links() -> list[str]:
    """Links of the built pages that lead nowhere; none that leaves the site is followed."""
    pages = {path: Page(path) for path in sorted(SITE.rglob("*.html")) if path.name != "404.html"}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            known = pages[target].anchors if target in pages else {unquote(parts.fragment)}
            if not target.is_file() or unquote(parts.fragment) not in known:
                broken.append(f"{path.relative_to(SITE)}: {link}")
    return broken


if __name__ == "__main__":
    copy_pages()
    escape_bars()
    build()
    if broken := broken_links():
        sys.exit("\n".join(["Links that lead nowhere:", *broken]))
    print(f"{SITE.relative_to(ROOT)}/index.html")
