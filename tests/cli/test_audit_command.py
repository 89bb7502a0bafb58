"""audit as it is typed."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit_helpers import Honest, Learning, Overrunning, Paired, Raising, Turned, Useless
from blindsight.audit import audit_page, list_attacks, register_attack, trials
from blindsight.cli import _audit as module
from blindsight.profile import Profile
from page_helpers import stands_alone
from protect_helpers import write_image

pytestmark = pytest.mark.usefixtures("owners_folder")

PROTECT = "protect photos out --key owner.key --scheme shf --size 16 --fit crop"


@pytest.fixture(autouse=True)
def _our_attacks(monkeypatch):
    list_attacks()
    monkeypatch.setattr("blindsight.audit.attack._attacks", {})
    monkeypatch.setattr(audit_page, "threats_figure", lambda _: "<svg/>")
    monkeypatch.setattr(trials, "GRACE", 0.0)
    for attack in (Useless, Honest, Paired, Raising, Learning):
        register_attack(attack)


@pytest.fixture
def out(owners_folder, run, tmp_path):  # noqa: ARG001
    for k in range(5):
        write_image(tmp_path / f"public/{k}.png", 16, 16, 100 + k)
        write_image(tmp_path / f"photos/train/cat/more{k}.png", 16, 16, 200 + k)
    run(PROTECT)
    return Path("out")


@pytest.mark.usefixtures("out")
def test_the_word_run_is_understood(run):
    one, err = run("audit out --attack test-useless --threat one-image")
    two, _ = run("audit run out --attack test-useless --threat one-image")
    three, _ = run("audit --attack test-useless --threat one-image out")
    assert one == two == three
    assert err == "one-image: grey\n"
    lines = one.splitlines()
    assert lines[0].startswith("Look at the pictures")
    assert lines[1] == "  One protected image: Nobody granted the originals: look at the pictures."
    assert lines[-2] == f"page: {Path('out.owner/audit/report.html').resolve()}"
    assert lines[-1] == f"numbers: {Path('out.owner/audit/report.json').resolve()}"
    out, _ = run("audit --help")
    assert "audit OUT" in out
    out, _ = run("audit run --help")
    assert "--owner-truth" in out


@pytest.mark.usefixtures("out")
def test_the_owner_grants_more_and_gets_scores(run):
    out, err = run("audit out --known-pairs 2 --owner-truth photos --key owner.key --plain-reference public --seed 3")
    lines = out.splitlines()
    assert lines[0].startswith(
        "No verdict: the attacks run here could not have told. Whoever has the protected set and"
    )
    assert lines[1].startswith("  One protected image: No attack run gets more than chance: SSIM 0.")
    assert lines[3].startswith("  Known pairs of plain and protected images: Nothing was found")
    assert lines[4] == (
        "  Not all attacks ran to their end (test-raising): an attacker may do better than this page says."
    )
    assert lines[5].endswith("report.html  (shows originals: yours, do not hand it over)")
    assert "protected-set, no key: a look at the pixels" in err.splitlines()
    stands_alone(Path("out.owner/audit/report.html").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("out")
def test_as_json_it_prints_the_report_and_where_it_lies(run):
    register_attack(Overrunning)
    line = "audit out --key owner.key --attack test-overrunning --threat protected-set --budget 0.1 --sample 3 --json"
    out, _ = run(line + " --out here")
    answer = json.loads(out)
    assert Path(answer.pop("page")) == Path("here/report.html").resolve()
    assert Path(answer.pop("data")) == Path("here/report.json").resolve()
    assert answer == json.loads(Path("here/report.json").read_text())
    assert (answer["sample"], answer["seconds"]) == (3, 0.1)
    (threat,) = answer["threats"]
    assert threat["attacks"][0]["flags"][0].endswith(" s of 0.1 s")


def test_attacks_are_listed_with_what_they_need(run):
    out, _ = run("audit list")
    assert "test-learning\n  grey, learned\n  needs anything published and plain images of the same kind; trains" in out
    out, _ = run("audit list --json")
    attacks = {each["name"]: each for each in json.loads(out)["attacks"]}
    assert attacks["test-paired"]["needs"] == "known-pairs"
    assert attacks["test-learning"]["learns"]


@pytest.mark.usefixtures("out")
def test_learned_attacks_are_run_where_they_are_asked_for(run):
    line = "audit out --plain-reference public --threat protected-set"
    _, err = run(line)
    assert "grey, learned" not in err
    _, err = run(line + " --learned")
    assert "protected-set: grey, learned" in err.splitlines()
    _, err = run(line + " --attack test-learning")
    assert err == "protected-set: grey, learned\n"


@pytest.mark.usefixtures("out")
def test_schemes_are_compared(run):
    out, err = run("audit compare --schemes shf,pe --data public --block-size 16 --public 1 --known-pairs 1 --out c")
    lines = out.splitlines()
    assert lines[0] == (
        "| scheme | one protected image | the protected set | known pairs of plain and protected images |"
    )
    assert lines[2].startswith("| shf | ")
    assert lines[3].startswith("| pe | ")
    assert lines[4] == f"page: {Path('c/compare.html').resolve()}  (shows originals)"
    assert "pe, protected-set: grey" in err.splitlines()
    assert lines[6] == f"table: {Path('c/compare.md').resolve()}"
    assert "\n".join(lines[:4]) in Path("c/compare.md").read_text()
    line = "audit compare --schemes shf --data public --block-size 16 --known-pairs 1 --out c --json --reduce level"
    answer = json.loads(run(line)[0])
    assert answer["cells"] == json.loads(Path("c/compare.json").read_text())["cells"]
    assert (answer["trials"], answer["reductions"], answer["decoys"]) == (1, ["level"], 1)


@pytest.mark.usefixtures("owners_folder")
def test_ciphers_and_ways_of_mixing_are_compared_over_trials(run, fails, tmp_path):
    for label in ("cat", "dog"):
        for k in range(12):
            write_image(tmp_path / f"pets/{label}/{k}.png", 16, 16, 100 * len(label) + ord(label[0]) + k)
    schemes = "--schemes bps:scramble=true,pbm:sources=2,block=8,instahide:views=2 --data ./pets --block-size 8"
    small = "--sample 6 --public 4 --candidates 5 --known-pairs 1 --out c"
    out, err = run(f"audit compare {schemes} {small} --trials 2 --attack test-useless --attack test-paired")
    lines = out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:5]] == [
        "| bps:scramble=true",
        "| pbm:sources=2,block=8",
        "| instahide:views=2",
    ]
    assert all("does not apply: a mixed set has no key that known pairs could give away" in line for line in lines[3:5])
    assert "trial 2, bps:scramble=true, protected-set: grey" in err.splitlines()
    data = json.loads(Path("c/compare.json").read_text())
    assert (data["trials"], data["decoys"], data["public"]) == (2, 5, 4)
    assert data["command"] == (
        "blindsight audit compare --data pets --schemes bps:scramble=true,pbm:sources=2,block=8,instahide:views=2 "
        "--block-size 8 --known-pairs 1 --attack test-useless --attack test-paired --sample 6 --public 4 "
        "--candidates 5 --trials 2"
    )
    assert data["command"] in Path("c/compare.md").read_text()
    assert all(len(cell["trials"]) == 2 for cell in data["cells"])
    (tmp_path / "flat").mkdir()
    for k in range(6):
        write_image(tmp_path / f"flat/{k}.png", 16, 16, k)
    assert "pbm mixes images of one class, and flat has no classes; give CLASS/IMAGE" in fails(
        "audit compare --schemes pbm --data flat --block-size 8 --known-pairs 1"
    )
    assert "mixing needs 11 images of a class" in fails(
        f"audit compare --schemes pbm --data pets --sample 8 {small[11:]}"
    )
    assert "mixup has no parameter 'block'" in fails("audit compare --schemes mixup:block=8 --data pets")
    assert "unknown reduction" in fails("audit compare --data pets --reduce blur")


@pytest.mark.usefixtures("out")
def test_a_turned_picture_is_told_apart(run):
    plain = {}

    class Seer(Turned):
        name = "test-seer"
        known = plain

    from blindsight.audit.opening import open_published, originals_of
    from protect_helpers import KEY

    published = open_published(Path("out"), 20)
    for image, original in zip(published.images, originals_of(published, key=KEY, source=None), strict=True):
        plain[image.tobytes()] = original
    register_attack(Seer)
    out, _ = run("audit out --key owner.key --attack test-seer --threat protected-set")
    assert out.startswith("Whoever has the protected set gets these pictures back.\n")
    assert "100 % come back bit for bit, by “clairvoyance, upside down and negative”" in out


@pytest.mark.usefixtures("out")
def test_what_is_wrong_is_said_in_one_line(fails, run, tmp_path):
    assert fails("audit out --key other.key").endswith("is needed, but other.key holds bsk1-53q6k4o2e7xfhz3p")
    assert "is not protected: there is nothing to attack" in fails("audit photos")
    assert "is not a folder" in fails("audit nothing")
    assert "unknown attack 'test-useles'; did you mean test-useless" in fails("audit out --attack test-useles")
    assert "unknown threat model" in fails("audit out --threat everything")
    assert "known pairs need originals; give --owner-truth PHOTOS or --key KEY" in fails("audit out --known-pairs 2")
    assert "cannot be tried: give --model" in fails("audit out --threat shared-model")
    assert "lies in the protected set" in fails("audit out --out out/report")
    assert "--budget is seconds" in fails("audit out --budget 0")
    assert "--budget is seconds" in fails("audit out --budget inf")
    assert "no folder or file nowhere" in fails("audit out --plain-reference nowhere")
    assert "no file nowhere" in fails("audit out --lpips nowhere")
    assert "unknown scheme" in fails("audit compare --schemes etcc --data public")
    assert "key scope must be dataset, image or pool:K" in fails("audit compare --data public --key-scope all")
    assert "is not the original of" in fails(f"audit out --key owner.key --owner-truth {swapped(tmp_path)}")
    for label in ("cat", "dog"):
        for k in range(4):
            pixels = np.random.default_rng(k).integers(0, 256, (16, 16, 3), np.uint8)
            (tmp_path / "faces" / label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "faces" / label / f"{k}.png")
    run("mix faces mixed --size 16x16 --block 8x8 --sources 2")
    assert "is a mixed set; blindsight mix-report PLAIN mixed" in fails("audit mixed")
    assert "is a mixed set; blindsight mix-report PLAIN mixed" in fails("audit mixed --key owner.key")
    run("audit", status=2)
    run("audit compare", status=2)


def swapped(tmp_path):
    folder = tmp_path / "swapped"
    for path in sorted((tmp_path / "photos").rglob("*.png")):
        target = folder / path.relative_to(tmp_path / "photos")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_image(target, 16, 16, 999)
    return folder


@pytest.mark.parametrize("missing", ["skimage", "scipy", "imagehash", "matplotlib", "jinja2"])
def test_a_missing_package_is_named_with_its_extra(fails, monkeypatch, missing):
    real = importlib.util.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == missing else real(name))
    message = fails("audit list")
    assert message.startswith(f"audit list needs {module.PACKAGES[missing]}, which is not installed")
    assert message.endswith("run: pip install 'blindsight[audit]'")


@pytest.fixture
def run_of(owners_folder):  # noqa: ARG001
    """Writes a run folder of an untrained model."""
    pytest.importorskip("timm")
    import torch

    from blindsight.nets import create_model
    from blindsight.nets.runs import save_run

    def write(name, profile):
        torch.manual_seed(0)
        args = {"img_size": 16}
        architecture = "vit_micro_patch4_32"
        model = create_model(architecture, num_classes=len(profile.classes), in_chans=3, **args)
        save_run(Path(name), model, profile, architecture=architecture, size=(16, 16), model_args=args)

    return write


@pytest.mark.usefixtures("out")
def test_a_classifier_and_a_model_are_read_from_run_folders(run, fails, run_of):
    profile = Profile.of_folder(Path("out"))
    run_of("sees", Profile(kind="plain", size=(16, 16), classes=profile.classes[::-1]))
    run_of("birds", Profile(kind="plain", size=(16, 16), classes=("hen", "owl")))
    run_of("shared", profile)
    line = "audit out --key owner.key --attack test-useless --json"
    answer = json.loads(run(line + " --classifier sees --model shared --threat shared-model")[0])
    (threat,) = answer["threats"]
    assert threat["threat"] == "shared-model"
    assert 0 <= threat["levels"]["plain_accuracy"]["mean"] <= 1
    assert threat["attacks"][0]["pick"]["label_accuracy"]["n"] == 8
    assert "is a model of protected images; give one that was trained on plain" in fails(line + " --classifier shared")
    assert "birds knows 2 classes, and they are not the 2 of these images" in fails(line + " --classifier birds")
    assert "sees and out differ in kind" in fails(line + " --model sees")


@pytest.mark.usefixtures("out")
def test_an_encrypted_model_beside_its_checkpoint_gives_the_key_away(run, fails, tmp_path):
    pytest.importorskip("timm")
    import torch

    from blindsight.audit.attacks.weight_matching import WeightMatching
    from blindsight.nets import create_model
    from blindsight.nets.runs import load_run, save_run

    register_attack(WeightMatching)
    torch.manual_seed(0)
    args = {"img_size": 16, "patch_size": 8, "depth": 1}
    model = create_model("vit_micro_patch4_32", num_classes=2, in_chans=3, **args)
    plain = Profile(kind="plain", size=(16, 16), classes=("cat", "dog"))
    save_run(Path("plain"), model, plain, architecture="vit_micro_patch4_32", size=(16, 16), model_args=args)
    torch.save(model.state_dict(), tmp_path / "public.pth")
    run("protect photos shared --key owner.key --scheme shf --block-size 8 --size 16 --fit crop")
    run("encrypt-model plain --key owner.key --scheme shf --block-size 8 --out encrypted")
    line = "audit shared --key owner.key --threat shared-model --attack weight-matching --model encrypted"
    for given in ("plain", "public.pth"):
        answer = json.loads(run(f"{line} --checkpoint {given} --json")[0])
        (threat,) = answer["threats"]
        assert (threat["level"], threat["best"]) == ("restored", "weight-matching")
        assert threat["attacks"][0]["pick"]["key"]["samples"] == 1
    answer = json.loads(run(f"{line} --json")[0])
    assert "needs the public checkpoint" in answer["threats"][0]["attacks"][0]["why_not"]
    assert load_run(Path("encrypted")).profile.kind == "cipher"
    assert "takes protected images; give the plain model" in fails(f"{line} --checkpoint encrypted")
    assert "there is no weights file nothing" in fails(f"{line} --checkpoint nothing")
    assert "give that with --model RUN" in fails("audit shared --checkpoint plain")


@pytest.mark.usefixtures("out")
def test_whoever_has_candidates_finds_the_originals_among_them(run, fails, tmp_path):
    from blindsight.audit.attacks.candidate_confirmation import CandidateConfirmation

    register_attack(CandidateConfirmation)
    for k in range(6):
        write_image(tmp_path / f"album/{k}.png", 16, 16, 200 + k)  # five of them are originals
    line = "audit out --attack candidate-confirmation --threat candidates --key owner.key"
    answer = json.loads(run(f"{line} --candidates album --json")[0])
    (threat,) = answer["threats"]
    assert answer["candidates"] == 6
    (attack,) = threat["attacks"]
    assert attack["facts"]["confirmed"] >= 5
    assert attack["pick"]["exact"]["mean"] >= 0.5
    assert attack["pick"]["reidentified"]["pixels"]["candidates"] == answer["sample"] + 1
    assert "cannot be tried: give --candidates PICTURES" in fails(line)
