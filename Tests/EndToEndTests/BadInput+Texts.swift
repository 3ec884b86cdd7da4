import Diagnostics

extension BadInput {
    /// A table of texts that is wrong, named `t.csv`.
    private static func texts(
        _ name: String, says: [String], onRanks: Bool = false, code: ExitCode = .badData, _ table: [UInt8],
        columns: String = "text: message, target: label", data: String = "tokens: words"
    ) -> BadInput {
        BadInput(name, code, says: says, onRanks: onRanks) { bench in
            try bench.write("t.csv", table)
            try bench.write("c.yaml", Material.texts("t.csv", columns: columns, data: data))
            return ["train", "c.yaml", "--run", "run"]
        }
    }

    private static func texts(
        _ name: String, says: [String], onRanks: Bool = false, code: ExitCode = .badData, _ table: String,
        columns: String = "text: message, target: label", data: String = "tokens: words"
    ) -> BadInput {
        texts(name, says: says, onRanks: onRanks, code: code, Array(table.utf8), columns: columns, data: data)
    }

    private static let good = "message,label\nhi you,0\nwin cash,1\n"

    static let texts: [BadInput] = [
        texts(
            "a text in another encoding", says: ["t.csv:3: column \"message\"", "UTF-8"],
            Array("message,label\nhi,0\ncaf".utf8) + [0xE9, 0x2C, 0x31, 0x0A]),
        texts("a text in UTF-16", says: ["t.csv", "UTF-16"], [0xFF, 0xFE, 0x6D, 0, 0x2C, 0]),
        texts(
            "a text without a word", says: ["t.csv:3: column \"message\"", "one word or more", "found \" \""], onRanks: true,
            "message,label\nhi,0\n\" \",1\n"),
        texts("a table of texts without rows", says: ["t.csv: an empty set"], "message,label\n"),
        texts("texts of one class", says: ["t.csv: column \"label\"", "one class \"a\""], "message,label\nhi,a\nho,a\n"),
        texts("a text without a class", says: ["t.csv:2: column \"label\"", "missing"], "message,label\nhi,\nho,a\n"),
        texts(
            "a comma in a text", says: ["t.csv:2: expected 2 cells, found 3", "quotation marks"],
            "message,label\nhi, you,0\nho,1\n"),
        texts(
            "a quotation mark in a text", says: ["t.csv:2", "never closed", "quotes: false"], "message,label\n\"hi,0\nho,1\n"),
        texts(
            "no column of texts", says: ["data.train.text", "\"massage\"", "did you mean \"message\"?"], onRanks: true,
            code: .badConfiguration, good, columns: "text: massage, target: label"),
        texts(
            "a text that is its own target", says: ["column \"label\" is named twice"], code: .badConfiguration, good,
            columns: "text: label, target: label"),
        texts(
            "samples of no token", says: ["c.yaml", "data.length", "found 0"], code: .badConfiguration, good, data: "length: 0"),
        texts(
            "a vocabulary of one word", says: ["c.yaml", "data.vocabulary", "found 1"], code: .badConfiguration, good,
            data: "vocabulary: 1"),
        texts(
            "noise on tokens", says: ["c.yaml", "data.augment", "tokens are names"], code: .badConfiguration, good,
            data: "augment: [gaussian_noise: 0.1]"),
        texts(
            "an unknown class in validation texts", says: ["v.csv:2: column \"label\"", "from 0 to 1, found 3"], good,
            data: "validation: {path: v.csv}"
        )
        .adding("v.csv", "message,label\nhi,3\n")
    ]
}
