"""GPT in PyTorch on CPUs, the way that nanoGPT does it: one process, or DistributedDataParallel over gloo, one thread and
one core each; scaled_dot_product_attention, the fused AdamW, gradients clipped to a norm of 1.

    python benchmarks/pytorch_gpt.py --workload gpt --ranks 2 --seconds 3 --windows 5
    python benchmarks/pytorch_gpt.py --workload gpt --generate 500

The second prints how many tokens a second one stream has, with the keys and values of earlier tokens kept.
"""

import json
import time

import workloads


def network(torch, workload):
    nn, functional = torch.nn, torch.nn.functional
    width, heads, context, bias = workload["width"], workload["heads"], workload["shape"][0], workload["bias"]

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.before_attention = nn.LayerNorm(width, bias=bias)
            self.projections = nn.Linear(width, 3 * width, bias=bias)
            self.out = nn.Linear(width, width, bias=bias)
            self.before_mlp = nn.LayerNorm(width, bias=bias)
            self.up = nn.Linear(width, 4 * width, bias=bias)
            self.down = nn.Linear(4 * width, width, bias=bias)

        def forward(self, x, kept=None):
            """`kept`: keys and values of earlier tokens, [2, rows, heads, context, width of a head], and how many they are."""
            rows, length, _ = x.shape
            query, key, value = (part.view(rows, length, heads, -1).transpose(1, 2)
                                 for part in self.projections(self.before_attention(x)).split(width, 2))
            if kept is None:
                mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            else:
                memory, begin = kept
                memory[0][:, :, begin:begin + length] = key
                memory[1][:, :, begin:begin + length] = value
                mixed = functional.scaled_dot_product_attention(
                    query, memory[0][:, :, :begin + length], memory[1][:, :, :begin + length], is_causal=begin == 0)
            x = x + self.out(mixed.transpose(1, 2).reshape(rows, length, width))
            return x + self.down(functional.gelu(self.up(self.before_mlp(x))))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(workload["vocabulary"], width)
            self.positions = nn.Embedding(context, width)
            self.blocks = nn.ModuleList(Block() for _ in range(workload["blocks"]))
            self.norm = nn.LayerNorm(width, bias=bias)
            self.head = nn.Linear(width, workload["vocabulary"], bias=False)
            for module in self.modules():
                if isinstance(module, (nn.Embedding, nn.Linear)):
                    nn.init.normal_(module.weight, 0, 0.02)
            self.head.weight = self.tokens.weight

        def forward(self, x, kept=None, begin=0):
            x = self.tokens(x) + self.positions.weight[begin:begin + x.shape[1]]
            for number, block in enumerate(self.blocks):
                x = block(x, None if kept is None else (kept[number], begin))
            return self.head(self.norm(x if kept is None else x[:, -1:]))

    return GPT()


def generate(torch, model, workload, count):
    """Tokens a second; where the window is full, its second half begins the next one, as dtrain does."""
    context, heads = workload["shape"][0], workload["heads"]
    kept = torch.zeros(workload["blocks"], 2, 1, heads, context, workload["width"] // heads)
    model.eval()

    def run(count):
        tokens, begin = [0], 0
        for _ in range(count):
            if begin == context:
                tokens, begin = tokens[-(context // 2):], 0
            logits = model(torch.tensor([tokens[begin:]]), kept, begin)[0, -1]
            begin = len(tokens)
            tokens.append(int(torch.multinomial(torch.softmax(logits, 0), 1)))

    with torch.inference_mode():
        run(64)
        start = time.perf_counter()
        run(count)
        return count / (time.perf_counter() - start)


def train(arguments, rank):
    workloads.pin(rank)
    import numpy
    import torch
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    workload = workloads.WORKLOADS[arguments.workload]
    model = network(torch, workload)
    if arguments.generate:
        print(json.dumps({"peer": "PyTorch", "workload": arguments.workload,
                          "tokens_per_second": round(generate(torch, model, workload, arguments.generate), 1)}))
        return
    context, batch = workload["shape"][0], workload["batch"]
    tokens = torch.from_numpy(numpy.fromfile(workloads.token_file(arguments.workload), numpy.uint16).astype(numpy.int64))
    decayed = [weight for weight in model.parameters() if weight.dim() >= 2]
    others = [weight for weight in model.parameters() if weight.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": decayed}, {"params": others, "weight_decay": 0.0}],
                                  lr=workloads.LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    weights, agree = list(model.parameters()), lambda count: count
    if arguments.ranks > 1:
        import torch.distributed as distributed
        distributed.init_process_group("gloo", init_method=f"file://{arguments.meeting}", rank=rank,
                                       world_size=arguments.ranks)
        model = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, static_graph=True)

        def agree(count):
            shared = torch.tensor([count])
            distributed.broadcast(shared, 0)
            distributed.barrier()
            return int(shared)

    def loss(inputs, targets):
        logits = model(inputs)
        return torch.nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))

    if arguments.compile:
        loss = torch.compile(loss)
    generator = torch.Generator().manual_seed(rank + 1)

    def run(steps):
        for _ in range(steps):
            begins = torch.randint(len(tokens) - context, (batch,), generator=generator)
            windows = torch.stack([tokens[begin:begin + context + 1] for begin in begins])
            loss(windows[:, :-1], windows[:, 1:]).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return steps

    versions = {"torch": torch.__version__, "vectors": torch.backends.cpu.get_cpu_capability()}
    name = ("PyTorch DDP, gloo" if arguments.ranks > 1 else "PyTorch") + (", compiled" if arguments.compile else "")
    workloads.measure(arguments, run, peer=name, ranks=arguments.ranks, versions=versions, agree=agree,
                      is_first=rank == 0)
    if arguments.ranks > 1:
        distributed.destroy_process_group()


def main():
    known = [name for name in workloads.WORKLOADS if workloads.is_language(name)]
    parser = workloads.arguments_of("a GPT in PyTorch", known)
    parser.set_defaults(workload="gpt")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--generate", type=int, metavar="TOKENS", help="instead of training")
    parser.add_argument("--meeting", help="file by which the ranks meet, with --rank; made where it is missing")
    parser.add_argument("--rank", type=int, default=0)
    arguments = parser.parse_args()
    workloads.train_ranks(arguments, train)


if __name__ == "__main__":
    main()
