"""What people do about an alarm: a sentence for each, with settings that the game at hand has, and where it is from."""

from __future__ import annotations

from collections.abc import Collection

_LOWER_D = ("opt_d.lr", "a lower --opt-d.lr (Heusel et al. 2017)")
_NOISE = ("instance_noise", "--instance-noise 0.1 (Arjovsky and Bottou 2017; Sønderby et al. 2017)")
_FEW = ("diffaugment", "--diffaugment color,translation where images are few (Zhao et al. 2020)")

_MENDS: dict[str, tuple[tuple[str, str], ...]] = {
    "spike": (
        ("clip", "--clip 1 (Pascanu et al. 2013)"),
        _LOWER_D,
        ("opt_g.lr", "a lower --opt-g.lr"),
    ),
    "collapse": (
        ("gamma", "a larger --gamma (Berthelot et al. 2017, §3.3)"),
        ("opt_g.lr", "a lower --opt-g.lr"),
        ("critic_steps", "more --critic-steps"),
        _FEW,
    ),
    "starved": (_LOWER_D, _NOISE, _FEW, ("opt_g.lr", "a higher --opt-g.lr")),
    "critic too steep": (
        ("gp_weight", "a larger --gp-weight (Gulrajani et al. 2017)"),
        ("opt_d.lr", "a lower --opt-d.lr"),
    ),
    "critic too flat": (
        ("critic_steps", "more --critic-steps (Gulrajani et al. 2017)"),
        ("opt_d.lr", "a higher --opt-d.lr"),
    ),
    "k_t at 0": (("gamma", "a larger --gamma"), ("opt_d.lr", "a lower --opt-d.lr")),
    "k_t at 1": (("gamma", "a smaller --gamma"), ("opt_g.lr", "a lower --opt-g.lr")),
    "k_t swings": (
        ("k_lr", "a smaller --k-lr (Berthelot et al. 2017, §3.4: 0.001)"),
        ("opt_g.lr", "a lower --opt-g.lr"),
    ),
}
_ELSE = {
    "spike": "If it does not pass by itself, go back to a checkpoint before it (Brock et al. 2019)",
    "collapse": "Go back to a checkpoint before it; if it comes again",
    "starved": "The generator no longer learns from D; begin anew",
    "critic too steep": "The critic's estimate is no distance while it lasts",
    "critic too flat": "The critic has not caught up",
    "k_t at 0": "The discriminator ignores what is generated",
    "k_t at 1": "The generator outdoes the balance",
    "k_t swings": "The controller overshoots",
}


def advise(case: str, knobs: Collection[str]) -> str:
    """What people do in this case, one of those above, with at most two settings out of `knobs`."""
    mends = [said for knob, said in _MENDS[case] if knob in knobs][:2]
    return f"{_ELSE[case]}: try {' or '.join(mends)}." if mends else f"{_ELSE[case]}."
