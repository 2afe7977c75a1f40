"""The Inception network against torch-fidelity's numbers, and files that are not its weights."""

import hashlib
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import inception_reference as reference
import numpy as np
import pytest
import torch
from http_host import HttpHost, http_host

import dvbpr.inception_weights as module
from bench.datasets.hosts import PublishedFile
from bench.errors import BenchError
from dvbpr.inception import InceptionNet, resize_like_tensorflow
from dvbpr.inception_weights import WEIGHTS, load_inception, locate_weights


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return reference.random_weights(InceptionNet())


@pytest.fixture(scope="module")
def saved(weights: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(weights, path)
    return path


def test_features_and_logits_are_torch_fidelitys(saved: Path) -> None:
    before = torch.get_rng_state()
    network = load_inception(saved, size=None, sha256=None)
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    with np.load(reference.STORED) as stored:
        expected = {name: stored[name] for name in stored.files}
    assert expected["features"].std() > 0.1
    with torch.inference_mode():
        features = torch.cat([network.features(batch) for batch in reference.images()])
        logits = network.logits(features)
    assert (features.shape, logits.shape) == ((2, 2048), (2, 1008))
    for found, name in ((features, "features"), (logits, "logits")):
        scale = float(expected[name].std())
        np.testing.assert_allclose(found.numpy(), expected[name], rtol=0, atol=2e-4 * scale)


def test_images_do_not_see_each_other(saved: Path) -> None:
    network = load_inception(saved, size=None, sha256=None)
    first = reference.images()[0]
    with torch.inference_mode():
        alone = network.features(first)
        together = network.features(torch.cat([255 - first, first]))
    np.testing.assert_allclose(together[1], alone[0], rtol=0, atol=1e-4 * float(alone.std()))


def test_parameters_have_the_published_names_and_count() -> None:
    network = InceptionNet()
    # Inception v3 without its auxiliary head has 21,785,568 parameters before the last layer.
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    assert n_parameters == 21_785_568 + 2048 * 1008 + 1008
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name, shape in {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Conv2d_2b_3x3.bn.running_var": (64,),
        "Conv2d_4a_3x3.conv.weight": (192, 80, 3, 3),
        "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
        "Mixed_5d.branch5x5_2.conv.weight": (64, 48, 5, 5),
        "Mixed_6a.branch3x3.conv.weight": (384, 288, 3, 3),
        "Mixed_6e.branch7x7dbl_5.conv.weight": (192, 192, 1, 7),
        "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
        "Mixed_7b.branch3x3_2a.conv.weight": (384, 384, 1, 3),
        "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
        "Mixed_7c.branch_pool.bn.bias": (192,),
        "fc.weight": (1008, 2048),
        "fc.bias": (1008,),
    }.items():
        assert shapes[name] == shape
    # 94 convolutions, each with weights and four vectors of its normalisation.
    n_stored = [name for name in shapes if not name.endswith("num_batches_tracked")]
    assert len(n_stored) == 94 * 5 + 2
    # The published file holds these float32 numbers, and 87 kB of names and places.
    n_bytes = 4 * sum(np.prod(shapes[name]) for name in n_stored)
    assert 0 < WEIGHTS.size - n_bytes < 100_000
    assert WEIGHTS.sha256.startswith(WEIGHTS.name.rpartition("-")[2].removesuffix(".pth"))


def bilinear_by_hand(image: np.ndarray, size: int) -> np.ndarray:
    """TensorFlow 1's kernel, one output pixel at a time."""
    height, width = image.shape
    out = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            y, x = i * height / size, j * width / size
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            above = image[top, left] + (image[top, right] - image[top, left]) * (x - left)
            below = image[bottom, left] + (image[bottom, right] - image[bottom, left]) * (x - left)
            out[i, j] = above + (below - above) * (y - top)
    return out


@pytest.mark.parametrize(
    ("height", "width", "size"), [(5, 8, 13), (13, 6, 5), (1, 1, 4), (7, 7, 7)]
)
def test_resizing_is_tensorflows(
    rng: np.random.Generator, height: int, width: int, size: int
) -> None:
    image = rng.uniform(0, 255, (height, width))
    found = resize_like_tensorflow(torch.from_numpy(image)[None, None].float(), size)
    np.testing.assert_allclose(found[0, 0], bilinear_by_hand(image, size), rtol=0, atol=1e-3)


def test_the_published_file_is_told_by_size_and_hash(saved: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(saved.read_bytes()).hexdigest()
    load_inception(saved, size=saved.stat().st_size, sha256=digest)
    with pytest.raises(BenchError, match=r"another file: .*weights 95,628,359"):
        load_inception(saved)
    with pytest.raises(BenchError, match=f"begins with {digest[:8]}, expected is 6726825d"):
        load_inception(saved, size=None)
    cut = tmp_path / "cut.pth"
    cut.write_bytes(saved.read_bytes()[:1000])
    with pytest.raises(BenchError, match="cut off: it has 1,000 bytes"):
        load_inception(cut)
    with pytest.raises(BenchError, match="no such file"):
        load_inception(tmp_path / "nothing.pth")
    with pytest.raises(BenchError, match="it is a folder"):
        load_inception(tmp_path, size=None)


class _Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("was-here"),))


def in_pickle(value: object) -> bytes:
    return pickle.dumps(value, protocol=2)  # torch's own


def in_torch(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def in_zip(content: bytes) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 300,
        b"not a pickle",
        in_pickle(_Hostile()),
        in_zip(in_pickle(_Hostile())),
        in_torch({"fc.weight": _Hostile()}),
        in_torch({"a": torch.ones(3)})[:-50],
        in_torch({"a": torch.ones(3)})[:200],
        in_zip(b""),
    ],
)
def test_a_file_of_something_else_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(BenchError, match="is no file of PyTorch weights"):
        load_inception(path, size=None, sha256=None)
    assert not (tmp_path / "was-here").exists()


def test_weights_of_another_network(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "x.pth"

    def refused(state: object, match: str) -> None:
        torch.save(state, path)
        with pytest.raises(BenchError, match=match):
            load_inception(path, size=None, sha256=None)

    refused([1, 2], "holds no weights by name")
    refused({"fc.weight": 3}, "holds no weights by name")
    name = "Mixed_5b.branch1x1.conv.weight"
    refused({k: v for k, v in weights.items() if k != name}, f"{name} is missing$")
    refused({}, "is missing, and 471 more")
    extra = {**weights, "AuxLogits.fc.bias": torch.ones(2)}
    refused(extra, "AuxLogits.fc.bias belongs to another")
    # torchvision's has 1000 classes.
    refused({**weights, "fc.bias": torch.ones(1000)}, r"fc.bias is torch.float32 \(1000,\)")
    refused({**weights, "fc.bias": torch.ones(1008).half()}, "fc.bias is torch.float16")
    broken = weights["fc.bias"].clone()
    broken[7] = torch.nan
    refused({**weights, "fc.bias": broken}, "fc.bias has values that are not finite")


def test_counters_of_training_may_be_there(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "x.pth"
    torch.save(InceptionNet().state_dict() | weights, path)
    load_inception(path, size=None, sha256=None)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpHost]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http_host() as running:
        yield running


def test_nothing_is_downloaded_unless_asked_for(
    host: HttpHost,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = bytes(range(256)) * 40
    published = PublishedFile(
        name="w.pth",
        folder_url=f"{host.root}/release/",
        approximate_bytes=len(content),
        licence="as you like",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    monkeypatch.setattr(module, "WEIGHTS", published)
    assert locate_weights("my/file.pth", tmp_path) == Path("my/file.pth")
    assert not host.seen
    assert not list(tmp_path.iterdir())
    host.put("/release/w.pth", content)
    found = locate_weights("download", tmp_path)
    assert found == tmp_path / "downloads" / "w.pth"
    assert found.read_bytes() == content
    assert "as you like" in caplog.text
    locate_weights("download", tmp_path)
    assert len(host.seen) == 1  # it stays
    found.unlink()
    mirror = host.put("/mirror/w.pth", content[:-1] + b"x")
    with pytest.raises(BenchError, match="is not the published file"):
        locate_weights(mirror, tmp_path)
    assert not found.exists()
