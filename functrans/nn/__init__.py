"""functrans.nn: the operators of neural networks as pure functions, by torch.nn.functional's names.

>>> import numpy as np
>>> from functrans import grad, nn
>>> logits, labels = np.zeros((2, 4)), np.array([1, 3])
>>> grad(nn.cross_entropy)(logits, labels)
array([[ 0.125, -0.375,  0.125,  0.125],
       [ 0.125,  0.125,  0.125, -0.375]])

`axis` stands where torch says `dim`. Parameters are arguments: whatever tree they are kept in, `grad` by it gives such a tree.
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
from functrans.nn.convolution import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from functrans.nn.ctc import ctc_loss
from functrans.nn.distances import cosine_similarity, normalize, pairwise_distance, pdist
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

__all__ = [
    "BatchNorm", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "affine_grid", "avg_pool1d", "avg_pool2d", "avg_pool3d", "batch_norm",
    "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "channel_shuffle", "conv1d", "conv2d",
    "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_embedding_loss", "cosine_similarity",
    "cross_entropy", "ctc_loss", "elu", "embedding", "embedding_bag", "fold", "gaussian_nll_loss", "gelu", "glu",
    "grid_sample", "group_norm", "gru", "gru_cell", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "hinge_embedding_loss", "huber_loss", "index_linear", "initializers", "instance_norm", "interpolate", "kl_div",
    "l1_loss", "layer_norm", "leaky_relu", "linear", "local_response_norm", "log_softmax", "logsigmoid", "logsumexp",
    "lp_pool1d", "lp_pool2d", "lp_pool3d", "lstm", "lstm_cell", "margin_loss", "margin_ranking_loss", "max_pool1d",
    "max_pool2d", "max_pool3d", "mish", "mse_loss", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "nll_loss", "normalize", "one_hot", "pad", "pairwise_distance", "pdist", "pixel_shuffle",
    "pixel_unshuffle", "poisson_nll_loss", "prelu", "relu", "relu6", "rms_norm", "rnn", "rnn_cell",
    "scaled_dot_product_attention", "selu", "sigmoid", "silu", "smooth_l1_loss", "soft_margin_loss", "softmax", "softmin",
    "softplus", "softshrink", "softsign", "sparse_linear", "squareplus", "swish", "tanh", "tanhshrink", "threshold",
    "triplet_margin_loss", "triplet_margin_with_distance_loss", "unfold",
]  # fmt: skip
