"""Shows the built site to a headless Chromium that a page drives, and keeps what that page saw."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SITE = Path(__file__).parents[2] / "build" / "site"
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # Chromium does not run as root with it
    "--disable-dev-shm-usage",
    # WebGPU without a graphics card: on SwiftShader, which is a part of Chromium.
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--enable-logging=stderr",  # what pages write to the console
)


class Site(ThreadingHTTPServer):
    """Serves the site and the page that drives it, on the loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state: dict[str, Any] = {}
        self.missing: list[str] = []
        self.done = threading.Event()

    @property
    def address(self) -> str:
        """Where the site is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(SimpleHTTPRequestHandler):
    server: Site

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=str(SITE))

    def translate_path(self, path: str) -> str:
        name = path.partition("?")[0]
        inside = HERE / name.removeprefix("/driver/")
        return str(inside) if name.startswith("/driver/") else super().translate_path(path)

    def do_POST(self) -> None:
        self.server.state = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.done.set()

    def send_error(self, code: int, *arguments: Any) -> None:
        self.server.missing.append(f"{code} {self.path}")
        super().send_error(code, *arguments)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing of requests."""


def walked(
    folder: Path, width: int, seconds: float, page: str = "driver"
) -> tuple[dict[str, Any], str, list[str]]:
    """Return what the driving page saw, what Chromium logged, and what was asked for in vain.

    width: of the frame that shows the site, in pixels; a window of Chromium has at least 500.
    page: the name of the page that drives.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "There is no Chromium: apt-get install chromium"
    site = Site()
    threading.Thread(target=site.serve_forever, daemon=True).start()
    log = folder / "chromium.log"
    command = [chromium, *FLAGS, "--window-size=1400,900", f"--user-data-dir={folder / 'profile'}"]
    with log.open("w") as output:
        browser = subprocess.Popen(
            [*command, f"{site.address}/driver/{page}.html?width={width}"],
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            assert site.done.wait(seconds), log.read_text()[-3000:]
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()
            site.shutdown()
            site.server_close()
    return site.state, log.read_text(), site.missing
