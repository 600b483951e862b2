"""`python stubs.py GENERATED KEPT`: compares the stub that maturin generated with the one that is kept, or writes it."""

import difflib
import os
import re
import sys
from pathlib import Path


def stub(text: str) -> str:
    """Annotations that Rust gives as text become types, and what they name is imported."""
    text = re.sub(r'(: |-> )"([^"\n]+)"', r"\1\2", text)
    return text.replace("\nfrom typing", "\nimport numpy\nimport typing\nfrom typing", 1)


def main() -> None:
    (found,) = Path(sys.argv[1]).rglob("*.pyi")
    kept, wanted = Path(sys.argv[2]), stub(found.read_text())
    if os.environ.get("HSIC_WRITE_STUBS"):
        kept.write_text(wanted)
    before = kept.read_text() if kept.exists() else ""
    if before != wanted:
        sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), wanted.splitlines(True), str(kept), "signatures"))
        sys.exit(f"{kept} is not what the signatures in Rust say: HSIC_WRITE_STUBS=1 bash test.sh writes it")


if __name__ == "__main__":
    main()
