"""The lower bound: the same URLs, as many threads, JSON decoded, and nothing else.

python -m benchmarks.contenders.bare_loop URLS KEY THREADS
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator


def fetch(urls: Iterator[str], lock: threading.Lock, key: str) -> None:
    """Get one URL after another until none is left."""
    session = requests.Session()
    session.headers["X-CT-Authorization"] = f"CTApiKey {key}"
    while True:
        with lock:  # all threads share the iterator
            url = next(urls, None)
        if url is None:
            return
        session.get(url).json()


def main(path: str, key: str, threads: str) -> None:
    """Get every URL of a file, in several threads."""
    urls = iter(Path(path).read_text(encoding="utf-8").splitlines())
    lock = threading.Lock()
    workers = [threading.Thread(target=fetch, args=(urls, lock, key)) for _ in range(int(threads))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
