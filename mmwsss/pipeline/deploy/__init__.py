# Licensed under Apache-2.0.
"""Networks as files that run without mmwsss: ONNX and torch.export."""
