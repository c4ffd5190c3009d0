"""The table in functrans.nn's docstring: all of Torch's operators are in it, and all of functrans.nn's."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from functrans import nn
from tests import test_nn, test_nn_images, test_nn_random, test_nn_windows
from tests.torch_oracle import draw

THNN = """
Abs AbsCriterion BCECriterion BatchNormalization ClassNLLCriterion Col2Im Col2Vol CrossEntropyCriterion DistKLDivCriterion ELU
FeatureLPPooling FusedRNNKernel GatedLinear HardShrink HardTanh Im2Col IndexLinear L1Cost LeakyReLU Linear LogSigmoid LogSoftMax
LookupTable MSECriterion MarginCriterion MultiLabelMarginCriterion MultiMarginCriterion PReLU RReLU Sigmoid SmoothL1Criterion
SoftMarginCriterion SoftMax SoftPlus SoftShrink SparseLinear SpatialAdaptiveAveragePooling SpatialAdaptiveMaxPooling
SpatialAveragePooling SpatialClassNLLCriterion SpatialConvolutionLocal SpatialConvolutionMM SpatialConvolutionMap
SpatialDepthwiseConvolution SpatialDilatedConvolution SpatialDilatedMaxPooling SpatialFractionalMaxPooling SpatialFullConvolution
SpatialFullConvolutionMap SpatialFullDilatedConvolution SpatialGridSamplerBilinear SpatialMaxPooling SpatialMaxUnpooling
SpatialReflectionPadding SpatialReplicationPadding SpatialSubSampling SpatialUpSamplingBicubic SpatialUpSamplingBilinear
SpatialUpSamplingNearest Sqrt Square Tanh TemporalConvolution TemporalMaxPooling TemporalReflectionPadding
TemporalReplicationPadding TemporalRowConvolution TemporalSubSampling TemporalUpSamplingLinear TemporalUpSamplingNearest Threshold
Vol2Col VolumetricAdaptiveAveragePooling VolumetricAdaptiveMaxPooling VolumetricAveragePooling VolumetricConvolutionMM
VolumetricDilatedConvolution VolumetricDilatedMaxPooling VolumetricFractionalMaxPooling VolumetricFullConvolution
VolumetricFullDilatedConvolution VolumetricGridSamplerBilinear VolumetricMaxPooling VolumetricMaxUnpooling
VolumetricReplicationPadding VolumetricUpSamplingNearest VolumetricUpSamplingTrilinear
"""
TABLE = [
    re.split(r" {2,}", line.strip(), maxsplit=1) for line in (nn.__doc__ or "").splitlines() if line[:4] == " " * 4
]
NO_ROW = {
    "BatchNorm", "batch_norm", "connected", "conv_local", "ctc_loss", "gru", "gru_cell", "gumbel_softmax", "index_linear",
    "initializers", "logsumexp", "lstm", "lstm_cell", "margin_loss", "one_hot", "rnn", "rnn_cell", "rrelu", "sparse_linear",
    "squareplus", "swish", "triplet_margin_with_distance_loss",
}  # fmt: skip
"""What has a test of its own, for torch has it under another name or not at all."""
NOT_OPERATORS = {
    "x",
    "p",
    "size",
    "weight",
    "bias",
    "connections",
    "outputs",
    "features",
    "mode",
    "dilation",
    "groups",
    "C",
}


def _names(text: str) -> list[str]:
    return re.findall(r"(?<![\w.\"-])(?:np\.)?[A-Za-z]\w*(?!\w|\")", text)


def test_all_of_torchs_operators_are_in_the_table() -> None:
    left = [name for row in TABLE for name in row[0].split(", ") if len(row) == 2 and name[0].isupper()]
    assert sorted(left) == sorted(THNN.split())


def test_what_the_table_names_exists() -> None:
    """In functrans.nn or in NumPy; and no name of functrans.nn is left out."""
    named = [name for row in TABLE for name in _names(row[-1])]
    for name in set(named) - NOT_OPERATORS:
        assert hasattr(np, name[3:]) if name.startswith("np.") else name in nn.__all__, name
    assert set(nn.__all__) <= set(named)


def test_every_operator_has_a_row_in_the_tests() -> None:
    rows = {row[0] for tests in (test_nn, test_nn_images, test_nn_windows) for row in tests.ROWS.values()}
    checked = rows | set(test_nn_random.SHAPES)
    assert set(nn.__all__) - checked == NO_ROW


def test_layers_that_are_compositions() -> None:
    """Those of which the table has an expression, against the convolution or the sum that they are."""
    x, weight, bias = np.abs(draw(2, 3, 4, 6)), draw(3, 1, 1), draw(3, 1, 1)
    names = {**vars(nn), "np": np, "x": x, "weight": weight, "bias": bias, "size": 2, "p": 3.0}
    formulas = {row[0]: row[1] for row in TABLE if len(row) == 2 and "(x" in row[1]}
    close: Callable[..., None] = np.testing.assert_allclose

    spread = np.broadcast_to(weight[..., None], (3, 1, 2, 2))
    close(eval(formulas["SpatialSubSampling"], names), nn.conv2d(x, spread, bias.ravel(), 2, groups=3), rtol=1e-12)
    rows = {**names, "x": x[..., 0], "weight": weight[..., 0], "bias": bias[..., 0]}
    one_axis: Any = nn.conv1d(x[..., 0], spread[..., 0], bias.ravel(), 2, groups=3)
    close(eval(formulas["TemporalSubSampling"], rows), one_axis, rtol=1e-12)
    flat = x.reshape(2, 3, 24)
    pooled = eval(formulas["FeatureLPPooling"], {**names, "x": flat, "size": 3})
    close(pooled[:, 0], np.sum(flat**3, 1) ** (1 / 3), rtol=1e-12)
    close(eval(formulas["AbsCriterion, L1Cost"].split(", ")[1], names), np.abs(x).sum(), rtol=1e-12)
