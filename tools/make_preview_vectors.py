"""Write conformance/preview/ anew: the same bytes every time.

Shares no code with src/fairlot. The expectations are written from RULES P, not from an answer.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from preview_cases.claims import claim_cases, scope_cases, time_cases
from preview_cases.forged import key_cases, signature_cases
from preview_cases.form import accepted_cases, form_cases, header_cases
from preview_cases.links import link_cases
from preview_cases.tokens import SURROUNDINGS, Case

FOLDER = Path(__file__).resolve().parent.parent / "conformance" / "preview"


FILES: dict[str, tuple[str, str, Callable[[], list[Case]]]] = {
    "link__query__first_of_each": ("preview_link", "P1", link_cases),
    "token__well_made__claims": ("preview_token", "P2", accepted_cases),
    "token__form__too_large_or_malformed": ("preview_token", "P2: rows 1 and 2", form_cases),
    "token__header__refused_by_its_member": ("preview_token", "P2: rows 2 to 6", header_cases),
    "token__key__usable_or_unknown": ("preview_token", "P2: rows 6 and 7", key_cases),
    "token__forged__bad_signature": ("preview_token", "P2: row 7", signature_cases),
    "token__claims__malformed": ("preview_token", "P2: row 8", claim_cases),
    "token__another_place__wrong_or_revoked": (
        "preview_token",
        "P2: rows 9 to 11 and 15",
        scope_cases,
    ),
    "token__clock__sixty_seconds_of_skew": (
        "preview_token",
        "P2: rows 12 to 14; RFC 7519 4.1.4",
        time_cases,
    ),
}


def file_text(kind: str, source: str, cases: list[Case]) -> str:
    """As the other vectors are written: a case a line."""
    head = [f'  "kind": {json.dumps(kind)}', f'  "source": {json.dumps(source)}']
    if kind == "preview_token":
        head.append(f'  "shared": {json.dumps(SURROUNDINGS)}')
    lines = ",\n".join("    " + json.dumps(case) for case in cases)
    return "{\n" + ",\n".join(head) + f',\n  "cases": [\n{lines}\n  ]\n}}\n'


def preview_files() -> dict[str, str]:
    return {
        f"{name}.json": file_text(kind, source, cases())
        for name, (kind, source, cases) in FILES.items()
    }


def main() -> int:
    for name, text in preview_files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
