"""A fake CrowdTwist over real HTTP, for developing and testing pipelines against.

from crowdtwist_sandbox import Sandbox, SandboxOptions

with Sandbox(SandboxOptions(members=50, seed=3)) as sandbox:
    ...  # sandbox.api_url, sandbox.pos_url, sandbox.api_key
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crowdtwist_sandbox.options import SandboxOptions
    from crowdtwist_sandbox.server import Sandbox

_ROOMS = {"Sandbox": "server", "SandboxOptions": "options"}

__all__ = ["Sandbox", "SandboxOptions"]


def __getattr__(name: str) -> Any:
    """Load what is asked for only then, so that the command can say what is not installed."""
    if name in _ROOMS:
        return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
