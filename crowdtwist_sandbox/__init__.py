"""A fake CrowdTwist over real HTTP, for developing and testing pipelines against.

from crowdtwist_sandbox import Sandbox, SandboxOptions

with Sandbox(SandboxOptions(members=50, seed=3)) as sandbox:
    ...  # sandbox.api_url, sandbox.pos_url, sandbox.api_key
"""

from crowdtwist_sandbox.options import SandboxOptions
from crowdtwist_sandbox.server import Sandbox

__all__ = ["Sandbox", "SandboxOptions"]
