/// Messages between ranks that were begun and move on while something else is done, each in a place of its own.
///
/// A place is used again and again, for one message at a time. Between two ranks, messages of one tag arrive in the order in
/// which they were sent. One thread at a time.
package protocol Messages: AnyObject {
    /// Begins to send `bytes`, which must stay as they are until the place is idle.
    func send(_ place: Int, to rank: Int, tag: Int, _ bytes: UnsafeRawBufferPointer) throws

    /// Begins to receive as many bytes as there is room for; nobody may touch them until the place is idle.
    func receive(_ place: Int, from rank: Int, tag: Int, into bytes: UnsafeMutableRawBufferPointer) throws

    /// Lets everything under way move on. Without it, nothing but small messages does.
    func progress() throws

    /// Whether nothing is under way in the place, as far as `progress` has seen.
    func isIdle(_ place: Int) -> Bool

    /// How many messages are under way.
    var underWay: Int { get }
}
