# Class maps walk over the tokens of the network that made them; nothing is trained, the
# checkpoint is that of cam_deit-t_animals.py:
#   python tools/generate_pseudo_labels.py configs/cam/cam_deit-t_animals.py CHECKPOINT \
#       --refine rw --affinity configs/cam/token_walk_deit-t_animals.py CHECKPOINT \
#       --bkg-thr 0.7 --out DIR
_base_ = ['./cam_deit-t_animals.py']

model = dict(
    _delete_=True,
    type='TokenWalk',
    segmentor={{_base_.model}},
    in_index=0,  # after block 10
    power=3.0,
    steps=8,
)
