"""Headless Chromium, driven through its debugging pipe: open a page, ask it, press its keys, take its picture."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-quic", "--hide-scrollbars", "--remote-debugging-pipe", "--window-size=1280,900"),
)


class Browser:
    """One page of a running Chromium; `events` are the messages that it sent by itself."""

    def __init__(self, write: int, read: int):
        self.write, self.read, self.buffer, self.number, self.session, self.events = write, read, b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict:
        """Call a method of the DevTools protocol and return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next_message()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def next_message(self) -> dict:
        while b"\0" not in self.buffer:
            assert select.select([self.read], [], [], 60)[0], "Chromium does not answer"
            self.buffer += os.read(self.read, 1 << 20)
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def evaluate(self, expression: str) -> object:
        """The value of an expression in the page; promises are awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, page: Path, ready: str, seconds: float = 60) -> None:
        """Open a page and wait until an expression is true."""
        self.events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        end = time.monotonic() + seconds
        while not self.evaluate(ready):
            assert time.monotonic() < end, self.complaints() or f"{ready} is not true after {seconds} s"
            time.sleep(0.02)

    def complaints(self) -> list:
        """Exceptions and errors that the page logged since it was opened."""
        kinds = ("Runtime.exceptionThrown", "Log.entryAdded")
        return [event["params"] for event in self.events if event.get("method") in kinds]

    def requests(self) -> list[str]:
        """The addresses that the page asked for since it was opened, itself included."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def press(self, key: str) -> None:
        """Press a key where the focus is."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, text=key if len(key) == 1 and kind == "keyDown" else ""
            )

    def screenshot(self, picture: Path, whole: bool = False) -> Path:
        """Save the page as a PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        picture.write_bytes(base64.b64decode(data))
        return picture


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Start Chromium with an empty profile inside a folder; it is ended afterwards."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    pipes = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'  # Chromium reads from 3 and writes to 4
    command = ["bash", "-c", pipes, "chromium", PROGRAM, *OPTIONS, f"--user-data-dir={folder / 'profile'}"]
    process = subprocess.Popen(command, pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL)
    try:
        yield Browser(ours_out, ours_in)
    finally:
        process.terminate()
        process.wait(20)
        for pipe in (theirs_in, ours_out, ours_in, theirs_out):
            os.close(pipe)
