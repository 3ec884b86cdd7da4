"""PyTorch on CPUs: one process, or DistributedDataParallel over gloo, one thread and one core each.

On an Intel Xeon with AVX-512, torch.compile was no faster than this (0.9 to 1.02 times, after compiling for up to half
a minute), processes that weren't pinned were slower, and the size of the buckets and the way gradients are cleared made
no difference on the small workload, whose gradients fit into one bucket. Networks on images run as PyTorch lays them out
(NCHW), or with --channels-last.

    python benchmarks/pytorch_ddp.py --workload small --ranks 2 --seconds 3 --windows 5
"""


import workloads


def dense(nn, workload):
    layers, inputs = [], workloads.INPUTS
    for units in workload["units"]:
        layers += [nn.Linear(inputs, units), nn.ReLU()]
        inputs = units
    return nn.Sequential(*layers[:-1])


def cnn(nn, workload):
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(inplace=True), nn.Conv2d(32, 64, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(inplace=True), nn.Linear(128, 10))


def resnet20(nn, workload):
    class Block(nn.Module):
        """Two convolutions; beside them, where the shape changes, one of 1×1."""

        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
                nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
            self.shortcut = nn.Identity() if inputs == outputs else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

        def forward(self, x):
            return nn.functional.relu(self.layers(x) + self.shortcut(x), inplace=True)

    layers, inputs = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)], 16
    for outputs, first_stride in ((16, 1), (32, 2), (64, 2)):
        for stride in (first_stride, 1, 1):
            layers.append(Block(inputs, outputs, stride))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def recurrent(nn, workload):
    class Last(nn.Module):
        """What a recurrent layer makes of the last step."""

        def __init__(self):
            super().__init__()
            kind = {"lstm": nn.LSTM, "gru": nn.GRU}[workload["cell"]]
            self.layer = kind(workload["shape"][1], workload["units"], workload["layers"], batch_first=True)

        def forward(self, x):
            return self.layer(x)[0][:, -1]

    return nn.Sequential(Last(), nn.Linear(workload["units"], 10))


NETWORKS = {"small": dense, "large": dense, "cnn": cnn, "resnet20": resnet20, "lstm": recurrent, "gru": recurrent}


def train(arguments, rank):
    if arguments.pin:
        workloads.pin(rank)
    import torch
    import torch.distributed as distributed
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    workload = workloads.WORKLOADS[arguments.workload]

    images, labels = (torch.from_numpy(array) for array in workloads.load(arguments.workload))
    model = NETWORKS[arguments.workload](torch.nn, workload)
    if arguments.channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    scale, shift = workloads.SCALE, workloads.SHIFT
    if workloads.is_colour(arguments.workload):
        deviations = torch.tensor(workloads.COLOUR_DEVIATIONS).reshape(3, 1, 1)
        scale, shift = 1 / (255 * deviations), -torch.tensor(workloads.COLOUR_MEANS).reshape(3, 1, 1) / deviations
    agree = lambda count: count
    if arguments.ranks > 1:
        distributed.init_process_group("gloo", init_method=f"file://{arguments.meeting}", rank=rank,
                                       world_size=arguments.ranks)
        model = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, static_graph=True,
                                                          bucket_cap_mb=arguments.bucket_megabytes)

        def agree(count):
            shared = torch.tensor([count])
            distributed.broadcast(shared, 0)
            distributed.barrier()
            return int(shared)

    # As in benchmarks/configs.
    kind = torch.optim.Adam if arguments.workload in ("small", "large") else torch.optim.AdamW
    optimizer = kind(model.parameters(), lr=workloads.LEARNING_RATE, fused=True)

    def loss(pixels, classes):
        # Weights, gradients and the loss stay float32; products take bfloat16.
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bfloat16):
            outputs = model(pixels)
        return torch.nn.functional.cross_entropy(outputs.float(), classes)

    if arguments.compile:
        loss = torch.compile(loss)
    batch = workload["batch"]
    order, position = torch.randperm(len(labels)), 0

    def run(steps):
        nonlocal order, position
        for _ in range(steps):
            if position + batch > len(order):
                order, position = torch.randperm(len(labels)), 0
            rows = order[position:position + batch]
            position += batch
            pixels = images.index_select(0, rows).float().mul_(scale).add_(shift)
            loss(pixels, labels.index_select(0, rows)).backward()
            optimizer.step()
            optimizer.zero_grad()
        return steps

    name = ("PyTorch DDP, gloo" if arguments.ranks > 1 else "PyTorch") + "".join(
        f", {what}" for what, is_so in (("channels-last", arguments.channels_last), ("bfloat16", arguments.bfloat16)) if is_so)
    versions = {"torch": torch.__version__, "vectors": torch.backends.cpu.get_cpu_capability()}
    workloads.measure(arguments, run, peer=name, ranks=arguments.ranks, versions=versions, agree=agree,
                      is_first=rank == 0)
    if arguments.ranks > 1:
        distributed.destroy_process_group()


def main():
    parser = workloads.arguments_of("PyTorch", NETWORKS)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--bucket-megabytes", type=float, default=25)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bfloat16", action="store_true", help="autocast: products of bfloat16")
    parser.add_argument("--channels-last", action="store_true", help="of images: the channels of a pixel side by side")
    parser.add_argument("--no-pin", dest="pin", action="store_false")
    parser.add_argument("--meeting", help="file by which the ranks meet, with --rank; made where it is missing")
    parser.add_argument("--rank", type=int, default=0)
    arguments = parser.parse_args()
    workloads.train_ranks(arguments, train)


if __name__ == "__main__":
    main()
