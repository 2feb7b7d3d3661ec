# A little more than image labels: ToCo that also learns from the pixels that are known
# of some pictures (points, scribbles, a few whole masks), which also stay as they are
# in its pseudo labels. tools/dataset_converters/partial_labels.py makes them:
#
#   python tools/dataset_converters/partial_labels.py \
#       configs/toco/toco_deit-t_animals.py --masks --count 100 \
#       --out data/voc_animals_partial
#
# Another folder, relative to the working directory:
# --cfg-options train_dataloader.dataset.side_inputs.partial.dir=DIR
_base_ = ['./toco_deit-t_animals.py']

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(type='ToCoViews', crop_size=224),
    dict(type='PackWeakInputs'),
]
# A quarter of the samples has partial labels: 100 whole masks among 2,651 photos would
# come 1.5 times each in 1,000 iterations. Not tuned.
train_dataloader = dict(
    sampler=dict(partial_share=0.25),
    dataset=dict(
        side_inputs=dict(
            partial=dict(dir='data/voc_animals_partial', root='.', kind='ids')
        ),
        pipeline=train_pipeline,
    ),
)
# What is known is certain, unlike a pseudo label: ten times the weight of L_seg, from
# the beginning. Not tuned.
model = dict(train_cfg=dict(weights=dict(partial=1.0)))
