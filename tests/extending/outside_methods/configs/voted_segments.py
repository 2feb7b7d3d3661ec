# The CAM baseline, its labels voted over segments that lie on disk. No code at all.
_base_ = ['mmwsss::cam/cam_vit-t_shapes_seg.py']

# of the model, and where no mask is generated otherwise
labeler = dict(type='SegmentVote', bkg_thr=0.4)
side_inputs = dict(segments=dict(dir='Segments', kind='segments'))
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(type='PILRandomScale', scale_range=(0.75, 1.5)),
    dict(type='PILRandomFlip'),
    dict(type='PILPadCrop', crop_size=96),
    dict(type='PackWeakInputs'),
]
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='LoadSideInputs'),
    dict(type='PackWeakInputs'),
]
model = dict(backbone=dict(pretrained=None), labeler=dict(_delete_=True, **labeler))
train_dataloader = dict(dataset=dict(side_inputs=side_inputs, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(side_inputs=side_inputs, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(side_inputs=side_inputs, pipeline=test_pipeline))
