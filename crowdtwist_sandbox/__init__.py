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

_MODULES = {"Sandbox": "server", "SandboxOptions": "options"}

__all__ = ["Sandbox", "SandboxOptions"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that the command can report a missing extra."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
