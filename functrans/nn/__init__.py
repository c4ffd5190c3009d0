"""functrans.nn: the operators of neural networks as pure functions, by torch.nn.functional's names.

>>> import numpy as np
>>> from functrans import grad, nn
>>> logits, labels = np.zeros((2, 4)), np.array([1, 3])
>>> grad(nn.cross_entropy)(logits, labels)
array([[ 0.125, -0.375,  0.125,  0.125],
       [ 0.125,  0.125,  0.125, -0.375]])

`axis` stands where torch says `dim`. Parameters are arguments: whatever tree they are kept in, `grad` by it gives such a tree.

The operators of Torch's catalogue, and what they are here (x: the input):

    Abs, Square, Sqrt                                      np.abs, np.square, np.sqrt
    AbsCriterion, L1Cost                                   l1_loss, np.sum(np.abs(x))
    BCECriterion                                           binary_cross_entropy, binary_cross_entropy_with_logits
    ClassNLLCriterion, SpatialClassNLLCriterion            nll_loss
    CrossEntropyCriterion                                  cross_entropy
    DistKLDivCriterion                                     kl_div
    MSECriterion, SmoothL1Criterion                        mse_loss, smooth_l1_loss
    MarginCriterion, SoftMarginCriterion                   margin_loss, soft_margin_loss
    MultiMarginCriterion                                   multi_margin_loss
    MultiLabelMarginCriterion                              multilabel_margin_loss, multilabel_soft_margin_loss
    ELU, LeakyReLU, PReLU, RReLU                           elu, leaky_relu, prelu, rrelu
    Threshold, HardTanh                                    threshold, relu, hardtanh, relu6
    HardShrink, SoftShrink                                 hardshrink, softshrink
    Sigmoid, LogSigmoid, Tanh                              sigmoid, logsigmoid, tanh
    GatedLinear                                            glu
    SoftMax, LogSoftMax, SoftPlus                          softmax, log_softmax, softplus
    BatchNormalization                                     batch_norm, BatchNorm
    Linear, SparseLinear, IndexLinear                      linear, sparse_linear, index_linear
    LookupTable                                            embedding, embedding_bag, one_hot
    FusedRNNKernel                                         lstm_cell, gru_cell, rnn_cell, lstm, gru, rnn
    Im2Col, Vol2Col, Col2Im, Col2Vol                       unfold, fold
    FeatureLPPooling                                       np.moveaxis(lp_pool1d(np.moveaxis(x, 1, -1), p, size), -1, 1)
    TemporalConvolution, SpatialConvolutionMM              conv1d, conv2d
    VolumetricConvolutionMM                                conv3d
    SpatialDilatedConvolution                              conv2d (dilation=...)
    VolumetricDilatedConvolution                           conv3d (dilation=...)
    SpatialFullConvolution, SpatialFullDilatedConvolution  conv_transpose1d, conv_transpose2d
    VolumetricFullConvolution                              conv_transpose3d
    VolumetricFullDilatedConvolution                       conv_transpose3d
    SpatialDepthwiseConvolution                            conv2d (groups=C)
    TemporalRowConvolution                                 conv1d (groups=C)
    SpatialConvolutionLocal                                conv_local
    SpatialConvolutionMap                                  conv2d(x, connected(weight, connections, outputs, features))
    SpatialFullConvolutionMap                              conv_transpose2d(x, connected(weight, connections, features, outputs))
    TemporalSubSampling                                    avg_pool1d(x, size) * size * weight + bias
    SpatialSubSampling                                     avg_pool2d(x, size) * size**2 * weight + bias
    SpatialAveragePooling, VolumetricAveragePooling        avg_pool2d, avg_pool3d
    SpatialAdaptiveAveragePooling                          adaptive_avg_pool1d, adaptive_avg_pool2d
    VolumetricAdaptiveAveragePooling                       adaptive_avg_pool3d
    SpatialAdaptiveMaxPooling                              adaptive_max_pool1d, adaptive_max_pool2d
    VolumetricAdaptiveMaxPooling                           adaptive_max_pool3d
    TemporalMaxPooling, SpatialMaxPooling                  max_pool1d, max_pool2d
    VolumetricMaxPooling                                   max_pool3d
    SpatialDilatedMaxPooling                               max_pool2d (dilation=...)
    VolumetricDilatedMaxPooling                            max_pool3d (dilation=...)
    SpatialFractionalMaxPooling                            fractional_max_pool2d
    VolumetricFractionalMaxPooling                         fractional_max_pool3d
    SpatialMaxUnpooling, VolumetricMaxUnpooling            max_unpool1d, max_unpool2d, max_unpool3d
    TemporalReflectionPadding, SpatialReflectionPadding    pad (mode="reflect")
    TemporalReplicationPadding, SpatialReplicationPadding  pad (mode="replicate")
    VolumetricReplicationPadding                           pad (mode="replicate")
    TemporalUpSamplingNearest, SpatialUpSamplingNearest    interpolate (mode="nearest")
    VolumetricUpSamplingNearest                            interpolate (mode="nearest")
    TemporalUpSamplingLinear                               interpolate (mode="linear")
    SpatialUpSamplingBilinear, SpatialUpSamplingBicubic    interpolate (mode="bilinear", "bicubic")
    VolumetricUpSamplingTrilinear                          interpolate (mode="trilinear")
    SpatialGridSamplerBilinear                             grid_sample, affine_grid
    VolumetricGridSamplerBilinear                          grid_sample, affine_grid

What it never had:

    activations      gelu, silu, swish, mish, celu, selu, hardswish, hardsigmoid, tanhshrink, softsign, squareplus, softmin,
                     logsumexp
    at random        gumbel_softmax, dropout, dropout1d, dropout2d, dropout3d, alpha_dropout, feature_alpha_dropout
    normalisation    layer_norm, group_norm, instance_norm, rms_norm, local_response_norm, normalize
    attention        scaled_dot_product_attention
    losses           ctc_loss, huber_loss, gaussian_nll_loss, poisson_nll_loss, triplet_margin_loss,
                     triplet_margin_with_distance_loss, cosine_embedding_loss, hinge_embedding_loss, margin_ranking_loss
    distances        cosine_similarity, pairwise_distance, pdist, bilinear
    images           pixel_shuffle, pixel_unshuffle, channel_shuffle, lp_pool2d, lp_pool3d
    first weights    initializers
"""

from functrans.nn import initializers
from functrans.nn.activations import (
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softplus,
    softshrink,
    softsign,
    squareplus,
    swish,
    tanh,
    tanhshrink,
    threshold,
)
from functrans.nn.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from functrans.nn.attention import scaled_dot_product_attention
from functrans.nn.average_pooling import avg_pool1d, avg_pool2d, avg_pool3d, lp_pool1d, lp_pool2d, lp_pool3d
from functrans.nn.cells import gru, gru_cell, lstm, lstm_cell, rnn, rnn_cell
from functrans.nn.connections import connected, conv_local
from functrans.nn.convolution import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from functrans.nn.ctc import ctc_loss
from functrans.nn.distances import cosine_similarity, normalize, pairwise_distance, pdist
from functrans.nn.dropout import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
    gumbel_softmax,
    rrelu,
)
from functrans.nn.folding import channel_shuffle, fold, pixel_shuffle, pixel_unshuffle, unfold
from functrans.nn.linear import bilinear, embedding, embedding_bag, index_linear, linear, one_hot, sparse_linear
from functrans.nn.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
from functrans.nn.margins import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from functrans.nn.max_pooling import max_pool1d, max_pool2d, max_pool3d
from functrans.nn.normalization import (
    BatchNorm,
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from functrans.nn.padding import pad
from functrans.nn.resizing import interpolate
from functrans.nn.sampling import affine_grid, grid_sample
from functrans.nn.softmax import log_softmax, logsumexp, softmax, softmin
from functrans.nn.unpooling import (
    fractional_max_pool2d,
    fractional_max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)

__all__ = [
    "BatchNorm", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "affine_grid", "alpha_dropout", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "channel_shuffle",
    "connected", "conv1d", "conv2d", "conv3d", "conv_local", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "ctc_loss", "dropout", "dropout1d", "dropout2d",
    "dropout3d", "elu", "embedding", "embedding_bag", "feature_alpha_dropout", "fold", "fractional_max_pool2d",
    "fractional_max_pool3d", "gaussian_nll_loss", "gelu", "glu", "grid_sample", "group_norm", "gru", "gru_cell",
    "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hinge_embedding_loss", "huber_loss",
    "index_linear", "initializers", "instance_norm", "interpolate", "kl_div", "l1_loss", "layer_norm", "leaky_relu",
    "linear", "local_response_norm", "log_softmax", "logsigmoid", "logsumexp", "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "lstm", "lstm_cell", "margin_loss", "margin_ranking_loss", "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d",
    "max_unpool2d", "max_unpool3d", "mish", "mse_loss", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "nll_loss", "normalize", "one_hot", "pad", "pairwise_distance", "pdist", "pixel_shuffle",
    "pixel_unshuffle", "poisson_nll_loss", "prelu", "relu", "relu6", "rms_norm", "rnn", "rnn_cell", "rrelu",
    "scaled_dot_product_attention", "selu", "sigmoid", "silu", "smooth_l1_loss", "soft_margin_loss", "softmax", "softmin",
    "softplus", "softshrink", "softsign", "sparse_linear", "squareplus", "swish", "tanh", "tanhshrink", "threshold",
    "triplet_margin_loss", "triplet_margin_with_distance_loss", "unfold",
]  # fmt: skip
