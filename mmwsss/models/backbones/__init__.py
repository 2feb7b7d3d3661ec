# Licensed under Apache-2.0.
from .class_token_vit import ClassTokenViT
from .deeplab_resnet import DeepLabResNet
from .mask_token_vit import MaskTokenViT
from .mit import WSSSMiT
from .resnet import WSSSResNet
from .vit import WSSSViT
from .wide_resnet38 import WideResNet38

__all__ = [
    'ClassTokenViT',
    'DeepLabResNet',
    'MaskTokenViT',
    'WSSSMiT',
    'WSSSResNet',
    'WSSSViT',
    'WideResNet38',
]
