import Datasets
import Diagnostics
import Training

extension FuzzTarget {
    /// What `dtrain init` is pointed at: a file whose content says what it is, or a folder of images.
    static let firstLook = FuzzTarget("init", largestInput: 2048) { bytes, folder in
        let path: String
        if [0x89, 0xFF].contains(bytes.first) {
            for place in ["a/1", "a/2", "b/1", "b/2"] { _ = try folder.write("init/images/\(place).image", bytes) }
            path = folder.path + "/init/images"
        } else {
            path = try folder.write("init/x.data", bytes)
            // The targets of arrays lie beside them, in a file of the same kind.
            _ = try folder.write("init/y.data", bytes.first == 0x93 ? npyTargets : idxTargets)
        }
        let wishes = [
            DataSketch.Wishes(), .init(wantsClasses: true), .init(wantsClasses: false), .init(target: "1"), .init(target: "a")
        ]
        try folder.forEach(wishes) { wishes in
            let first = try FirstConfiguration(path: path, name: "fuzz.yaml", wishes)
            precondition(!first.text.isEmpty && !first.summary.isEmpty, "a configuration that says nothing")
        }
    }

    private static let idxTargets: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 1, 0]

    private static let npyTargets: [UInt8] = {
        let description = "{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }"
        let padded = description + String(repeating: " ", count: 117 - description.utf8.count) + "\n"
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(padded.utf8.count), 0] + Array(padded.utf8) + [0, 1, 1, 0]
    }()
}
