from ..contract.imports.conversations import *  # noqa: F403
