r"""Semi-supervised GAN (Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498, §3.1 and §5).

    D(x) = Z(x) / (Z(x) + 1),  Z(x) = Σₖ exp lₖ(x)                          (§5: the logit of "generated" is 0)
    min_D  −E log p(y | x, y ≤ K) − ½ E log D(x) − ½ E log(1 − D(G(z)))      (labelled; all real; generated)
    min_G  ‖E f(x) − E f(G(z))‖² / d                                         (§3.1; f: D's last d hidden units)

The discriminator is a classifier: of the few labelled images it learns the classes, of all the others, and of
generated ones, what belongs together. `ganvas train ssgan mnist/ --labelled 100` hides all labels but a hundred;
pictures in a folder `unlabelled` have none. `ganvas evaluate RUN --data mnist:test --metrics accuracy` says how well it
classifies. Feature matching makes the better classifier and the worse pictures (§6.1); `--feature-matching no` gives
the generator the usual loss.

Networks, rates and noise are those of the published code for MNIST, and so are the initialisation of D by its first
batch and Adam's ε of 1e-4. The ε matters: with PyTorch's 1e-8 steps do not shrink with the gradients, and after some
hundred kimg D ran away from the generator (docs/log.md). Two things differ: reals are the same in both turns of a
round, and the averages forget sooner (the engine's `--ema-halflife-kimg`; the code's is 693). With `--network dcgan`,
for colour and larger images, both are DCGAN's, with the rate of the code for CIFAR-10, whose deeper networks they are
not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganvas import processes
from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Game, Progress, Turn
from ganvas.games.two_player import FromLatents, TwoPlayer
from ganvas.losses import adversarial, precise, semi_supervised
from ganvas.networks import dcgan, ssgan
from ganvas.optim import Optimizer
from ganvas.priors import Prior

CODE = "the paper's published code for MNIST"
LARGEST_MLP = 32  # the side up to which grey images have the fully connected networks, where nobody asks for others
ADAM = Optimizer(lr=3e-3, beta1=0.5, eps=1e-4)  # the code's ε is 1e-8 below the root


@dataclass(frozen=True)
class SSGANConfig:
    """Settings of the semi-supervised GAN."""

    batch: int = setting(100, "images a turn takes, and labelled ones besides", CODE, low=2)
    z_dim: int = setting(100, "dimensions of the latent", CODE, low=1)
    prior: Literal["uniform", "normal"] = setting("uniform", "what latents are drawn from", CODE)
    feature_matching: bool = setting(True, "the generator matches mean features, instead of fooling D", "§3.1")
    unlabelled_weight: float = setting(1.0, "weight of what D learns without labels", CODE, low=0)
    network: Literal["mlp", "dcgan"] = setting("mlp", "the paper's fully connected networks, or DCGAN's", CODE)
    widths_g: tuple[int, ...] = setting((500, 500), "mlp: hidden units of the generator", CODE, low=1)
    widths_d: tuple[int, ...] = setting((1000, 500, 250, 250, 250), "mlp: hidden units of D", CODE, low=1)
    noise_input: float = setting(0.3, "deviation of the noise on what D sees, of images in [0, 1]", CODE, low=0)
    noise: float = setting(0.5, "deviation of the noise on D's hidden units; dcgan: on the last", CODE, low=0)
    norm_g: Literal["batch", "layer", "none"] = setting("batch", "normalisation in the generator", CODE)
    norm_d: Literal["layer", "none"] = setting("layer", "dcgan: normalisation in D; the mlp's is that of weights")
    width: int = setting(64, "dcgan: channels after D's first layer", low=1)
    max_width: int = setting(1024, "dcgan: where the doubling of channels stops", low=1)
    kernel: int = setting(5, "dcgan: side of the convolutions' kernels", low=2, high=9)
    act_g: Literal["relu", "leaky-relu", "elu"] = setting("relu", "dcgan: activation in the generator")
    act_d: Literal["relu", "leaky-relu", "elu"] = setting("leaky-relu", "dcgan: activation in D")
    leak: float = setting(0.2, "dcgan: slope of leaky ReLU below 0", low=0, high=1)
    init_std: float = setting(0.02, "dcgan: standard deviation of the initial weights", above=0)
    opt_g: Optimizer = setting(ADAM, "the generator's optimizer", CODE)
    opt_d: Optimizer = setting(ADAM, "the discriminator's optimizer", CODE)


class SSGAN(FromLatents, Game):
    """A generator, and a discriminator that tells K classes and the generated ones apart."""

    Config = SSGANConfig
    presets = {
        "tiny": {"widths_g": (16,), "widths_d": (24, 16), "width": 8, "z_dim": 8, "batch": 16},
    }
    judges = "probability"
    G: nn.Module
    D: ssgan.Classifier

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        c = config
        self.prior = Prior(c.z_dim, c.prior)
        self.G, self.D = self.networks(c, data)
        self.players = {
            "G": self.player(self.G, c.opt_g.build(self.G), averaged=True),
            "D": self.player(self.D, c.opt_d.build(self.D), averaged=True),  # who classifies is the average
        }
        self.turns = [Turn(("D",), self.discriminator), Turn(("G",), self.generator)]
        self._is_first = False

    @staticmethod
    def networks(c: Any, data: DataSpec) -> tuple[nn.Module, ssgan.Classifier]:
        """The two networks of the configuration, initialised."""
        if c.network == "dcgan":
            generator, net = TwoPlayer.convolutional(c, data.shape, outputs=data.classes)
            assert isinstance(net, dcgan.Discriminator)
            return generator, ssgan.Convolutional(net, c.noise_input, c.noise)
        return (
            ssgan.Generator(data.shape, c.z_dim, c.widths_g, c.norm_g),
            ssgan.NoisyMLP(data.shape, c.widths_d, data.classes, c.noise_input, c.noise),
        )

    def begin(self, progress: Progress) -> None:
        self._is_first = progress.round == 0

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        with torch.no_grad():
            fake = self.G(b.noise(self.prior)).to(b["x"].dtype)
        if "x_labelled" in b:
            on_labelled, on_real, on_fake = self.D(torch.cat([b["x_labelled"], b["x"], fake])).chunk(3)
            labels = b["y_labelled"]
        else:  # all have labels
            on_real, on_fake = self.D(torch.cat([b["x"], fake])).chunk(2)
            on_labelled, labels = on_real, b["y"]
        class_error = semi_supervised.supervised(on_labelled, labels)
        loss = class_error + self.config.unlabelled_weight * semi_supervised.unsupervised(on_real, on_fake)
        aux = {
            "class_error": class_error,
            "accuracy": (on_labelled.argmax(1) == labels).float().mean(),
            "D(x)": semi_supervised.realness(on_real).sigmoid().mean(),
            "D(G(z))": semi_supervised.realness(on_fake).sigmoid().mean(),
        }
        return loss, aux | ({"reals": b["x"]} if self._is_first else {})

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        if not self.config.feature_matching:
            on_fake = self.D(self.G(b.noise(self.prior)))
            return adversarial.non_saturating_generator(semi_supervised.realness(on_fake)), {}
        with torch.no_grad():
            real = self.D.features(b["x"])
        fake = self.D.features(self.G(b.noise(self.prior)))
        return semi_supervised.feature_matching(_mean(real), _mean(fake)), {}

    def after(self, turn: Turn, aux: Aux) -> Batch:
        if "reals" in aux:
            self.D.initialise(aux.pop("reals"))
        return Batch()

    def rehearse(self, batch: Batch) -> None:
        self.G(batch.noise(self.prior))

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Logits [n, K], float32, of the classes of samples [n, *shape]."""
        return torch.cat([self.D(part) for part in x.to(self.device).split(256)]).float()

    def judge(self, x: Tensor) -> Tensor:
        """[n]: the probability that a sample is real, of whatever class."""
        return semi_supervised.realness(self.classify(x)).sigmoid()

    @classmethod
    def defaults(cls, data: DataSpec) -> Any:
        if not data.is_image or (data.channels == 1 and data.size <= LARGEST_MLP) or not _is_for_dcgan(data):
            return cls.Config()
        slow = replace(ADAM, lr=3e-4)
        return replace(cls.Config(), network="dcgan", opt_g=slow, opt_d=slow)

    @classmethod
    def size_for(cls, native: int, config: Any) -> int:
        if config.network == "mlp" and native <= LARGEST_MLP:
            return native
        return next((s for s in dcgan.SIZES if s >= native), dcgan.SIZES[-1])

    @classmethod
    def budget_kimg(cls, data: DataSpec) -> float:
        return 600.0

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        if not data.is_image or data.classes < 2:
            raise UserError(
                f"{cls.name} learns to tell classes apart and needs images with labels of two classes or more, though "
                "few may do; put some of every class into a folder of its own and the rest into one called unlabelled, "
                "or choose another game."
            )
        if config.network == "dcgan" and not _is_for_dcgan(data):
            raise UserError(
                f"{cls.name} cannot make images of {data.shape[1]}×{data.shape[2]} with convolutions, which halve a "
                f"square of side {', '.join(map(str, dcgan.SIZES))} down to 4×4; use --size "
                f"{cls.size_for(data.size, config)}, or --network mlp."
            )

    @classmethod
    def exemptions(cls, config: Any) -> dict[str, str]:
        reasons = []
        if config.norm_g == "batch":
            reasons.append("BatchNorm's statistics are those of each micro-batch (norm_g = batch)")
        if config.feature_matching:
            reasons.append("the means that feature matching compares are those of each micro-batch")
        return {"accumulation": "; ".join(reasons)} if reasons else {}


def _mean(features: Tensor) -> Tensor:
    """[d], the mean of features [B, d] over the global batch."""
    return processes.differentiable_sum(precise(features).mean(0)) / processes.world_size()


def _is_for_dcgan(data: DataSpec) -> bool:
    return data.size in dcgan.SIZES and data.shape[1] == data.shape[2]
