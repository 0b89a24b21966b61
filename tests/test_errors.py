"""Every bad argument raises TorchconvError, which names the argument, what was expected and what came."""

import pickle

import pytest
import torch
from test_autograd import SMALL, arguments

import torchconv
from torchconv import ops

F32, F64, INT, COMPLEX = torch.float32, torch.float64, torch.int64, torch.complex64


def call(function, x=(1, 4, 8, 8), w=(4, 4, 3, 3), bias=None, dtypes=(F32, F32, F32), **arguments):
    tensors = [
        torch.zeros(size, dtype=dtype) if isinstance(size, tuple) else size
        for size, dtype in zip((x, w, bias), dtypes, strict=True)
    ]
    return function(*tensors, **arguments)


# What is wrong; the start of the message; what it says came.
BOTH = [
    ({"x": (8, 8)}, "x: expected 4 dimensions, or 3 without a batch", r"\[8, 8\]"),
    ({"x": (1, 1, 4, 8, 8)}, "x: expected 4 dimensions, or 3 without a batch", r"\[1, 1, 4, 8, 8\]"),
    ({"x": None}, "x: expected a torch.Tensor", "NoneType"),
    ({"x": 1.0}, "x: expected a torch.Tensor", "float"),
    ({"w": "w"}, "w: expected a torch.Tensor", "str"),
    ({"w": (4, 4, 3)}, "w: expected 4 dimensions", r"\[4, 4, 3\]"),
    ({"w": (4, 4, 3), "x": (4, 8, 8)}, "w: expected 4 dimensions", r"\[4, 4, 3\]"),
    ({"w": (4, 4, 0, 3)}, "w: expected kernel sizes", "0"),
    ({"bias": (3,)}, r"bias: expected size \[4\]", r"\[3\]"),
    ({"bias": (1, 4)}, r"bias: expected size \[4\]", r"\[1, 4\]"),
    ({"bias": 1}, "bias: expected a torch.Tensor", "int"),
    ({"dtypes": (F32, F64, F32)}, "w: expected dtype Float as x has", "Double"),
    ({"bias": (4,), "dtypes": (F32, F32, F64)}, "bias: expected dtype Float as x has", "Double"),
    ({"dtypes": (INT, INT, INT)}, "x: expected dtype float32, float64, float16 or bfloat16", "Long"),
    ({"dtypes": (COMPLEX, COMPLEX, F32)}, "x: expected dtype float32, float64, float16 or bfloat16", "Complex"),
    ({"stride": 0}, "stride: expected positive numbers", r"\[0, 0\]"),
    ({"stride": (1, -1)}, "stride: expected positive numbers", r"\[1, -1\]"),
    ({"stride": (1, 1, 1)}, "stride: expected an int or a sequence of 2", r"\(1, 1, 1\)"),
    ({"stride": 1.0}, "stride: expected an int or a sequence of 2", "1.0"),
    ({"stride": None}, "stride: expected an int or a sequence of 2", "None"),
    ({"stride": "2"}, "stride: expected an int or a sequence of 2", "'2'"),
    ({"stride": (1, 1.5)}, "stride: expected an int or a sequence of 2", r"\(1, 1.5\)"),
    ({"stride": 2**63}, r"stride: expected numbers up to 2\^40", "9223372036854775808"),
    ({"dilation": 0}, "dilation: expected positive numbers", r"\[0, 0\]"),
    ({"dilation": [-1, 1]}, "dilation: expected positive numbers", r"\[-1, 1\]"),
    ({"dilation": ()}, "dilation: expected an int or a sequence of 2", r"\(\)"),
    ({"padding": -1}, "padding: expected numbers that are not negative", r"\[-1, -1, -1, -1\]"),
    ({"padding": ((0, -2), 0)}, "padding: expected numbers that are not negative", r"\[0, -2, 0, 0\]"),
    (
        {"padding": (1, 2, 3, 4)},
        r"padding: expected an int or \(vertical, horizontal\)",
        r"\(1, 2, 3, 4\)",
    ),
    (
        {"padding": ((1, 2, 3), 0)},
        r"padding: expected an int or \(vertical, horizontal\)",
        r"\(\(1, 2, 3\)",
    ),
    ({"padding": 0.5}, r"padding: expected an int or \(vertical, horizontal\)", "0.5"),
    ({"groups": 0}, "groups: expected a positive number", "0"),
    ({"groups": -2}, "groups: expected a positive number", "-2"),
    ({"groups": 3}, "groups: expected a divisor of the 4 channels of x", "3"),
    ({"groups": 2.0}, "groups: expected an int", "2.0"),
    ({"algo": "magic"}, "algo: expected one of auto, ", "'magic'"),
    ({"algo": "auto:much"}, "algo: expected auto:direct, auto:exact", "'auto:much'"),
    ({"algo": "magic", "x": (0, 4, 8, 8)}, "algo: expected one of auto, ", "'magic'"),
    ({"algo": None}, "algo: expected a string", "None"),
]
CONV = [
    ({"x": (1, 3, 8, 8)}, "w: expected size 3 in dimension 1", r"\[4, 4, 3, 3\]"),
    ({"w": (4, 4, 9, 3)}, "w: expected a kernel no larger than the padded input", "9"),
    ({"dilation": 2**39}, "w: expected a kernel no larger than the padded input", "2"),
    ({"w": (6, 1, 3, 3), "groups": 4}, "groups: expected a divisor of the 6 output channels of w", "4"),
    ({"padding": "full"}, "padding: expected 'same', 'valid' or numbers", "'full'"),
    ({"padding": "same", "stride": 0}, "stride: expected positive numbers", r"\[0, 0\]"),
    ({"padding": "same", "w": (4, 4)}, "w: expected 4 dimensions", r"\[4, 4\]"),
]
TRANSPOSED = [
    ({"x": (1, 3, 8, 8)}, "x: expected 4 channels, as w has in dimension 0", r"\[1, 3, 8, 8\]"),
    ({"x": (1, 4, 0, 8)}, "x: expected spatial sizes of at least 1", r"\[1, 4, 0, 8\]"),
    ({"padding": 9}, "output size: expected", "-8"),
    ({"stride": 2**40}, "output size: expected", "769"),
    ({"padding": "same"}, "padding: expected numbers here", "'same'"),
    ({"output_padding": 1}, "output_padding: expected .* less than stride or dilation", r"\[1, 1\]"),
    ({"output_padding": -1}, "output_padding: expected numbers that are not negative", r"\[-1, -1\]"),
    ({"output_padding": "1"}, "output_padding: expected an int or a sequence of 2", "'1'"),
]


@pytest.mark.parametrize("arguments, expected, came", [*BOTH, *CONV], ids=str)
def test_conv2d(arguments, expected, came):
    with pytest.raises(torchconv.TorchconvError, match=f"^{expected}.*got .*{came}"):
        call(torchconv.conv2d, **arguments)


@pytest.mark.parametrize("arguments, expected, came", [*BOTH, *TRANSPOSED], ids=str)
def test_conv_transpose2d(arguments, expected, came):
    with pytest.raises(torchconv.TorchconvError, match=f"^{expected}.*got .*{came}"):
        call(torchconv.conv_transpose2d, **arguments)


@pytest.mark.parametrize(
    "change, came",
    [
        (torch.Tensor.to_sparse, "torch.sparse_coo"),
        (torch.Tensor.to_mkldnn, "torch._mkldnn"),
        (lambda t: torch.quantize_per_tensor(t, 1.0, 0, torch.quint8), "torch.quint8"),
    ],
)
def test_only_dense_tensors(change, came):
    x, w = torch.zeros(1, 4, 8, 8), torch.zeros(4, 4, 3, 3)
    with pytest.raises(torchconv.TorchconvError, match=f"^x: expected a dense tensor on cpu or cuda, got .*{came}"):
        torchconv.conv2d(change(x), w)
    with pytest.raises(torchconv.TorchconvError, match=f"^w: expected a dense tensor on cpu or cuda, got .*{came}"):
        torchconv.conv_transpose2d(x, change(w))


@pytest.mark.parametrize("function", [torchconv.conv1d, torchconv.conv_transpose1d])
@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({"x": (1, 1, 4, 8)}, "x: expected 3 dimensions, or 2 without a batch"),
        ({"w": (4, 4, 3, 3)}, "w: expected 3 dimensions"),
        ({"stride": (1, 1)}, "stride: expected an int, got"),
        ({"padding": (1, 1)}, r"padding: expected an int or \(\(left, right\),\)"),
        ({"dilation": 0}, "dilation: expected positive numbers"),
    ],
    ids=str,
)
def test_1d(function, arguments, expected):
    with pytest.raises(torchconv.TorchconvError, match=f"^{expected}"):
        call(function, **{"x": (1, 4, 8), "w": (4, 4, 3), **arguments})


@pytest.mark.parametrize("function", [torchconv.conv3d, torchconv.conv_transpose3d])
@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({"x": (4, 8, 8)}, "x: expected 5 dimensions, or 4 without a batch"),
        ({"w": (4, 4, 3, 3)}, "w: expected 5 dimensions for conv(_transpose)?3d"),
        ({"stride": (1, 1)}, "stride: expected an int or a sequence of 3, got"),
        ({"stride": (1, "1", 1)}, "stride: expected an int or a sequence of 3, got"),
        ({"padding": (1, 1)}, r"padding: expected an int or \(depth, vertical, horizontal\), each of these an int or"),
        (
            {"padding": (1, 1.5, 1)},
            r"padding: expected an int or \(depth, vertical, horizontal\), each of these an int",
        ),
        ({"dilation": (1, 0, 1)}, r"dilation: expected positive numbers, got \[1, 0, 1\]"),
        ({"groups": 3}, "groups: expected a divisor of the 4 "),
    ],
    ids=str,
)
def test_3d(function, arguments, expected):
    with pytest.raises(torchconv.TorchconvError, match=f"^{expected}"):
        call(function, **{"x": (1, 4, 5, 8, 8), "w": (4, 4, 3, 3, 3), **arguments})


@pytest.mark.parametrize("function", [torchconv.conv2d, torchconv.conv_transpose2d])
def test_an_argument_under_both_names(function):
    x, w = torch.zeros(1, 4, 8, 8), torch.zeros(4, 4, 3, 3)
    with pytest.raises(torchconv.TorchconvError, match=r"^input: expected x or input"):
        function(x, w, input=x)
    with pytest.raises(torchconv.TorchconvError, match=r"^weight: expected w or weight"):
        function(x, w, weight=w)


@pytest.mark.parametrize(
    "change, expected, came",
    [
        ({"x": (8, 8)}, "x: expected", r"\[8, 8\]"),
        ({"x": None}, "x: expected a torch.Tensor", "NoneType"),
        ({"kernel_size": 0}, "kernel_size: expected", "0"),
        ({"kernel_size": None}, "kernel_size: expected an int", "None"),
        ({"stride": 0}, "stride: expected positive numbers", r"\[0, 0\]"),
        ({"dilation": -1}, "dilation: expected positive numbers", r"\[-1, -1\]"),
        ({"padding": -1}, "padding: expected numbers that are not negative", "-1"),
        ({"padding": "same"}, "padding: expected numbers", "'same'"),
        ({"padding": 2**50}, r"padding: expected numbers", "1125899906842624"),
    ],
    ids=str,
)
def test_unfold(change, expected, came):
    arguments = {"x": (1, 4, 8, 8), "kernel_size": 3, **change}
    x = arguments.pop("x")
    with pytest.raises(torchconv.TorchconvError, match=f"^{expected}.*got .*{came}"):
        torchconv.unfold(x if x is None else torch.zeros(x), **arguments)


@pytest.mark.parametrize(
    "change, expected, came",
    [
        ({"columns": (8,)}, "columns: expected", r"\[8\]"),
        ({"columns": (1, 10, 36)}, "columns: expected", "10"),
        ({"columns": (1, 9, 35)}, "columns: expected", "35"),
        ({"columns": None}, "columns: expected a torch.Tensor", "NoneType"),
        ({"output_size": (8, 8, 8)}, "output_size: expected an int or a sequence of 2", r"\(8, 8, 8\)"),
        ({"output_size": 2**63}, "output_size: expected numbers up to", "9223372036854775808"),
        ({"stride": 0}, "stride: expected positive numbers", r"\[0, 0\]"),
    ],
    ids=str,
)
def test_fold(change, expected, came):
    arguments = {"columns": (1, 9, 36), "output_size": 8, "kernel_size": 3, **change}
    columns = arguments.pop("columns")
    with pytest.raises(torchconv.TorchconvError, match=f"^{expected}.*got .*{came}"):
        torchconv.fold(columns if columns is None else torch.zeros(columns), **arguments)


@pytest.mark.parametrize(
    "a, b, message",
    [
        (torch.zeros(2), torch.zeros(2, 2), r"a: expected \[M, K\], got \[2\]"),
        (torch.zeros(2, 3), torch.zeros(2, 3), r"b: expected \[3, N\] for a of size \[2, 3\], got \[2, 3\]"),
        (torch.zeros(2, 3, dtype=INT), torch.zeros(3, 2, dtype=INT), "a: expected dtype float32.*, got Long"),
        (torch.zeros(2, 3), torch.zeros(3, 2, dtype=F64), "b: expected dtype Float as a has, got Double"),
        (torch.zeros(2, 3), None, "b: expected a torch.Tensor, got NoneType"),
    ],
)
def test_gemm(a, b, message):
    with pytest.raises(torchconv.TorchconvError, match=f"^{message}"):
        torchconv.gemm(a, b)


@pytest.mark.parametrize(
    "function, a, b, names",
    [
        (torchconv.conv1d, (1, 4, 8), (4, 4, 3), "xw"),
        (torchconv.conv2d, (1, 4, 8, 8), (4, 4, 3, 3), "xw"),
        (torchconv.conv3d, (1, 4, 5, 8, 8), (4, 4, 3, 3, 3), "xw"),
        (torchconv.conv_transpose1d, (1, 4, 8), (4, 4, 3), "xw"),
        (torchconv.conv_transpose2d, (1, 4, 8, 8), (4, 4, 3, 3), "xw"),
        (torchconv.conv_transpose3d, (1, 4, 5, 8, 8), (4, 4, 3, 3, 3), "xw"),
        (torchconv.gemm, (4, 8), (8, 4), "ab"),
    ],
)
@pytest.mark.parametrize("mode", ["plain", "requires_grad", "grad", "vmap"])
def test_a_tensor_without_data_among_others(function, a, b, names, mode):
    x, w = torch.zeros(a), torch.zeros(b, device="meta")
    call = {
        "plain": lambda: function(x, w),
        "requires_grad": lambda: function(x.requires_grad_(), w),
        "grad": lambda: torch.func.grad(lambda x: function(x, w).sum())(x),
        "vmap": lambda: torch.vmap(function, (0, None))(x[None], w),
    }[mode]
    with pytest.raises(
        torchconv.TorchconvError, match=f"^{names[1]}: expected to be on cpu as {names[0]} is, got meta"
    ):
        call()


@pytest.mark.parametrize(
    "name, names",
    [
        ("conv_fwd", ("x", "w", "bias")),
        ("conv_grad_input", ("grad_y", "w", "bias")),
        ("conv_grad_weight", ("x", "grad_y")),
        ("gemm", ("a", "b")),
    ],
)
def test_the_operators_want_one_device(name, names):
    tensors, rest = arguments(name, SMALL[3], requires_grad=False)
    for i, operand in enumerate(names[1:], 1):
        mixed = [t.to("meta") if i == j else t for j, t in enumerate(tensors)]
        with pytest.raises(
            RuntimeError, match=f"^torchconv: {operand}: expected to be on cpu as {names[0]} is, got meta"
        ):
            getattr(ops, name)(*mixed, *rest)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a second device")
def test_devices_must_agree():
    x, w = torch.zeros(1, 4, 8, 8), torch.zeros(4, 4, 3, 3, device="cuda")
    with pytest.raises(torchconv.TorchconvError, match=r"^w: expected to be on cpu as x is, got cuda"):
        torchconv.conv2d(x, w)


def test_sizes_that_overflow():
    x = torch.zeros(1, 1, 1, 1).expand(2**31, 2**31, 1, 1)
    with pytest.raises(torchconv.TorchconvError, match=r"^x: expected a size that fits in memory, got"):
        torchconv.conv2d(x, torch.zeros(1, 1, 1, 1).expand(1, 2**31, 1, 1))


def test_the_exception_is_what_code_for_torch_catches():
    for kind in (RuntimeError, ValueError, torchconv.TorchconvError):
        with pytest.raises(kind, match="stride"):
            call(torchconv.conv2d, stride=0)


def test_the_exception_hides_the_operator():
    with pytest.raises(torchconv.TorchconvError) as caught:
        call(torchconv.conv2d, stride=0)
    assert caught.value.__suppress_context__
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("operators", [ops, torch.ops.torchconv], ids=["routed", "dispatched"])
def test_errors_in_backward(operators):
    """The operators run there without a function of torchconv around them. A hook changes what was saved for them."""
    (x, w, bias), rest = arguments("conv_fwd", SMALL[3])
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, torch.Tensor.float):
        y = operators.conv_fwd(x, w, bias, *rest)
    with pytest.raises(torchconv.TorchconvError, match=r"^w: expected dtype Double as grad_y has, got Float$"):
        y.sum().backward()


def test_other_errors_pass_unchanged():
    class Broken(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            raise RuntimeError("not torchconv's")

    with Broken(), pytest.raises(RuntimeError, match=r"^not torchconv's$") as caught:
        torchconv.conv2d(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    assert type(caught.value) is RuntimeError


def test_errors_under_compile():
    compiled = torch.compile(torchconv.conv2d, backend="eager")
    with pytest.raises(RuntimeError, match="stride: expected positive numbers"):
        call(compiled, stride=0)
