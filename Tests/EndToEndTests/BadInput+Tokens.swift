import Diagnostics

extension BadInput {
    /// A text and a configuration whose data or training section is wrong.
    private static func tokens(
        _ name: String, says: [String], onRanks: Bool = false, code: ExitCode = .badConfiguration, data: String,
        training: String = "max_steps: 1", files: [(String, [UInt8])] = []
    ) -> BadInput {
        BadInput(name, code, says: says, onRanks: onRanks) { bench in
            try bench.write("t.txt", "To be, or not to be")
            for (name, bytes) in files { try bench.write(name, bytes) }
            try bench.write(
                "c.yaml",
                "data: {\(data)}\nmodel: {layers: [{embedding: {embedding_dim: 2}}, {dense: {units: 256}}]}\nloss: cross_entropy\n"
                    + "training: {\(training)}\n")
            return ["train", "c.yaml", "--run", "run"]
        }
    }

    private static let bytes = "format: text, train: {path: t.txt}, tokens: bytes, context: 4"
    private static let numbers = "format: tokens, train: {path: t.bin}, vocabulary: 256, context: 4"

    static let tokens: [BadInput] = [
        tokens(
            "an empty text", says: ["t.txt: an empty text"], onRanks: true, code: .badData, data: bytes, files: [("t.txt", [])]),
        tokens(
            "a text that is shorter than a window", says: ["t.txt: 19 bytes, but a sample takes 33", "data.context: 32"],
            code: .badData,
            data: bytes.replacing("context: 4", with: "context: 32")),
        tokens(
            "an unknown kind of tokens", says: ["c.yaml:1", "data.tokens", "expected characters, bytes, or {tokenizer: FILE}"],
            data: bytes.replacing("bytes", with: "words")),
        tokens(
            "a tokenizer that isn't there", says: ["none.json"], onRanks: true, code: .missingInput,
            data: bytes.replacing("bytes", with: "{tokenizer: none.json}")),
        tokens(
            "a tokenizer of another kind", says: ["w.json: a tokenizer of the kind \"Unigram\"", "expected byte-level BPE"],
            onRanks: true,
            code: .badData, data: bytes.replacing("bytes", with: "{tokenizer: w.json}"),
            files: [("w.json", Array(#"{"model": {"type": "Unigram", "vocab": []}}"#.utf8))]),
        tokens(
            "a text that isn't UTF-8", says: ["t.txt", "UTF-8", "byte 1"], code: .badData,
            data: bytes.replacing("bytes", with: "characters"), files: [("t.txt", [0x61, 0xFF, 0x62])]),
        tokens(
            "a file of tokens that is cut", says: ["t.bin: 3 bytes of tokens of 2 bytes"], code: .badData, data: numbers,
            files: [("t.bin", [1, 0, 2])]),
        tokens("a file of tokens that isn't there", says: ["t.bin"], onRanks: true, code: .missingInput, data: numbers),
        tokens(
            "no vocabulary", says: ["data.vocabulary: missing", "data.tokenizer"],
            data: "format: tokens, train: {path: t.bin}, context: 4"),
        tokens(
            "a step that doesn't hold whole windows",
            says: ["training.global_batch_tokens", "a multiple of data.context, 4, found 10", "8 and 12"],
            data: bytes, training: "max_steps: 1, global_batch_tokens: 10"),
        tokens(
            "two sizes of a step", says: ["training.global_batch_tokens", "leave out one of the two"], data: bytes,
            training: "max_steps: 1, global_batch_tokens: 8, global_batch_size: 2"),
        BadInput(
            "tokens of a step where samples have none",
            says: ["training.global_batch_tokens", "aren't made of a number of tokens that is known"],
            configuration: Material.digits.replacing("global_batch_size: 64", with: "global_batch_tokens: 64"))
    ]
}
