"""What the network costs, measured. `python -m tests.benchmarks --help` tells how."""
