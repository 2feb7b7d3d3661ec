# Licensed under Apache-2.0.
"""What the command lines share: arguments, launching, options of inference."""
