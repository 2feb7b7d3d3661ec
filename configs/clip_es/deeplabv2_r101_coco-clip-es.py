# CLIP-ES's last stage on COCO, with the settings for VOC: those of the paper's appendix
# aren't known here. Name them beside every number.
_base_ = ['./deeplabv2_r101_voc-clip-es.py']

num_classes = 81  # background included
data_root = 'data/coco14'

model = dict(decode_head=dict(num_classes=num_classes))

dataset = dict(type='COCO14WeakDataset', data_root=data_root)
train_dataloader = dict(
    dataset=dict(
        split='train',
        side_inputs=dict(mask=dict(dir='work_dirs/pseudo_masks/coco14/mask')),
        **dataset,
    )
)
# 5,000 pictures while training; the test takes all 40,137.
val_dataloader = dict(dataset=dict(indices=5000, **dataset))
test_dataloader = dict(dataset=dataset)
train_cfg = dict(max_iters=100000, val_interval=10000)
