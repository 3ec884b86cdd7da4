import Collectives
import Diagnostics
import Settings

/// An error that a person can act on: one message, and the exit status that goes with it.
///
/// What is thrown by anything of yours that dtrain calls, and is no `Failure`, counts as a wrong configuration where options are read,
/// and as bad data where samples are.
public struct Failure: Error, CustomStringConvertible, Sendable {
    /// What kind of error it is.
    public enum Kind: Sendable {
        /// Files or arrays are damaged, or don't fit: exit status 65.
        case badData
        /// A file isn't there: 66.
        case missingInput
        /// Reading, writing or communicating failed: 74.
        case inputOutput
        /// The configuration is wrong: 78.
        case badConfiguration
        /// Any other; `exitStatus` tells.
        case other
    }

    /// What kind of error it is.
    public let kind: Kind
    /// Where, what was expected, what was found, and what to do.
    public let message: String
    /// With what a program ends because of it; README's table has them.
    public let exitStatus: Int32
    /// As dtrain threw it, which tells the ranks who speaks.
    let original: any Error

    /// An error of your own.
    public init(_ kind: Kind, _ message: String) {
        let code: ExitCode =
            switch kind {
            case .badData: .badData
            case .missingInput: .missingInput
            case .inputOutput: .inputOutput
            case .badConfiguration: .badConfiguration
            case .other: .internalError
            }
        self.init(kind, Diagnostics.Failure(code, message))
    }

    private init(_ kind: Kind, _ failure: Diagnostics.Failure, original: (any Error)? = nil) {
        self.kind = kind
        message = failure.message
        exitStatus = failure.code.rawValue
        self.original = original ?? failure
    }

    /// An error of dtrain's, for a program of one's own.
    init(_ error: any Error) {
        if let own = error as? Failure {
            self = own
            return
        }
        let failure =
            (error as? AgreedFailure)?.failure ?? error as? Diagnostics.Failure
            ?? Diagnostics.Failure(.internalError, "\(error)")
        let kind: Kind =
            switch failure.code {
            case .badData: .badData
            case .missingInput: .missingInput
            case .inputOutput: .inputOutput
            case .badConfiguration: .badConfiguration
            default: .other
            }
        self.init(kind, failure, original: error)
    }

    /// The message.
    public var description: String { message }
}

/// Calls something of dtrain's on behalf of a program of one's own.
func forProgram<Value>(_ body: () throws -> Value) throws(Failure) -> Value {
    do { return try body() } catch { throw Failure(error) }
}

/// Calls something of a program's own on behalf of dtrain; `wording` makes an error of what is none of dtrain's.
func forDtrain<Value>(_ body: () throws -> Value, else wording: (String) -> Diagnostics.Failure) throws -> Value {
    do {
        return try body()
    } catch let failure as Failure {
        throw failure.original
    } catch let failure as Diagnostics.Failure {
        throw failure
    } catch {
        throw wording("\(error)")
    }
}
