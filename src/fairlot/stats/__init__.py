"""From sufficient statistics to results: pure functions without clock, chance or I/O."""
