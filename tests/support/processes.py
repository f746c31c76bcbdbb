"""Servers that tests start as processes of their own."""

from __future__ import annotations

import socket
import subprocess

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port of the loopback address on which nothing listens."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    return port


def stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Ask a process to end, and kill it if it has not done so after ten seconds."""
    process.terminate()
    end(process)


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Wait for the end of a process that was asked for it; kill it after ten seconds."""
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
