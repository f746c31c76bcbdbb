"""The report in a real browser: readable in light and dark, on a phone and on paper."""

from __future__ import annotations

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.browser import Browser
from support.marts import MadeUpMarts

from crowdtwist_report.page import render_page

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

WIDTHS = (1280, 768, 390)
SCHEMES = ("light", "dark")
CONTRAST = 4.5

# Color and background of each visible text, and the contrast between them. The background of a text
# in a chart is the last shape painted under it, else that of the page.
_CONTRASTS = """
(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const opaque = (color) => color.length === 3 || color[3] === 1;
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (opaque(color)) return color;
    }
    return [255, 255, 255];
  };
  const under = (text, svg) => {
    const box = text.getBoundingClientRect();
    const x = box.x + box.width / 2, y = box.y + box.height / 2;
    const shapes = [...svg.querySelectorAll("path, rect")].filter((shape) => {
      const area = shape.getBoundingClientRect();
      const style = getComputedStyle(shape);
      return style.fill !== "none" && style.fillOpacity === "1"
        && area.left <= x && x <= area.right && area.top <= y && y <= area.bottom;
    });
    return shapes.length ? parse(getComputedStyle(shapes.at(-1)).fill) : behind(svg);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const svg = element.closest("svg");
    const style = getComputedStyle(element);
    const color = parse(svg ? style.fill : style.color);
    const ground = svg ? under(element, svg) : behind(element);
    const [low, high] = [light(color), light(ground)].sort((a, b) => a - b);
    found.push([walker.currentNode.data.trim(), (high + 0.05) / (low + 0.05), !!svg]);
  }
  return found;
})()
"""
_TOO_WIDE = """
[...document.querySelectorAll("body *")]
  .filter((one) => !one.parentElement.closest(".table") && one.checkVisibility()
    && one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.outerHTML.slice(0, 80))
  .concat(document.documentElement.scrollWidth > innerWidth ? ["the page"] : [])
"""
_HEADINGS = """
[...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((one) => Number(one.tagName[1]))
"""
_CHARTS = """
[...document.querySelectorAll("figure svg.chart")].map((one) =>
  [one.classList.contains("wide"), one.checkVisibility(),
    Math.round(Math.min(...[...one.querySelectorAll("text")].map((text) =>
      parseFloat(getComputedStyle(text).fontSize) * one.getBoundingClientRect().width
        / one.viewBox.baseVal.width)))])
"""
_PAPER = """
({ground: getComputedStyle(document.body).backgroundColor,
  root: getComputedStyle(document.documentElement).backgroundColor,
  ink: getComputedStyle(document.body).color,
  breaks: [...document.querySelectorAll("figure:not(.tabular)")].map((one) =>
    getComputedStyle(one).breakInside)})
"""


class _Quiet(SimpleHTTPRequestHandler):
    """Serves the page and notes the paths that are asked for."""

    paths: list[str]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
        del format, args
        self.paths.append(self.path)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """The address of the page, and the paths that its server was asked for."""
    directory = tmp_path_factory.mktemp("site")
    page = render_page(MadeUpMarts().read(), "Harbor & Pine Rewards")
    (directory / "report.html").write_text(page, encoding="utf-8")
    paths: list[str] = []
    handler = type("Handler", (_Quiet,), {"paths": paths})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/report.html", paths
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(asked: tuple[str, list[str]]) -> Iterator[Browser]:
    with Browser() as browser:
        browser.look(1280)
        browser.open(asked[0])
        yield browser


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: REPORT_PICTURES keeps them."""
    directory = Path(os.environ.get("REPORT_PICTURES", tmp_path_factory.mktemp("pictures")))
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [1280, 390])
def test_every_text_has_enough_contrast(
    browser: Browser, pictures: Path, width: int, scheme: str
) -> None:
    browser.look(width, scheme=scheme)

    found: list[Any] = browser.evaluate(_CONTRASTS)
    browser.screenshot(pictures / f"report-{scheme}-{width}.png")

    assert sum(in_chart for _, _, in_chart in found) > 100
    assert len(found) > 400
    assert [text for text, contrast, _ in found if contrast < CONTRAST] == []
    assert (pictures / f"report-{scheme}-{width}.png").stat().st_size > 50_000


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_page(browser: Browser, width: int) -> None:
    browser.look(width)

    assert browser.evaluate(_TOO_WIDE) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_each_chart_is_shown_once_in_letters_that_can_be_read(browser: Browser, width: int) -> None:
    browser.look(width)

    charts = browser.evaluate(_CHARTS)

    assert {is_wide for is_wide, is_visible, _ in charts if is_visible} == {width > 576}
    assert min(size for _, is_visible, size in charts if is_visible) >= 11


def test_headings_are_in_order(browser: Browser) -> None:
    assert browser.evaluate(_HEADINGS) == [1, *[2] * 9]


def test_it_prints_in_dark_ink_on_white_with_whole_charts(browser: Browser, pictures: Path) -> None:
    browser.look(1280, scheme="dark", media="print")

    paper = browser.evaluate(_PAPER)
    browser.print(pictures / "report.pdf")

    assert paper["ground"] == paper["root"] == "rgba(0, 0, 0, 0)"
    assert paper["ink"] == "rgb(29, 28, 26)"
    assert paper["breaks"] == ["avoid"] * 6
    assert (pictures / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_browser_asks_for_nothing_else_and_has_nothing_to_say(
    browser: Browser, asked: tuple[str, list[str]]
) -> None:
    url, paths = asked

    assert browser.evaluate("document.fonts.size + document.scripts.length") == 0
    assert {request for request in browser.requests if not request.startswith("data:")} == {url}
    assert paths == ["/report.html"]
    assert browser.messages == []


def test_the_policy_forbids_scripts_and_styles_that_are_added(browser: Browser) -> None:
    browser.evaluate("document.body.insertAdjacentHTML('beforeend', '<p id=x style=top:0>x</p>')")

    assert browser.evaluate("document.getElementById('x').style.top") == ""
    assert any("Content Security Policy" in message for message in browser.messages)
