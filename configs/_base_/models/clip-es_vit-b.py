# CLIP-ES with CLIP's ViT-B/16; the values are those of VOC. Nothing is trained: the
# checkpoint is that of tools/model_converters/clip.py. num_classes comes from the data
# set.
model = dict(
    type='CLIPES',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        # CLIP's own statistics, in grey levels
        mean=[122.7709383, 116.7460125, 104.09373615],
        std=[68.5005327, 66.6321579, 70.32316305],
        non_blocking=True,
    ),
    backbone=dict(
        type='CLIPViT',
        arch='base',
        img_size=224,
        patch_size=16,
        out_indices=(10,),
        attention_blocks=8,  # those that the affinity averages
    ),
    texts=dict(num_background=25),
    affinity=dict(threshold=0.4, last=8, rounds=3, squarings=1),
    test_cfg=dict(
        outputs=('cam',),
        cam_filter='gt',  # maps are of the classes that image labels name; the log says
        cam=dict(
            scales=(1.0,), mirror=False, pair='mean', normalise='ready', fuse_at='label'
        ),
    ),
)
# How masks are made of the maps: tools/generate_pseudo_labels.py, and the pipeline.
# `picture` and `unary` are the release's, to which its figures belong; those of the
# photograph: picture='plain', unary='prob'.
labeler = dict(
    type='ConfidentLabeler',
    conf_thr=0.95,
    refiner=dict(type='DenseCRF', preset='deeplab', picture='wrapped', unary='half'),
)
