import Foundation
import TestSupport

/// Runs the program as a user whom permissions bind, which they don't root.
enum OrdinaryUser {
    static let reason = "permissions bind nobody here: root runs the tests, and the program can't be run as another user"

    /// Root becomes `nobody`; others stay who they are.
    private static func arguments(_ program: String, _ arguments: [String]) -> (String, [String]) {
        getuid() != 0
            ? (program, arguments)
            : ("/usr/bin/setpriv", ["--reuid", "65534", "--regid", "65534", "--clear-groups", program] + arguments)
    }

    static let isPossible: Bool = {
        (try? withWorkbench { bench in try bench.asOrdinaryUser("--version").status == 0 }) ?? false
    }()

    static func child(_ bench: Workbench, _ program: String, _ list: [String]) -> ChildProcess {
        let (path, all) = arguments(program, list)
        return ChildProcess(path, all, directory: bench.folder, environment: ["TMPDIR": bench.folder])
    }
}

extension Workbench {
    /// Runs dtrain in the folder, which is handed over to that user with all that is in it.
    func asOrdinaryUser(_ arguments: String...) throws -> Outcome {
        if getuid() == 0 {
            for name in [""] + (FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []) {
                lchown(folder + "/" + name, 65534, 65534)
            }
        }
        return Outcome(result: try OrdinaryUser.child(self, Self.program, arguments).run(), survivors: [])
    }
}
