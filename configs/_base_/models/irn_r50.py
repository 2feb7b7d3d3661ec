# Edge network of the affinity stage: a frozen ResNet-50 and a head on its five stages.
# num_classes comes from the data set's config.
model = dict(
    type='AffinityNetwork',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        # normalised first, then padded with zeros
        zero_padding=('img',),
    ),
    backbone=dict(
        type='WSSSResNet',
        depth=50,
        # the last stage keeps the stride of the one before, without dilation
        strides=(1, 2, 2, 1),
        frozen_stages=4,
        norm_eval=True,
        # ImageNet-1k, torchvision's first version. A URL or a path.
        pretrained='torchvision://resnet50',
    ),
    edge_head=dict(
        type='EdgeHead',
        in_channels=(64, 256, 512, 1024, 2048),
        channels=32,
        enlarge=(1, 1, 2, 4, 4),
    ),
    # background, foreground, different pairs
    loss=dict(type='PairAffinityLoss', weights=(0.25, 0.25, 0.5)),
    # pairs nearer than 10 cells of the 128 x 128 grid
    radius=10,
    # the walk: tools/generate_pseudo_labels.py --refine rw
    test_cfg=dict(radius=5, beta=10, num_squarings=8, pad_to=512),
)
