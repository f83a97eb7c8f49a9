"""A headless Chromium, driven by Selenium, where the machine has one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

_PATIENCE = 60
"""Seconds for a page on a busy machine; nothing waits longer than it has to."""
_NOT_YET = (NoSuchElementException, StaleElementReferenceException, ElementNotInteractableException)
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root may not have one
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--window-size=2000,1400",
)


@contextmanager
def started(profile: Path) -> Iterator[Browser]:
    """A browser with an empty profile; skips the test where there is none."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium with its driver here; on Debian: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()


class Browser:
    """Pages as their reader sees them: everything waits until it is there."""

    def __init__(self, chrome: webdriver.Chrome):
        self.chrome = chrome

    def open(self, address: str) -> None:
        self.chrome.get("about:blank")  # an address that differs behind its # alone is not loaded anew
        self.chrome.get(address)

    def until(self, condition: Callable[[], Any]) -> Any:
        """What ``condition`` gives once it is true."""
        wait = WebDriverWait(self.chrome, _PATIENCE, poll_frequency=0.1, ignored_exceptions=_NOT_YET)
        return wait.until(lambda _: condition())

    def find(self, selector: str) -> WebElement:
        """The first element of a CSS selector, once there is one."""
        return self.until(lambda: self.chrome.find_element(By.CSS_SELECTOR, selector))

    def found(self, selector: str) -> list[WebElement]:
        """The elements of a CSS selector that are there now."""
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def click(self, selector: str, text: str | None = None) -> None:
        """Click the first element of a selector, with this text if it is given, as soon as it can be clicked."""

        def clicked() -> bool:
            element = next(e for e in [*self.found(selector), None] if e is None or text in (None, e.text.strip()))
            if element is not None:
                element.click()
            return element is not None

        self.until(clicked)

    def run(self, script: str, *arguments: object) -> Any:
        return self.chrome.execute_script(script, *arguments)
