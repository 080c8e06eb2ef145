"""tidegate-hook HOOK.py OUTPUT.wasm"""

import sys
from pathlib import Path

from .build import BuildError, build


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(f"usage: {__doc__}")
    output = Path(sys.argv[2])
    try:
        hooks, imports = build(Path(sys.argv[1]), output)
    except BuildError as error:
        sys.exit(f"tidegate-hook: {error}")
    size = output.stat().st_size / 1e6
    print(f"{output}: {size:.1f} MB, exports {', '.join(hooks)}, imports {', '.join(imports)}")


if __name__ == "__main__":
    main()
