# Licensed under Apache-2.0.
from .vit import WSSSViT

__all__ = ['WSSSViT']
