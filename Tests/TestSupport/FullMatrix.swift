import Foundation

/// Whether matrices run in full, every combination, as before a release: `DTRAIN_TESTS=full`. Otherwise tests take the
/// combinations that have found faults.
package let isFullMatrix = ProcessInfo.processInfo.environment["DTRAIN_TESTS"] == "full"
