"""`python -m bench [NAME …]`: run the named benches, or all of them, and print their figures."""

import importlib
import pkgutil
import sys

import bench


def main(names: list[str]) -> int:
    """Run these benches (all where none is named), one after the other, since they share the machine."""
    known = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if not module.name.startswith("_"))
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"There is no bench {', '.join(unknown)}. There are: {', '.join(known)}.", file=sys.stderr)
        return 2
    for name in names or known:
        print(f"{name}:", flush=True)
        for line in importlib.import_module(f"bench.{name}").run():
            print(f"  {line}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
