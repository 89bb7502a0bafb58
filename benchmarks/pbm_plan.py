"""What benchmarks/pbm.py compares: networks, arms, seeds, and the options of the commands for each."""

from dataclasses import dataclass

#: L_b x W_b in pixels by image side and number of blocks N_b; the paper's shapes at 192 pixels, scaled down.
BLOCKS = {
    64: {8: "32x16", 16: "32x8", 32: "16x8", 128: "16x2"},
    80: {16: "40x10"},
    192: {8: "96x48", 16: "96x24", 32: "48x24", 128: "48x6"},
}
AUGMENTATION = 4
SEEDS = (1, 2, 3)
TASKS = ("gender", "race")


@dataclass(frozen=True)
class Network:
    """A model, the side of its images, epochs on a set that is not augmented, and further options of ``train``.

    ``model_args`` go into a recipe file made from the named recipe of ``options``: no option of ``train`` gives them.
    """

    model: str
    side: int
    epochs: int
    options: str
    model_args: tuple[tuple[str, float], ...] = ()


#: Epochs were fixed from the speed of a few steps, before any of the runs.
#: The rate of the recipe as it was when the grid was trained; it has since been raised to 0.01.
SMALL = Network("resnet_micro", 64, 20, "--recipe pbm-small --lr 0.005")
# bfloat16 was the faster format for these on the machine of the results; "auto" takes it where there is AMX only.
RESNET = Network("resnet50", 64, 12, "--recipe pbm-resnet50 --precision bf16-mixed")
# Three quarters of VGG16's 134 M weights are in its first dense layer: 512 units there instead of 4,096, for time.
VGG = Network("vgg16", 64, 8, "--recipe pbm-vgg16 --precision bf16-mixed", (("mlp_ratio", 0.125),))
INCEPTION = Network("inception_v3", 80, 12, "--recipe pbm-inception-v3 --precision bf16-mixed")
DENSENET = Network("densenet121", 64, 12, "--recipe pbm-densenet121 --precision bf16-mixed")
VIT = Network("vit_micro_patch8_64", 64, 12, "--batch-size 32 --lr 0.001 --precision bf16-mixed")
CONVMIXER_OPTIONS = "--batch-size 32 --lr 0.01 --sched onecycle --opt-eps 0.001 --precision bf16-mixed"
CONVMIXER = Network("convmixer_256_8_patch8_64", 64, 12, CONVMIXER_OPTIONS)
#: The pairs of network and data set in the paper's tables, WIKI read as gender and CNBC as race.
NAMED = {"gender": (RESNET, VGG, INCEPTION), "race": (RESNET, DENSENET)}
#: Methods that a user would try instead: options of ``mix``.
NEIGHBOURS = {
    "mixup-same": "--method mixup --partners same",
    "mixup-any": "--method mixup --partners any",
    "cutmix-same": "--method cutmix --partners same",
    "cutmix-any": "--method cutmix --partners any",
    "instahide": "--method instahide",
}


@dataclass(frozen=True)
class Run:
    """One training and its measurement; ``blocks`` is N_b, None for plain images and for other methods than PBM."""

    part: str
    task: str
    network: Network
    seed: int
    method: str = "plain"
    blocks: int | None = None
    augmented: bool = False

    @property
    def images(self) -> str:
        """Name of the training images; the seed belongs to it where a key made them."""
        mixed = {"plain": "plain", "pbm": f"pbm{self.blocks}"}.get(self.method, self.method)
        key = "" if self.method == "plain" else f"-k{self.seed}"
        return f"{self.task}-{self.network.side}-{mixed}{key}"

    @property
    def arm(self) -> str:
        return self.images.split("-", 2)[2].rsplit("-k", 1)[0] + ("-x4" if self.augmented else "")

    @property
    def name(self) -> str:
        return f"{self.part}-{self.task}-{self.network.model}-{self.arm}-s{self.seed}"

    @property
    def epochs(self) -> int:
        return self.network.epochs // (AUGMENTATION if self.augmented else 1)


def plan(part: str, task: str) -> list[Run]:
    """The runs of one part on one task, in the order in which they are started."""
    if part == "grid":
        arms = [("plain", None, False), ("plain", None, True)]
        arms += [("pbm", blocks, augmented) for blocks in BLOCKS[64] for augmented in (False, True)]
        return [Run(part, task, SMALL, seed, *arm) for seed in SEEDS for arm in arms]
    if part == "named":
        arms = [("plain", None, False), ("pbm", 16, False), ("pbm", 16, True)]
        return [Run(part, task, network, 1, *arm) for arm in arms for network in NAMED[task]]
    if part == "isotropic":
        arms = [("plain", None), ("pbm", 16), ("pbm", 128)]
        networks = (CONVMIXER, VIT) if task == "gender" else ()
        return [Run(part, task, network, seed, *arm) for seed in SEEDS for network in networks for arm in arms]
    return [Run(part, task, SMALL, 1, method) for method in NEIGHBOURS] if task == "gender" else []


def mix_options(run: Run) -> str:
    """The options of ``mix`` that say how, without the size."""
    if run.method == "plain":
        return f"--block {run.network.side}x{run.network.side} --sources 0 --probability 0"
    if run.method == "pbm":
        assert run.blocks is not None
        return f"--block {BLOCKS[run.network.side][run.blocks]} --sources 10 --probability 0.5"
    return NEIGHBOURS[run.method]
