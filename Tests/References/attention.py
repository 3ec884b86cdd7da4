"""PyTorch's modules for dtrain's layers of Transformers, and their rows of layers.json."""

import math

import torch
from torch import nn
from torch.nn import functional


class PositionalEmbedding(nn.Module):
    """Adds a row of a table to each step: one that is trained, or of sines and cosines."""

    def __init__(self, steps, width, options):
        super().__init__()
        if options.get("kind", "learned") == "learned":
            self.weight = nn.Parameter(torch.zeros(options.get("num_embeddings", steps), width, dtype=torch.float64))
            return
        angles = torch.arange(steps)[:, None] * torch.exp(-math.log(10000.0) * (torch.arange(width) // 2 * 2)[None] / width)
        self.table = torch.where(torch.arange(width) % 2 == 0, angles.sin(), angles.cos())

    def forward(self, x):
        return x + (self.weight[: x.shape[1]] if hasattr(self, "weight") else self.table)


def turned(x, base):
    """Heads [..., steps, width] turned by their positions, pairs half a head apart."""
    steps, width = x.shape[-2:]
    angles = torch.arange(steps, dtype=torch.float64)[:, None] * base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    low, high = x.chunk(2, -1)
    return torch.cat([low * angles.cos() - high * angles.sin(), high * angles.cos() + low * angles.sin()], -1)


class SelfAttention(nn.MultiheadAttention):
    """Of one input; with `lengths` the attention of steps behind a sample's end is zeros."""

    lengths = None

    def __init__(self, width, options):
        super().__init__(width, options["heads"], bias=options.get("bias", True), batch_first=True)
        self.options = options

    def forward(self, x):
        steps = x.shape[1]
        mask = torch.ones(steps, steps, dtype=torch.bool).triu(1) if self.options.get("causal") else None
        ignored = None if self.lengths is None else torch.arange(steps)[None] >= self.lengths[:, None]
        if self.options.get("rotary"):
            base = self.options["rotary"]["base"] if isinstance(self.options["rotary"], dict) else 10000.0
            q, k, v = (functional.linear(x, self.in_proj_weight, self.in_proj_bias)
                       .unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4))
            y = functional.scaled_dot_product_attention(turned(q, base), turned(k, base), v, is_causal=mask is not None)
            return self.out_proj(y.transpose(1, 2).flatten(2))
        y, _ = super().forward(x, x, x, key_padding_mask=ignored, attn_mask=mask, need_weights=False)
        bias = torch.zeros(1) if self.out_proj.bias is None else self.out_proj.bias
        return y if ignored is None else torch.where(ignored[..., None], bias.expand_as(y), y)


class GroupedAttention(nn.Module):
    """Fewer heads of keys and values than of queries."""

    def __init__(self, width, options):
        super().__init__()
        self.options, head = options, width // options["heads"]
        keys = options["key_value_heads"] * head
        bias = options.get("bias", True)
        self.q_proj, self.k_proj = nn.Linear(width, width, bias), nn.Linear(width, keys, bias)
        self.v_proj, self.out_proj = nn.Linear(width, keys, bias), nn.Linear(width, width, bias)

    def forward(self, x):
        def heads(y, count):
            return y.unflatten(-1, (count, -1)).transpose(1, 2)

        q = heads(self.q_proj(x), self.options["heads"])
        k, v = (heads(part(x), self.options["key_value_heads"]) for part in (self.k_proj, self.v_proj))
        if self.options.get("rotary"):
            q, k = turned(q, 10000.0), turned(k, 10000.0)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=self.options.get("causal", False), enable_gqa=True)
        return self.out_proj(y.transpose(1, 2).flatten(2))


class Encoder(nn.TransformerEncoderLayer):
    """PyTorch's own block; `lengths` and `causal` become its masks."""

    lengths = None

    def __init__(self, width, options):
        function = {"gelu": functional.gelu, "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
                    "relu": functional.relu, "silu": functional.silu}[options.get("activation", "gelu")]
        super().__init__(
            width, options["heads"], options.get("hidden", 4 * width), dropout=0.0, activation=function,
            layer_norm_eps=options.get("epsilon", 1e-5), batch_first=True, norm_first=options.get("norm", "pre") == "pre",
            bias=options.get("bias", True))
        self.isCausal = options.get("causal", False)

    def forward(self, x):
        steps = x.shape[1]
        mask = torch.ones(steps, steps, dtype=torch.bool).triu(1) if self.isCausal else None
        ignored = None if self.lengths is None else torch.arange(steps)[None] >= self.lengths[:, None]
        return super().forward(x, src_mask=mask, src_key_padding_mask=ignored, is_causal=self.isCausal)


class Llama(nn.Module):
    """A block with a gate, rms_norm, and perhaps grouped heads."""

    def __init__(self, width, options):
        super().__init__()
        hidden, bias = options.get("hidden", 4 * width), options.get("bias", True)
        grouped = options.get("key_value_heads", options["heads"]) != options["heads"]
        self.norm1 = nn.RMSNorm(width, eps=options.get("epsilon", 2.0 ** -23))
        self.self_attn = (GroupedAttention if grouped else SelfAttention)(width, options)
        self.norm2 = nn.RMSNorm(width, eps=options.get("epsilon", 2.0 ** -23))
        self.linear_gate, self.linear1 = nn.Linear(width, hidden, bias), nn.Linear(width, hidden, bias)
        self.linear2 = nn.Linear(hidden, width, bias)

    def forward(self, x):
        x = x + self.self_attn(self.norm1(x))
        y = self.norm2(x)
        return x + self.linear2(functional.silu(self.linear_gate(y)) * self.linear1(y))


def module(kind, options, shape):
    """The module of a kind for samples [steps, width]; None where it is another kind."""
    if kind == "rms_norm":
        return nn.RMSNorm(shape[-options.get("dimensions", 1):], eps=options.get("epsilon", 2.0 ** -23),
                          elementwise_affine=options.get("affine", True))
    if kind == "positional_embedding":
        return PositionalEmbedding(*shape, options)
    if kind == "multi_head_attention":
        grouped = options.get("key_value_heads", options["heads"]) != options["heads"]
        return (GroupedAttention if grouped else SelfAttention)(shape[1], options)
    if kind == "transformer_block":
        return (Llama if options.get("gated") else Encoder)(shape[1], options)
    return None


def cases(case):
    """Rows of the table, made by `case` of layers.py."""
    def attention(**options):
        return {"multi_head_attention": options}

    def block(**options):
        return {"transformer_block": {"dropout": 0.0, **options}}

    pooled = [{"permute": {"dimensions": [2, 1]}}, "global_average_pool1d"]
    llama = {"gated": True, "activation": "silu", "normalization": "rms_norm"}
    return [
        case(800, "rms_norm", ["rms_norm"], [11], rows=5),
        case(801, "rms_norm on the last of two axes, large epsilon", [{"rms_norm": {"epsilon": 0.5}}], [3, 8]),
        case(802, "rms_norm over two axes without parameters", [{"rms_norm": {"dimensions": 2, "affine": False}}], [3, 4]),
        case(803, "positional_embedding", ["positional_embedding"], [5, 4]),
        case(804, "positional_embedding with more positions than steps", [{"positional_embedding": {"num_embeddings": 9}}], [4, 3]),
        case(805, "positional_embedding, sinusoidal, then dense",
             [{"positional_embedding": {"kind": "sinusoidal"}}, {"dense": {"units": 2}}], [6, 7]),
        case(806, "parallel, multiplied", [{"parallel": {"combine": "multiply", "branches": [
            {"layers": [{"dense": {"units": 3}}, "sigmoid"]}, {"layers": [{"dense": {"units": 3}}]}]}}], [4]),
        case(810, "multi_head_attention of one head", [attention(heads=1)], [5, 4]),
        case(811, "multi_head_attention", [attention(heads=3)], [7, 12], rows=3),
        case(812, "multi_head_attention, causal, no bias", [attention(heads=2, causal=True, bias=False)], [9, 6], rows=3),
        case(813, "multi_head_attention of one step", [attention(heads=2)], [1, 4]),
        case(814, "multi_head_attention, lengths", [attention(heads=2)], [5, 4], lengths=[5, 1, 3, 2]),
        case(815, "multi_head_attention, causal, lengths", [attention(heads=2, causal=True)], [6, 4], lengths=[2, 6, 1, 4]),
        case(816, "multi_head_attention, rotary", [attention(heads=2, rotary=True)], [6, 8], rows=3),
        case(817, "multi_head_attention, rotary with another base, causal",
             [attention(heads=1, rotary={"base": 100.0}, causal=True)], [5, 6], rows=3),
        case(818, "multi_head_attention, grouped heads", [attention(heads=4, key_value_heads=2)], [5, 8], rows=3),
        case(819, "multi_head_attention, one head of keys for all, causal, rotary, no bias",
             [attention(heads=3, key_value_heads=1, causal=True, rotary=True, bias=False)], [4, 12], rows=2),
        case(820, "multi_head_attention over 67 steps, causal", [attention(heads=1, causal=True)], [67, 3], rows=1),
        case(830, "transformer_block", [block(heads=2, hidden=9)], [4, 6], rows=3),
        case(831, "transformer_block, norms behind, relu", [block(heads=2, hidden=7, norm="post", activation="relu")], [4, 6], rows=3),
        case(832, "transformer_block, causal, gelu by tanh, no bias",
             [block(heads=3, hidden=8, causal=True, activation="gelu_tanh", bias=False, epsilon=0.01)], [5, 6], rows=2),
        case(833, "transformer_block, lengths, then the mean over steps", [block(heads=2, hidden=6), *pooled], [5, 4], lengths=[5, 2, 1, 3]),
        case(834, "transformer_block, norms behind, lengths", [block(heads=2, hidden=6, norm="post", activation="silu"), *pooled], [4, 4],
             lengths=[1, 4, 3, 2]),
        case(835, "transformer_block, gated, rms_norm, rotary", [block(heads=2, hidden=5, rotary=True, bias=False, **llama)], [4, 8], rows=3),
        case(836, "transformer_block, gated, rms_norm, grouped heads, causal",
             [block(heads=4, key_value_heads=2, hidden=5, causal=True, **llama)], [5, 8], rows=2),
        case(837, "a small language model with a tied weight", [
            {"embedding": {"embedding_dim": 6}}, "positional_embedding",
            {"repeat": {"times": 2, "layers": [block(heads=2, hidden=8, causal=True)]}}, "layer_norm",
            {"dense": {"units": 7, "bias": False, "tied_to": "0"}}], [5], rows=3, kinds=7),
    ]
