# Licensed under Apache-2.0.
from .mit import WSSSMiT
from .vit import WSSSViT

__all__ = ['WSSSMiT', 'WSSSViT']
