# Licensed under Apache-2.0.
"""Photos in, predictions out: what the inferencer is made of."""
