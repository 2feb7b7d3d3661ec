# Licensed under Apache-2.0.
"""What a trained network suggests: what to annotate next, and which thresholds."""
