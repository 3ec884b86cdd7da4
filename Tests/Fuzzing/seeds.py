#!/usr/bin/env python3
"""Writes the seeds of the fuzzers: small files that the readers accept. Files that fuzzing found are beside them.

    Tests/Fuzzing/seeds.py .build/release/dtrain

Needs Python 3 alone. The pictures are those of Tests/References/images, the checkpoints' states are made by dtrain.
"""
import glob, gzip, hashlib, io, json, os, re, shutil, struct, subprocess, sys, tempfile, zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
DTRAIN = os.path.abspath(sys.argv[1])


def write(target, name, content):
    folder = os.path.join(HERE, "Seeds", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)


def compressed(content):
    return gzip.compress(content, mtime=0)


# Configurations: those of the repository name all kinds of data, layers and optimizers.
for path in sorted(glob.glob(os.path.join(HERE, "../../configs/*.yaml"))):
    lines = [re.sub(" +#.*", "", line) for line in open(path) if not line.lstrip().startswith("#")]
    if sum(map(len, lines)) <= 1024:
        write("yaml", os.path.basename(path), "".join(lines))
write("yaml", "forms.yaml", """\
%YAML 1.1
---
data: {format: csv, train: {path: "a b.csv", target: [y, 'z']}, normalize: {scale: 2, mean: [1, -1e-3]}, augmentation: [
  gaussian_noise: {std: 0.1}, cutmix]}
model:
  layers:
    - residual: {layers: [batch_norm, dense: {units: 64}]}
    - {dense: {units: 8, name: in, initializer: {normal: {mean: 0, standard_deviation: 0.1}}}}
    - relu
    - &eight {dense: {units: 8}}
    - *eight
    - reshape: {shape: [1, 2, 4]}
    - conv2d: {filters: 4, kernel: [3, 2], padding: same}
    - max_pool2d: {size: 2}
    - flatten
    - dense: {units: 2}
loss: {cross_entropy: {label_smoothing: 0.1}}
optimizer: {adamw: {learning_rate: 1e-3, weight_decay: .01}}
schedule: {cosine: {warmup_steps: 10}}
training:
  # A comment.
  epochs: 3
  seed: 7
checkpoint:
  on_error: >-
    stop
...
""")
write("yaml", "sequences.yaml", """\
data: {format: text, train: {path: t.txt}, context: 12}
model:
  layers:
    - embedding: {embedding_dim: 4}
    - lstm: {units: 3, bidirectional: true, output: all}
    - gru: {units: 3}
    - dense: {units: 2}
""")
write("override", "lines", "training.epochs=3\nmodel.layers.0.dense.units=64\ndata={format: idx, train: {inputs: a, targets: b}}\n"
      "optimizer.adam.betas=[0.9, 0.99]\nmodel.layers.1={conv2d: {filters: 3}}\n")

# Tables.
write("csv", "header.csv", 'a,b,color,"quo,ted",y\n1,,red,"x",cat\n2,3e-1,blue,"y,z",dog\n-1,4,red,"q""r",cat\n5,6,blue,x,dog\n')
write("csv", "blanks.txt", "# a comment\n1  2 3\n4 5   6\n0 1 2.5\n")
write("csv", "semicolons.csv", "y;weight;x\n1.000;2,5;-3,25\n2;1;0\n")
write("csv", "mark.csv.gz", compressed("\ufeffa,b\r\n1,2\r\n3,4\r\n5,6\r\n".encode()))
dates = "".join(f"2020-{month:02d}-01,{value},{value * 2}\n" for month, value in zip(range(1, 13), [1, 3, 2, 5, 4, 7, 6, 8, 9, 7, 5, 3]))
write("series", "months.csv", "date,a,b\n" + dates)
write("series", "keys.csv", "time,key,x\n" + "".join(f"{t},{key},{t * 0.5}\n" for key in ["a", "b"] for t in range(8)))
write("series", "hours.csv", "t,k,v\n" + "".join(f"2021-03-28T{hour:02d}:00:00Z,s,{hour}\n" for hour in range(12)))
write("texts", "mails.csv", 'text,label\n"Win a prize, now!",spam\nsee you at 10,ham\nd\u00e9j\u00e0 vu \u4e2d,ham\nfree prize,spam\n')
write("texts", "numbers.csv", "text,value\nok,1.5\nnot ok at all,-2\nx,0\nlast,3\n")
write("text", "words.txt", "It was the best of times,\nit was the worst of times: \u00e4\u20ac\U0001f600.\n")
write("text", "plain.txt", "that the he ab tab 12 bed 'a' box\n" * 2)
write("text", "words.txt.gz", compressed(b"a rose is a rose is a rose"))
write("ucr", "rows.tsv", "1\t0.5\t1\t2\n2\t1\tNaN\tNaN\n1\t3\t4\t5\n2\t1e-3\t-2\t7\n")
write("ucr", "archive.ts", "# a comment\n@problemName P\n@timeStamps false\n@missing false\n@univariate false\n@dimensions 2\n"
      "@equalLength true\n@seriesLength 3\n@classLabel true a b\n@data\n1,2,3:4,5,6:a\n0,0,1:1,0,0:b\n2,2,2:3,3,3:a\n")
write("ucr", "unequal.ts", "@univariate true\n@classLabel true x y\n@data\n1,2,3,4:x\n5:y\n6,7:x\n8,9,1:y\n")

# Arrays.
def idx(kind, sizes, elements):
    return bytes([0, 0, kind, len(sizes)]) + b"".join(struct.pack(">I", size) for size in sizes) + elements


write("idx", "bytes.idx", idx(8, [4, 2, 3], bytes(range(24))))
write("idx", "labels.idx", idx(8, [4], bytes([0, 1, 1, 2])))
write("idx", "floats.idx", idx(13, [4, 2], struct.pack(">8f", 1, -2, 3.5, 0, 4, 5, 6, 7)))
write("idx", "doubles.idx.gz", compressed(idx(14, [4], struct.pack(">4d", 1, 2, 3, 4))))


def npy(description, shape, elements, fortran=False, version=1):
    text = f"{{'descr': '{description}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    length = 2 if version == 1 else 4
    text += " " * (63 - (6 + 2 + length + len(text)) % 64) + "\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(length, "little") + text.encode() + elements


floats = struct.pack("<12f", *[value / 2 for value in range(12)])
write("npy", "floats.npy", npy("<f4", (2, 2, 3), floats))
write("npy", "images.npy", npy("|u1", (2, 2, 2, 3), bytes(range(24))))
write("npy", "columns.npy", npy(">i2", (3, 2), struct.pack(">6h", 1, 2, 3, 4, 5, 6), fortran=True))
write("npy", "bools.npy", npy("|b1", (3,), bytes([0, 1, 1]), version=2))
write("npy", "doubles.npy", npy("<f8", (2, 2), struct.pack("<4d", 1, 2, 3, 4)))
for name, method in [("stored.npz", zipfile.ZIP_STORED), ("deflated.npz", zipfile.ZIP_DEFLATED)]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for member, content in [("x_train", npy("<f4", (4, 3), floats)), ("y_train", npy("<i8", (4,), struct.pack("<4q", 0, 1, 0, 1)))]:
            entry = zipfile.ZipInfo(member + ".npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = method
            archive.writestr(entry, content)
    write("npz", name, buffer.getvalue())


def packed(description, content):
    text = json.dumps(description).encode()
    return (b"DTRAINP1" + struct.pack("<Q", len(text)) + text).ljust(4096, b"\0") + content


write("packed", "classes.packed", packed(
    {"count": 2, "dimensions": [1, 2, 2], "type": 8, "target": {"classes": {"count": 2}}, "classNames": ["ant", "bee"]},
    bytes(range(8)) + struct.pack("<2i", 0, 1)))
write("packed", "values.packed", packed(
    {"count": 2, "dimensions": [3], "type": 13, "target": {"values": {"count": 1}}},
    struct.pack(">6f", 1, 2, 3, 4, 5, 6) + struct.pack("<2f", 0.5, -1)))
write("packed", "inputs.packed", packed({"count": 2, "dimensions": [3], "type": 8, "target": {"inputs": {"count": 3}}}, bytes(range(6))))
write("cifar", "one.bin", bytes([3]) + bytes(value % 251 for value in range(3072)))
write("cifar", "two.bin", bytes([0, 9]) + bytes(3072) + bytes([1, 99]) + bytes([255] * 3072))
for path in sorted(glob.glob(os.path.join(HERE, "../References/images/*"))):
    target = {".png": "png", ".jpg": "jpeg"}.get(os.path.splitext(path)[1])
    if target and os.path.getsize(path) <= 1100:
        write(target, os.path.basename(path), open(path, "rb").read())


# Tokens and what makes them. Not all bytes have one here: a file of all would be longer than a fuzzer likes.
def tokenizer(cutter, **other):
    vocabulary = ["Ġ", "Ċ", "č", "'", ":", "<", ">", "|", "s", "T", "h", "e", "a", "o", "f", "t", "i", "x", "1", "2", "b", "n", "d",
                  "Ã", "©", "ð", "Ł", "ĺ", "Ģ", "ã", "h", "ĢĢ", "th", "he", "Ġt", "Ġth", "ab"]
    vocabulary = list(dict.fromkeys(vocabulary))
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": len(vocabulary), "content": "<s>", "single_word": False, "lstrip": True, "rstrip": True,
                              "normalized": False, "special": True}],
            "normalizer": None, "pre_tokenizer": cutter, "post_processor": None, "decoder": {"type": "ByteLevel"},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": {token: number for number, token in enumerate(vocabulary)},
                      "merges": [["t", "h"], ["h", "e"], ["Ģ", "Ģ"], ["Ġ", "t"], ["Ġt", "h"], ["a", "b"]], **other}}


byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
qwen = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
split = {"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": qwen}, "behavior": "Isolated", "invert": False},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}
for name, file in [("gpt2", tokenizer(byte_level)), ("qwen2", tokenizer(split, ignore_merges=True)),
                   ("strings", tokenizer(byte_level, merges=["t h", "h e"]))]:
    write("tokenizer", f"{name}.json", json.dumps(file, ensure_ascii=False))
write("tokens", "nanogpt.bin", struct.pack("<40H", *(7 * number % 300 for number in range(40))))
write("tokens", "wide.bin", struct.pack("<20I", *(7 * number % 300 for number in range(20))))
write("tokens", "llmc.bin", struct.pack("<256i", 20240520, 1, 30, *[0] * 253) + struct.pack("<30H", *range(30)))
write("tokens", "llama.bin", struct.pack("<256i", 20240801, 7, 12, *[0] * 253) + struct.pack("<12I", *range(12)))
write("tokens", "beyond.bin", struct.pack("<12H", *range(295, 307)))

# Checkpoints.
def safetensors(header, content):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


write("safetensors", "two.safetensors", safetensors(
    {"0.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "0.bias": {"dtype": "F64", "shape": [1],
     "data_offsets": [16, 24]}, "__metadata__": {"format": "pt"}}, struct.pack("<4fd", 1, 2, 3, 4, 5)))
write("safetensors", "halves.safetensors", safetensors(
    {"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}, "b": {"dtype": "BF16", "shape": [], "data_offsets": [4, 6]},
     "c": {"dtype": "I64", "shape": [1], "data_offsets": [6, 14]}, "d\u00e9": {"dtype": "U8", "shape": [0, 3],
     "data_offsets": [14, 14]}}, bytes(range(14))))
write("safetensors", "empty.safetensors", safetensors({}, b""))


def gpt2(linear, prefix="transformer."):
    """The weights of the network that the target has; `linear` is the order of sizes that products have."""
    shapes = {"wte.weight": [3, 2], "wpe.weight": [2, 2], "ln_f.weight": [2], "ln_f.bias": [2]} | {
        f"h.0.{name}": shape for name, shape in {
            "ln_1.weight": [2], "ln_1.bias": [2], "attn.c_attn.weight": linear([2, 6]), "attn.c_attn.bias": [6],
            "attn.c_proj.weight": [2, 2], "attn.c_proj.bias": [2], "ln_2.weight": [2], "ln_2.bias": [2],
            "mlp.c_fc.weight": [2, 2], "mlp.c_fc.bias": [2], "mlp.c_proj.weight": [2, 2], "mlp.c_proj.bias": [2]}.items()}
    header, content = {}, b""
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[prefix + name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(content), len(content) + 4 * count]}
        content += struct.pack(f"<{count}f", *[0.5] * count)
    return safetensors(header, content)


write("gpt2", "model.safetensors", gpt2(list))
write("gpt2", "nanogpt.safetensors", gpt2(lambda sizes: sizes[::-1], prefix="_orig_mod.transformer."))
write("gpt2", "config.json", json.dumps({
    "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "layer_norm_epsilon": 1e-05, "model_type": "gpt2",
    "n_head": 1, "n_inner": None, "scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": True}))

log = [{"event": "start", "ranks": 1}, {"event": "step", "step": 10, "epoch": 1, "loss": 1.25, "lr": 0.01},
       {"event": "validation", "step": 10, "loss": 1.5, "confusion": [[1, 2], [3, 4]]}, {"event": "step", "step": 20, "loss": None},
       {"event": "change", "step": 20}, {"event": "end", "step": 20, "digest": "ab"}, {"event": "step", "step": 15, "loss": 1e300}]
write("metrics", "log.jsonl", "".join(json.dumps(line) + "\n" for line in log))
write("metrics", "cut.jsonl", json.dumps(log[1]) + "\n" + json.dumps(log[2])[:40])

# What `report` reads: any of its files, or lines of all of them in one.
times = [{"event": "start", "step": 0, "ranks": 2, "unix_seconds": 1790000000.5},
         {"event": "time", "step": 1, "seconds": 0.021, "samples": 64, "paused": 0},
         {"event": "time", "step": 10, "seconds": 0.25, "samples": 640, "paused": 0.01},
         {"event": "end", "step": 20, "seconds": 0.5, "samples": 1280, "paused": 0.02},
         {"event": "start", "step": 15, "ranks": 1}, {"event": "time", "step": 20, "seconds": 0.3, "samples": 64, "paused": 0},
         {"event": "phases", "rank": 0, "host": "a<b", "seconds": {"forward": 0.25, "backward": 0.5}},
         {"event": "phases", "rank": 1, "host": "b", "seconds": {"forward": 0.125, "wait": 0.625}}]
ranks = ("2026-11-28T15:04:05Z start: dtrain 0.1.0 on host a, pid 7, 2 ranks\n2026-11-28T15:04:06Z warning: <script> & \"quotes\"\n"
         "2026-11-28T15:04:07Z error: no space left\n2026-11-28T15:05:05Z start: dtrain 0.1.0\n2026-11-28T15:05:09Z end: complete\n")
curves = [{"event": "step", "step": step, "epoch": 1, "loss": 2 / step, "accuracy": 0.1 * step, "learning_rate": 0.01} for step in range(1, 4)]
curves += [{"event": "validation", "step": 3, "loss": 0.5, "accuracy": 0.75, "confusion_matrix": [[1, 2], [3, 4]]},
           {"event": "end", "step": 3, "reason": "complete", "validation_loss": 0.5, "digest": "ab"}]
write("report", "times.jsonl", "".join(json.dumps(line) + "\n" for line in times))
write("report", "rank.txt", ranks)
write("report", "run", ranks + "".join(json.dumps(line) + "\n" for line in curves + times[:4]))
# Each finite, but not what they come to.
write("report", "huge.jsonl", "".join(json.dumps(line) + "\n" for line in [
    {"event": "start", "step": 0}, {"event": "time", "step": 1, "seconds": 1e308, "samples": 1, "paused": -1e308}, {"event": "start", "step": 1},
    {"event": "time", "step": 2, "seconds": 1.7e308, "samples": 9, "paused": 1e308}, {"event": "step", "step": 2, "loss": 1e308},
    {"event": "step", "step": 9, "loss": -1e308}]))

# What `init` is pointed at.
write("init", "images.idx", idx(8, [4, 2, 3], bytes(range(24))))
write("init", "images.npy", npy("|u1", (4, 2, 2, 3), bytes(range(48))))
write("init", "grey.png", open(os.path.join(HERE, "Seeds/png/grey8.png"), "rb").read())
write("init", "grey.jpg", open(os.path.join(HERE, "Seeds/jpeg/grey.jpg"), "rb").read())
write("init", "arrays.npz", open(os.path.join(HERE, "Seeds/npz/stored.npz"), "rb").read())
write("init", "text.txt", "It was the best of times, it was the worst of times, it was the age of wisdom.\n" * 12)
write("init", "table.csv", "# a table\na,b,color,id,y\n" + "".join(
    f"{row % 7 / 2},{row * row % 11},{['red', 'blue', ''][row % 3]},{row},{['cat', 'dog'][row % 2]}\n" for row in range(24)))
write("init", "numbers.txt", "".join(f"{row};{row * row % 13},5;{row % 5}\n" for row in range(20)))
write("init", "summary.csv", "6,2,ant,bee\n" + "".join(f"{row},{row / 4},{row % 2}\n" for row in range(6)))
write("init", "sentences.tsv", "text\tlabel\n" + "".join(
    f"this is the sentence of {word}\t{'good' if place % 2 else 'bad'}\n" for place, word in enumerate("one two three four five six seven eight".split())))

# What each of them is trained on, and a network of a few numbers.
CHARACTERS = len(set(open(os.path.join(HERE, "Seeds/text/words.txt"), encoding="utf-8").read()))
RUNS = {
    "csv": ("format: csv, train: {path: csv/header.csv, target: y}, missing: mean, standardize: true", "{dense: {units: 2}}"),
    "series": ("format: series, train: {path: series/months.csv, target: b, inputs: [a, b], time: date}, window: 4, horizon: 2, "
               "standardize: true", "{gru: {units: 2, output: last}}, {dense: {units: 2}}"),
    "texts": ("format: texts, train: {path: texts/mails.csv, text: text, target: label}, tokens: words, length: 5",
              "{embedding: {embedding_dim: 2}}, {lstm: {units: 2, output: last}}, {dense: {units: 2}}"),
    "text": ("format: text, train: {path: text/words.txt}, context: 4",
             f"{{embedding: {{embedding_dim: 2}}}}, {{dense: {{units: {CHARACTERS}}}}}"),
    "tokens": ("format: tokens, train: {path: tokens/nanogpt.bin}, vocabulary: 300, context: 4",
               "{embedding: {embedding_dim: 2}}, {dense: {units: 300}}"),
    "tokenizer": ("format: text, train: {path: text/plain.txt}, tokens: {tokenizer: tokenizer/gpt2.json}, context: 2, stride: 1",
                  f"{{embedding: {{embedding_dim: 2}}}}, {{dense: {{units: {len(tokenizer(byte_level)['model']['vocab']) + 1}}}}}"),
    "ucr": ("format: ucr, train: {path: ucr/unequal.ts}", "{simple_rnn: {units: 2, output: last}}, {dense: {units: 2}}"),
    "idx": ("format: idx, train: {inputs: idx/floats.idx, targets: idx/labels.idx}", "{dense: {units: 3}}"),
}
with tempfile.TemporaryDirectory() as work:
    for name, (data, layers) in RUNS.items():
        loss = "mean_squared_error" if name == "series" else "cross_entropy"
        text = (f"data: {{{data}}}\nmodel: {{layers: [{layers}]}}\nloss: {loss}\n"
                "training: {max_steps: 2, global_batch_size: 2, micro_batch_size: 1}\n")
        with open(os.path.join(HERE, "Seeds", "fuzz.yaml"), "w") as file:
            file.write(text)
        try:
            subprocess.run([DTRAIN, "train", "fuzz.yaml", "--run", f"{work}/{name}", "--quiet"], cwd=os.path.join(HERE, "Seeds"),
                           check=True, stdout=subprocess.DEVNULL)
        finally:
            os.remove(os.path.join(HERE, "Seeds", "fuzz.yaml"))
        content = open(f"{work}/{name}/checkpoints/step-00000002/state.json", "rb").read()
        start = content.index(b'\n"state": ') + len(b'\n"state": ')
        end = content.rindex(b',\n"sha256"')
        write("state", f"{name}.json", content[start:end])
        if name != "csv":
            continue
        # With the files that the target puts beside it.
        file = {"bytes": 10, "sha256": hashlib.sha256(struct.pack("<Q", 2) + b"{}").hexdigest()}
        files = json.dumps({"model.safetensors": file, "optimizer.safetensors": file})
        write("manifest", "csv", b'{\n"format": 1,\n"step": 2,\n"files": ' + files.encode() + b',\n"state": ' + content[start:end] + b",\n")
