# Licensed under Apache-2.0.
"""FSR: progressive feature self-reinforcement (He et al., AAAI 2024)."""
