# Ablation (ToCo, Table 4): with the regulariser L_reg. The energy sums over pairs of
# pixels, of which a crop of 224 has a sixteenth of those of 448: scale makes up for it.
_base_ = ['./toco_deit-t_animals.py']

model = dict(
    losses=dict(
        reg=dict(
            type='DenseEnergyLoss',
            scale=1.6e-6,
            sigma_rgb=15,
            sigma_xy=50,
            scale_factor=0.5,
        )
    ),
    train_cfg=dict(weights=dict(reg=[(0, 0.0), ({{_base_.start}}, 0.05)])),
)
