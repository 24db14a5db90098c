"""Run the four recipes, one after the other."""

import runpy
from pathlib import Path

RECIPES = ("bot_exclusion", "qa_forcing", "manual_exposure", "custom_storage")

for name in RECIPES:
    print(f"== {name}.py")
    runpy.run_path(str(Path(__file__).with_name(f"{name}.py")))
    print()
