# Licensed under Apache-2.0.
from .hsv_shift import HSVShift
from .load_fused_maps import LoadFusedMaps
from .load_mask import LoadMask
from .load_rgb_image import LoadRGBImage
from .load_saliency import LoadSaliency
from .multi_view import MultiView
from .pack_weak_inputs import PackWeakInputs
from .pil_color_jitter import PILColorJitter
from .pil_multi_scale import PILMultiScale
from .pil_pad_crop import PILPadCrop
from .pil_random_blur import PILRandomBlur
from .pil_random_flip import PILRandomFlip
from .pil_random_grey import PILRandomGrey
from .pil_random_resized_crop import PILRandomResizedCrop
from .pil_random_scale import PILRandomScale
from .pil_random_solarise import PILRandomSolarise
from .pil_resize_long_side import PILResizeLongSide
from .toco_views import ToCoViews

__all__ = [
    'HSVShift',
    'LoadFusedMaps',
    'LoadMask',
    'LoadRGBImage',
    'LoadSaliency',
    'MultiView',
    'PILColorJitter',
    'PILMultiScale',
    'PILPadCrop',
    'PILRandomBlur',
    'PILRandomFlip',
    'PILRandomGrey',
    'PILRandomResizedCrop',
    'PILRandomScale',
    'PILRandomSolarise',
    'PILResizeLongSide',
    'PackWeakInputs',
    'ToCoViews',
]
