# Licensed under Apache-2.0.
from .mask_token_vit import MaskTokenViT
from .mit import WSSSMiT
from .resnet import WSSSResNet
from .vit import WSSSViT

__all__ = ['MaskTokenViT', 'WSSSMiT', 'WSSSResNet', 'WSSSViT']
