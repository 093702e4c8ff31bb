"""The report in a real browser: nothing runs, nothing is fetched, nothing overflows, and its controls work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from neurogloss.leaderboard.leaderboard import leaderboard_of
from neurogloss.leaderboard.naming import entries_of
from neurogloss.leaderboard.page import render_leaderboard
from neurogloss.store.configs import SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore
from neurogloss.testing.runs import SampleRun, sample_run
from neurogloss.view.report import ReportData, render_report

INSTALL = "apt-get install -y chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
HOSTILE = (
    "<script>alert(1)</script>\"onmouseover=\"alert(2)' onfocus='alert(3)</style><img src=http://127.0.0.1:9/x "
    "onerror=alert(4)></title><svg onload=alert(5)>javascript:alert(6)<a href=javascript:alert(7)>\x00\x1b\u202e"
)
PHONE = 360


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        reason = f"Chromium is not installed; install it with: {INSTALL}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report of the sample run, plain, with hostile texts, and with harmless ones as long."""
    folder = tmp_path_factory.mktemp("reports")
    for name, extra in {"plain": "", "hostile": HOSTILE, "harmless": "z" * len(HOSTILE)}.items():
        run = sample_run(extra)
        data = ReportData(
            run.manifest, run.explanations, run.scores, run.records.__getitem__, run.ledger, notes=run.notes
        )
        (folder / f"{name}.html").write_text(render_report(data), encoding="utf-8")
        (folder / f"{name}-leaderboard.html").write_text(_leaderboard(run, folder / name), encoding="utf-8")
    return folder


def _leaderboard(run: SampleRun, root: Path) -> str:
    store = SqlResultStore(SqliteStoreConfig(str(root)))
    arms = sorted({row.cell.arm for row in run.explanations} - {"main"})
    manifest = replace(run.manifest, config={**run.manifest.config, "floor": {arm: {} for arm in arms}})
    store.begin_run(manifest)
    store.add_explanations(manifest.run_id, run.explanations)
    store.add_scores(manifest.run_id, run.scores)
    board = leaderboard_of(store, lambda *_: run.records.__getitem__, entries_of([manifest]), notes=run.notes)
    store.close()
    return render_leaderboard(board)


class Visit:
    """A page and everything that it did."""

    def __init__(self, browser: Browser, path: Path, width: int = 1280, *, scripts: bool = True) -> None:
        context = browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=scripts)
        self.page: Page = context.new_page()
        self.events: list[str] = []
        self.page.on("dialog", self._dismiss)
        self.page.on("console", lambda message: self.events.append(f"console {message.text}"))
        self.page.on("pageerror", lambda error: self.events.append(f"error {error}"))
        self.page.on("request", lambda request: self.events.append(f"request {request.url}"))
        self.page.goto(path.as_uri())
        assert self.events.pop(0) == f"request {path.as_uri()}"

    def _dismiss(self, dialog: Dialog) -> None:
        self.events.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def count(self, selector: str) -> int:
        return self.page.locator(selector).count()


def open_everything(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


@pytest.mark.parametrize("name", ["plain-leaderboard", "hostile-leaderboard"])
def test_the_leaderboard_runs_nothing_fetches_nothing_and_fits_a_phone(
    browser: Browser, reports: Path, name: str
) -> None:
    visit = Visit(browser, reports / f"{name}.html", PHONE)
    open_everything(visit.page)
    visit.page.locator("h1").hover()
    assert visit.events == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= PHONE
    assert visit.count(".board tbody tr") >= 3
    assert visit.count(".mean-dot") > visit.count(".board tbody tr")


@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_nothing_runs_and_nothing_is_fetched(browser: Browser, reports: Path, name: str) -> None:
    visit = Visit(browser, reports / f"{name}.html")
    open_everything(visit.page)
    visit.page.mouse.move(400, 400)
    visit.page.locator(".seq [title]").nth(3).click()
    visit.page.locator("h1").hover()
    assert visit.events == []


@pytest.mark.parametrize("page", ["", "-leaderboard"])
def test_hostile_texts_make_no_elements(browser: Browser, reports: Path, page: str) -> None:
    hostile, harmless = (Visit(browser, reports / f"{name}{page}.html") for name in ("hostile", "harmless"))
    names = "[...document.querySelectorAll('*')].map(e => e.localName + ' ' + e.getAttributeNames())"
    assert hostile.page.evaluate(names) == harmless.page.evaluate(names)


@pytest.mark.parametrize("name", ["plain", "hostile", "harmless"])
def test_nothing_overflows_on_a_phone(browser: Browser, reports: Path, name: str) -> None:
    page = Visit(browser, reports / f"{name}.html", PHONE).page
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    open_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE


def test_simulated_stands_exactly_above_real(browser: Browser, reports: Path) -> None:
    page = Visit(browser, reports / "plain.html", PHONE).page
    boxes = page.evaluate(
        """[...document.querySelectorAll('.pair > [title]')].filter(e => e.offsetParent).map(e => {
             const [up, down] = [...e.children].map(c => c.getBoundingClientRect());
             return [up.left - down.left, up.width - down.width, down.top - up.bottom];
           })"""
    )
    assert len(boxes) > 200
    for left, width, gap in boxes:
        assert (left, width) == (0, 0)
        assert abs(gap) < 1


def test_the_index_filters_index_and_cards(browser: Browser, reports: Path) -> None:
    visit = Visit(browser, reports / "plain.html")
    visit.page.fill("input[type=search]", "BAKING")
    assert visit.page.locator(".units tbody tr:visible").all_inner_texts() == [
        "layers.9.mlp/410\tbaking bread or cakes\t0.59\tscored"
    ]
    assert visit.count(".card:visible") == 1
    visit.page.fill("input[type=search]", "")
    visit.page.select_option("select", "dead")
    assert visit.count(".units tbody tr:visible") == visit.count(".card:visible") == 1


def test_the_index_sorts_with_absences_last(browser: Browser, reports: Path) -> None:
    page = Visit(browser, reports / "plain.html").page
    score = page.locator(".units thead button", has_text="simulation")
    cells = page.locator(".units tbody td.num")
    for reverse in (True, False):
        score.click()
        shown = cells.all_inner_texts()
        numbers = [float(text) for text in shown[:7]]
        assert numbers == sorted(numbers, reverse=reverse)
        assert set(shown[7:]) == {"–"}
    page.locator(".units thead button", has_text="unit").click()
    names = page.locator(".units tbody a").all_inner_texts()
    assert names.index("layers.9.mlp/410") < names.index("layers.14.mlp/77")


def test_values_can_be_read_by_tap_and_by_keyboard(browser: Browser, reports: Path) -> None:
    page = Visit(browser, reports / "plain.html").page
    readout = page.locator("#readout")
    assert readout.is_hidden()
    row = page.locator(".pair").first
    row.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    titles = row.locator("[title]").evaluate_all("pieces => pieces.map(piece => piece.title)")
    assert titles[2] in readout.inner_text()
    row.locator("[title]").nth(5).click()
    assert titles[5] in readout.inner_text()
    page.keyboard.press("Escape")
    assert readout.is_hidden()


def test_links_lead_to_cards(browser: Browser, reports: Path) -> None:
    page = Visit(browser, reports / "hostile.html").page
    page.locator(".units a").nth(3).click()
    assert page.evaluate("document.querySelector(':target')?.className") == "card"


def test_without_scripts_everything_is_there_but_the_controls(browser: Browser, reports: Path) -> None:
    visit = Visit(browser, reports / "plain.html", scripts=False)
    assert visit.page.locator(".tools").is_hidden()
    assert visit.count(".card:visible") == 11
    assert visit.count(".units tbody tr:visible") == 11
