#!/usr/bin/env python3
"""Writes unicode-names.csv.gz, the data of unicode-names.yaml, beside itself: names of letters, and their scripts.

The names are those of the Unicode Character Database as Python's unicodedata has them (version 14.0.0 in Python 3.11, with
which the file in this folder was made; another version gives other rows). They may be used under the Unicode License v3, which
lies beside the data as unicode-names.LICENSE.

The rule, in this order:
- characters of the general categories L* (letters) whose name begins with one of the words below, which is the class;
- without names that only count or are computed (CJK UNIFIED IDEOGRAPH-4E00, HANGUL SYLLABLE GAG);
- the word of the script is taken out, and all words that say what kind of letter it is, or which form or phase: what is left is
  what the letter is called ("y with hook", "ghwa", "alef maksura");
- in small letters, each name once for each script, sorted.
Some names occur in several scripts, as letters do ("ka"): no network can tell all of them apart.
"""
import gzip
import pathlib
import re
import unicodedata

SCRIPTS = {
    "ARABIC": "arabic", "BAMUM": "bamum", "CANADIAN": "canadian", "CUNEIFORM": "cuneiform", "ETHIOPIC": "ethiopic",
    "GREEK": "greek", "COPTIC": "greek", "HANGUL": "hangul", "LATIN": "latin", "VAI": "vai", "YI": "yi",
}
KINDS = {
    "CAPITAL", "CHARACTER", "FORM", "IDEOGRAPH", "LETTER", "LIGATURE", "SIGN", "SMALL", "SYLLABICS", "SYLLABLE",
    "ISOLATED", "INITIAL", "MEDIAL", "FINAL", "CHOSEONG", "JUNGSEONG", "JONGSEONG",
}

rows = set()
for code in range(0x110000):
    character = chr(code)
    name = unicodedata.name(character, "")
    if not unicodedata.category(character).startswith("L"):
        continue
    if re.search(r"-[0-9A-F]{4,6}$", name) or name.startswith("HANGUL SYLLABLE"):
        continue
    script, *words = name.split() or [""]
    words = [word for word in words if word not in KINDS and not word.startswith("PHASE-")]
    if script in SCRIPTS and words:
        rows.add((" ".join(words).lower(), SCRIPTS[script]))

text = "name,script\n" + "".join(f"{name},{script}\n" for name, script in sorted(rows))
target = pathlib.Path(__file__).with_suffix(".csv.gz")
# Without a time in it, the same rows are the same file.
target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
print(f"{target.name}: {len(rows)} rows, Unicode {unicodedata.unidata_version}")
