"""Checks that a release's tag is `v` and the version that `keras_dropouts.__version__` states.

The version is read from the source, so that nothing needs to be installed.
"""

import ast
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "keras_dropouts" / "__init__.py"


def version() -> str:
    """Return the version that the source states."""
    for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    raise SystemExit(f"{SOURCE} does not set __version__.")


def main() -> None:
    """Compare the tag, the only argument, with the version; exit with status 1 if they differ."""
    if len(sys.argv) != 2:
        raise SystemExit("Expected one argument, the tag. Usage: tag_is_version.py TAG")
    if sys.argv[1] != f"v{version()}":
        raise SystemExit(
            f"The tag is {sys.argv[1]!r}, but keras_dropouts.__version__ is {version()!r}. "
            f"Expected the tag 'v{version()}'."
        )


if __name__ == "__main__":
    main()
