"""Rebuild conformance/index.json; with --freeze also the checksums of hashing/."""

import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "conformance"


def index_text(root: Path) -> str:
    """One line a file, in the order of the paths."""
    lines, total = [], 0
    for path in sorted(root.glob("*/*__*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        cases = len(document["cases"])
        total += cases
        entry = {"path": path.relative_to(root).as_posix(), "kind": document["kind"]}
        lines.append("    " + json.dumps({**entry, "cases": cases}))
    return '{\n  "files": [\n' + ",\n".join(lines) + f'\n  ],\n  "total": {total}\n}}\n'


def frozen_text(root: Path) -> str:
    """Lines as `sha256sum` writes them; check with `sha256sum -c frozen.sha256`."""
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root).as_posix()}\n"
        for path in sorted(root.glob("hashing/*.json"))
    )


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--freeze"]):
        print("usage: make_conformance_index.py [--freeze]")
        return 2
    (ROOT / "index.json").write_text(index_text(ROOT), encoding="utf-8")
    if arguments:
        (ROOT / "frozen.sha256").write_text(frozen_text(ROOT), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
