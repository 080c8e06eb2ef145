"""Makes a component of a module in which functions are named like hooks."""

import ast
import shutil
import subprocess
import sys
import tempfile
from difflib import get_close_matches
from pathlib import Path

from .contract.hooks import HOOKS, VERSION

HERE = Path(__file__).parent
# What the package offers, and where the server has it; everything else is in `types`.
INTERFACES = {name: name for name in ("config", "kv", "log", "secrets")}
RUNTIME = ("__init__.py", "entry.py", "logging.py", "verdicts.py")


class BuildError(Exception):
    pass


def build(source: Path, output: Path) -> tuple[list[str], list[str]]:
    hooks = hooks_in(source)
    imports = imports_of(source.parent)
    with tempfile.TemporaryDirectory(prefix="tidegate-hook-") as name:
        directory = Path(name)
        write_world(directory / "wit", hooks, imports)
        write_entry(directory / "path", source.stem, hooks)
        command = [
            *(sys.executable, "-c", "import sys, componentize_py; sys.exit(componentize_py.script())", "--quiet"),
            *("--wit-path", directory / "wit", "--world", "hook"),
            *("componentize", "tidegate_hook_component", "--output", output.absolute()),
            *("--python-path", directory / "path", "--python-path", source.parent.absolute()),
        ]
        if subprocess.run(command).returncode != 0:
            raise BuildError("componentize-py failed")
    return hooks, imports


def hooks_in(source: Path) -> list[str]:
    body = ast.parse(source.read_text(), source).body
    names = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    names += [alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names]
    for name in names:
        if name not in HOOKS and (close := get_close_matches(name, HOOKS, n=1, cutoff=0.8)):
            raise BuildError(f"{source}: {name} is no hook, but {close[0]} is")
    hooks = [name for name in names if name in HOOKS]
    if not hooks:
        raise BuildError(f"{source} has no function that is named like a hook; hooks are {', '.join(HOOKS)}")
    return hooks


def imports_of(directory: Path) -> list[str]:
    """The interfaces that the project uses: what it takes from this package says so."""
    used = {"types"}
    for path in directory.rglob("*.py"):
        if path.name.startswith("test_") or "site-packages" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(), path)):
            if isinstance(node, ast.ImportFrom) and node.module == "tidegate_hook":
                used.update(INTERFACES[alias.name] for alias in node.names if alias.name in INTERFACES)
            elif isinstance(node, ast.Import) and any(alias.name == "tidegate_hook" for alias in node.names):
                used.update(INTERFACES.values())
    return sorted(used)


def write_world(directory: Path, hooks: list[str], imports: list[str]) -> None:
    shutil.copytree(HERE / "wit", directory / "deps" / "tidegate-hooks", ignore=shutil.ignore_patterns("released"))
    lines = [f"import tidegate:hooks/{name}@{VERSION};" for name in imports]
    lines += [f"export tidegate:hooks/{HOOKS[name].interface}@{VERSION};" for name in hooks]
    world = "\n".join(f"  {line}" for line in lines)
    (directory / "world.wit").write_text(f"package local:hook;\nworld hook {{\n{world}\n}}\n")


def write_entry(directory: Path, module: str, hooks: list[str]) -> None:
    """The module that the component starts with, and the part of this package that is needed at run time."""
    package = directory / "tidegate_hook"
    (package / "contract").mkdir(parents=True)
    for name in RUNTIME:
        shutil.copy(HERE / name, package / name)
    for name in ("__init__.py", "hooks.py"):
        shutil.copy(HERE / "contract" / name, package / "contract" / name)
    lines = [f"import {module}", "from tidegate_hook.entry import guard"]
    for name in hooks:
        class_name = "".join(word.capitalize() for word in name.split("_"))
        lines.append(f'{class_name} = guard("{name}", {module}.{name})')
    (directory / "tidegate_hook_component.py").write_text("\n".join(lines) + "\n")
