"""Build the documentation site into build/site: `make docs`.

Pages are copied into build/pages with the layout of the repository, so links are the same in both. A warning ends the
build, and so does a link to a page or heading that does not exist.
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
    """The links of a built page, and its anchors."""

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
    """Copy all pages into build/pages, and remove the site of an earlier build."""
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
    """Replace `a\\|b` in tables by HTML code: a code host shows a bar, Python-Markdown would show the backslash."""
    for page in PAGES.rglob("*.md"):
        lines = page.read_text().splitlines(keepends=True)
        rows = [CODE_WITH_BARS.sub(html_code, line) if line.startswith("|") else line for line in lines]
        page.write_text("".join(rows))


def html_code(code: re.Match[str]) -> str:
    return f"<code>{html.escape(code[1].replace(BAR, '|'), quote=False).replace('|', '&#124;')}</code>"


def build() -> None:
    """Build the site; raises SystemExit on a warning, also of a docstring, which `--strict` only prints."""
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", "mkdocs.yml"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout, end="")
    if done.returncode or re.search(r"^griffe: ", done.stdout, re.MULTILINE):
        sys.exit("The documentation has warnings.")


def broken_links() -> list[str]:
    """Links of the built pages to a missing file or anchor; links out of the site are not followed."""
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
