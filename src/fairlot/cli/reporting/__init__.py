"""A result on paper: in the terminal and as one HTML file, both from an `ExperimentResult` only."""
