# Licensed under Apache-2.0.
from .deeplab_resnet import DeepLabResNet
from .mask_token_vit import MaskTokenViT
from .mit import WSSSMiT
from .vit import WSSSViT
from .wide_resnet38 import WideResNet38

__all__ = ['DeepLabResNet', 'MaskTokenViT', 'WSSSMiT', 'WSSSViT', 'WideResNet38']
