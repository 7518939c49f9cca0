"""Runs onnxruntime-web in a headless Chromium, on a page that a server of this process gives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TYPES = {".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm"}
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # Chromium does not run as root with it
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    # WebGPU without a graphics card: on SwiftShader, which is a part of Chromium.
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
)


class Page(ThreadingHTTPServer):
    """Serves the page, onnxruntime-web, an artifact and its cases, and keeps what is answered."""

    daemon_threads = True

    def __init__(self, package: Path, files: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.package, self.files_by_route = package, files
        self.state: dict[str, Any] = {}
        self.done = threading.Event()

    def file(self, route: str) -> Path | None:
        """Return the file at an address, None where there is none."""
        if route in self.files_by_route:
            return self.files_by_route[route]
        folder, _, name = route.strip("/").partition("/")
        path = {"page": HERE, "ort": self.package / "dist"}.get(folder, HERE) / Path(name).name
        return path if path.is_file() else None


class _Handler(BaseHTTPRequestHandler):
    server: Page

    def do_GET(self) -> None:
        path = self.server.file(self.path.partition("?")[0])
        if path is None:
            self.send_error(404)
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", TYPES.get(path.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        state = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.state = state
        self.send_response(204)
        self.end_headers()
        if state.get("done"):
            self.server.done.set()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing of requests."""


@contextmanager
def chromium(address: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a headless Chromium on an address, and end it with all its processes."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise FileNotFoundError("There is no chromium here: apt-get install chromium")
    # Chromium may still write to its profile while it ends.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", address]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(
    package: Path, provider: str, artifact: Path, cases: Path, limit: float
) -> dict[str, Any] | None:
    """Return the state in which the page ended, None where it did not within `limit` seconds."""
    files = {"/artifact": artifact, "/cases": cases}
    return visited(package, files, f"/page/browser_page.html?provider={provider}", limit)


def visited(
    package: Path, files: dict[str, Path], route: str, limit: float
) -> dict[str, Any] | None:
    """Open a page in Chromium, and return what it posts to /answers with `done` in it.

    package: the folder of onnxruntime-web, which is served under /ort; files: by their routes.
    """
    page = Page(package, files)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    try:
        with chromium(f"http://127.0.0.1:{page.server_address[1]}{route}"):
            return page.state if page.done.wait(limit) else None
    finally:
        page.shutdown()
        page.server_close()
