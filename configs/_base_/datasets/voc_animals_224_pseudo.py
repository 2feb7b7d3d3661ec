# VOC Animals with pseudo masks instead of true ones for training, as mmseg's own
# pipelines read data (BGR), so that mmseg's models fit unchanged: validated and tested
# on the true masks.
_base_ = ['./voc_animals_224.py']

# of tools/generate_pseudo_labels.py; in a pipeline:
#   cfg_options={'train_dataloader.dataset.side_inputs.mask.dir': '{masks.mask}'}
side_inputs = dict(
    mask=dict(dir='work_dirs/pseudo_masks/voc_animals/mask', root='.', kind='ids')
)
crop_size = (224, 224)

train_pipeline = [
    dict(type='LoadPicture', channel_order='bgr'),
    dict(type='LoadSideInputs'),
    dict(
        type='RandomResize', scale=(320, 320), ratio_range=(0.5, 2.0), keep_ratio=True
    ),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
# At native size.
test_pipeline = [
    dict(type='LoadPicture', channel_order='bgr'),
    dict(type='LoadMask'),
    dict(type='PackSegInputs'),
]

train_dataloader = dict(dataset=dict(side_inputs=side_inputs, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
