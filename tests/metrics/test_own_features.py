"""Networks in ONNX files, and Python functions, as features."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas.errors import UserError
from ganvas.metrics.own_features import Onnx, Own

N, H, W, K = "n", "h", "w", 5


def images(n: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


@pytest.fixture
def network(tmp_path):
    """Writes an ONNX file: the mean colour of each image, times some weights, and maybe a second output."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper

    def write(
        shape=(N, 3, H, W), outputs=("vectors",), kind=TensorProto.FLOAT, name="net.onnx", weights=None, outside=False
    ) -> Path:
        channels = shape[1] if isinstance(shape[1], int) else 3
        w = np.arange(channels * K, dtype=np.float32).reshape(channels, K) if weights is None else weights
        nodes = [
            helper.make_node("GlobalAveragePool", ["x"], ["mean"]),  # [n, C, 1, 1]
            helper.make_node("Flatten", ["mean"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["vectors"]),
            helper.make_node("Neg", ["vectors"], ["logits"]),
            helper.make_node("ReduceMean", ["x"], ["scalar"], keepdims=0),
            helper.make_node("Log", ["scalar"], ["minus"]),
            helper.make_node("Identity", ["x"], ["pixels"]),
        ]
        if kind != TensorProto.FLOAT:
            nodes, outputs = nodes[-1:], ("pixels",)
        made = {"vectors": [None, K], "logits": [None, K], "scalar": [], "pixels": list(shape), "mean": None}
        graph = helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("x", kind, list(shape))],
            [helper.make_tensor_value_info(o, kind, made[o]) for o in outputs],
            [numpy_helper.from_array(w, "w")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / name, save_as_external_data=outside, location="net.data", size_threshold=0)
        return tmp_path / name

    return write


def test_vectors_of_a_network_are_what_it_computes(network):
    path, x = network(outputs=("vectors", "logits")), images(3, 8, 6, 3)
    features = Onnx(path, x)
    found = features(x)
    expected = (x / 255).mean((1, 2)) @ np.arange(15).reshape(3, 5)
    np.testing.assert_allclose(found.vectors, expected, rtol=1e-5)
    np.testing.assert_allclose(found.logits, -expected, rtol=1e-5)
    assert found.vectors.dtype == np.float32
    assert (features.dimensions, features.classes, features.resizing) == (5, 5, "")
    assert features.name == "onnx:net.onnx"
    assert (
        features.weights == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        and features.weights in features.key
    )


def test_floats_give_what_bytes_give(network):
    x = images(3, 8, 8, 3)
    features = Onnx(network(), x)
    as_floats = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 127.5 - 1
    np.testing.assert_allclose(features.of_floats(as_floats).numpy(), features(x).vectors, rtol=1e-5)


@pytest.mark.parametrize("n", [1, 4, 5, 7, 100])
def test_a_fixed_number_at_once_and_any_number_give_the_same(network, n):
    x = images(n, 8, 8, 3)
    found = Onnx(network((4, 3, 8, 8)), x)(x).vectors
    np.testing.assert_allclose(found, Onnx(network(name="any.onnx"), x)(x).vectors, rtol=1e-6)
    assert len(found) == n


def test_images_become_grey_or_coloured_as_the_network_wants(network):
    grey, rgb = images(2, 8, 8, 1), images(2, 8, 8, 3)
    w = np.ones((1, K), np.float32)
    of_one = Onnx(network((N, 1, H, W), weights=w), grey)
    np.testing.assert_allclose(of_one(grey).vectors[:, 0], grey.mean((1, 2, 3)) / 255, rtol=1e-5)
    luma = (rgb @ np.array([0.299, 0.587, 0.114])).mean((1, 2)) / 255
    np.testing.assert_allclose(of_one(rgb).vectors[:, 0], luma, rtol=1e-5)
    for channels in (3, "c"):
        of_three = Onnx(network((N, channels, H, W)), grey)
        np.testing.assert_allclose(of_three(grey).vectors, of_three(grey.repeat(3, 3)).vectors)


def test_images_are_resized_to_what_the_network_fixes(network):
    x = images(2, 16, 16, 3)
    features = Onnx(network((N, 3, 8, "w"), outputs=("pixels",)), x)
    found = features(x).vectors.reshape(2, 3, 8, 16)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(x).permute(0, 3, 1, 2) / 255, (8, 16), mode="bilinear", antialias=True
    )
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    assert features.resizing == "bilinear to anyx8, antialiased" and features.dimensions == 3 * 8 * 16
    assert Onnx(network((N, 3, 8, 6)), x).resizing == "bilinear to 6x8, antialiased"


def test_the_hash_covers_weights_kept_beside_the_file(network, tmp_path):
    x, some, others = images(1, 8, 8, 3), np.ones((3, K), np.float32), np.full((3, K), 2, np.float32)
    first = Onnx(network(weights=some, outside=True), x)
    main, beside = (tmp_path / "net.onnx").read_bytes(), (tmp_path / "net.data").read_bytes()
    assert first.weights == f"sha256:{hashlib.sha256(main + beside).hexdigest()}"
    (tmp_path / "net.data").unlink()  # the library appends
    second = Onnx(network(weights=others, outside=True), x)
    assert main == (tmp_path / "net.onnx").read_bytes() and first.weights != second.weights
    np.testing.assert_allclose(second(x).vectors, 2 * first(x).vectors)


def test_networks_of_another_kind_are_told(network, tmp_path):
    from onnx import TensorProto

    x = images(2, 8, 8, 3)
    for shape, kind in (
        ((N, H, W, 3), TensorProto.FLOAT),
        ((N, 8, 8, 3), TensorProto.FLOAT),
        ((N, 4, H, W), TensorProto.FLOAT),
        ((N, 3, 64), TensorProto.UINT8),
        ((N, 3, H, W), TensorProto.UINT8),
    ):
        with pytest.raises(
            UserError, match=r"onnx:net.onnx takes tensor\(\w+\) of shape .*, not images float32 \[n, 3"
        ):
            Onnx(network(shape, kind=kind), x)
    with pytest.raises(UserError, match=r"gives outputs of shapes \[\[\]\] for 1 images, not one row for each"):
        Onnx(network(outputs=("scalar",)), x)
    with pytest.raises(UserError, match=r"gives logits of shape \[1, 3, 1, 1\] for 1 samples"):
        Onnx(network(outputs=("vectors", "mean")), x)
    with pytest.raises(UserError, match="vectors that are not all finite"):
        Onnx(network(weights=np.full((3, K), np.nan, np.float32)), x)
    with pytest.raises(UserError, match=r"fails on images of shape .*; give an ONNX file that onnxruntime runs"):
        Onnx(network((N, "c", H, W), weights=np.ones((2, K), np.float32)), x)


def test_files_that_are_no_networks_are_told(network, tmp_path, monkeypatch):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(network().read_bytes()[:60])
    with pytest.raises(UserError, match=r"onnx:broken.onnx cannot be read \(.*\); give an ONNX file"):
        Onnx(broken, images(1, 8, 8, 3))
    with pytest.raises(UserError, match=r"there is no file .*none.onnx"):
        Onnx(tmp_path / "none.onnx", images(1, 8, 8, 3))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'ganvas\[onnx\]'"):
        Onnx(network(), images(1, 8, 8, 3))


CODE = """
import numpy as np
import torch

def mean(x):
    assert x.dtype == np.uint8 and x.ndim == 4 and x.flags.writeable
    return x.mean((1, 2))

def both(x):
    x = torch.from_numpy(x).float().mean((1, 2)).requires_grad_()
    return x, -x

class Space:
    mean = staticmethod(mean)

def lazily(x):
    import ganvas_test_helper
    return ganvas_test_helper.mean(x)

def raises(x):
    raise KeyError("no such thing")

def fails_later(x):
    return mean(x) if len(x) <= 2 else None

number = 3
def nothing(x): return None
def words(x): return ["a"] * len(x)
def flat(x): return x.mean((1, 2, 3))
def few(x): return mean(x)[1:]
def empty(x): return mean(x)[:, :0]
def infinite(x): return mean(x) / 0.0
def three(x): return mean(x), mean(x), mean(x)
def ragged(x): return [[1.0], [1.0, 2.0]]
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A module of a name that no other test has, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path)])
    (tmp_path / "ganvas_test_code.py").write_text(CODE)
    (tmp_path / "ganvas_test_helper.py").write_text("def mean(x):\n    return x.mean((1, 2))\n")
    (tmp_path / "ganvas_test_broken.py").write_text("x = 1\nimport ganvas_no_such_module\n")
    yield "ganvas_test_code"
    for name in ("ganvas_test_code", "ganvas_test_helper", "ganvas_test_broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("function", ["mean", "both", "Space.mean", "lazily"])
def test_a_function_gives_vectors(code, function):
    x = images(5, 8, 8, 3)
    x.flags.writeable = False
    features = Own(f"{code}:{function}", x)
    found = features(x)
    np.testing.assert_allclose(found.vectors, x.mean((1, 2)), rtol=1e-5)
    assert found.vectors.dtype == np.float32
    assert features.name == f"{code}:{function}" and features.dimensions == 3
    assert features.key == "", "what it gives is never kept"
    if function == "both":
        assert features.classes == 3
        np.testing.assert_allclose(found.logits, -x.mean((1, 2)), rtol=1e-5)
    else:
        assert features.classes == 0 and found.logits is None


@pytest.mark.parametrize(
    "function, says",
    [
        (
            "raises",
            r"ganvas_test_code:raises fails on uint8 \[2, 8, 8, 3\]: KeyError: .* \(ganvas_test_code.py, line 21\)",
        ),
        ("absent", r"cannot be imported: AttributeError: .*has no attribute 'absent'"),
        ("number", "is of type int, not a function"),
        ("nothing", r"gives vectors of shape \[\]"),
        ("words", r"gives vectors of type list, not numbers \[2, d\]"),
        ("ragged", r"gives vectors of type list, not numbers"),
        ("flat", r"gives vectors of shape \[2\] for 2 samples; it must be \[2, d\]"),
        ("few", r"gives vectors of shape \[1, 3\] for 2 samples"),
        ("empty", r"gives vectors of shape \[2, 0\]"),
        ("three", "gives 3 values"),
        ("infinite", "not all finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_is_wrong_with_a_function_is_told(code, function, says):
    with pytest.raises(UserError, match=says):
        Own(f"{code}:{function}", images(4, 8, 8, 3))


def test_what_cannot_be_imported_is_told(code):
    with pytest.raises(UserError, match=r"ModuleNotFoundError: No module named 'ganvas_nowhere'.*folder that holds"):
        Own("ganvas_nowhere:f", images(2, 8, 8, 3))
    with pytest.raises(UserError, match=r"No module named 'ganvas_no_such_module' \(ganvas_test_broken.py, line 2\)"):
        Own("ganvas_test_broken:f", images(2, 8, 8, 3))
    for name in ("a:b:c", ":f", "m:", "m.py:f()"):
        with pytest.raises(UserError, match="is no module:function"):
            Own(name, images(2, 8, 8, 3))


def test_a_function_that_fails_later_is_told_then(code):
    features = Own(f"{code}:fails_later", images(4, 8, 8, 3))
    with pytest.raises(UserError, match=r"fails_later gives vectors of shape \[\] for 4 samples"):
        features(images(4, 8, 8, 3))
