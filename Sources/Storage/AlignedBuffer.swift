import Foundation

/// A fixed number of elements in memory of its own, on a cache line boundary, zero at first. It has one owner and is
/// freed with it.
///
/// `Element` is a plain number. The pointers it hands out are valid as long as the buffer lives.
package struct AlignedBuffer<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
    // Sendable: moving the owner moves the memory; sharing while it is written is for the kernels' tiling to exclude.

    /// The first element. Invariant: `count` elements from here are initialised.
    package let base: UnsafeMutablePointer<Element>
    package let count: Int

    /// Cache lines, and no vector load crosses one.
    package static var alignment: Int { 64 }

    private static var largePage: Int { 2 << 20 }

    /// The bytes that a buffer of `count` elements takes: whole cache lines, of large ones whole large pages.
    package static func byteCount(_ count: Int) -> Int {
        let bytes = max(count, 1) * MemoryLayout<Element>.stride
        let alignment = alignment(bytes)
        return (bytes + alignment - 1) / alignment * alignment
    }

    private static func alignment(_ bytes: Int) -> Int { bytes < largePage ? alignment : largePage }

    package init(count: Int, repeating value: Element) {
        precondition(count >= 0, "a buffer of \(count) elements")
        let bytes = max(count, 1) * MemoryLayout<Element>.stride
        let alignment = Self.alignment(bytes)
        let rounded = Self.byteCount(count)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: rounded, alignment: alignment)
        #if os(Linux)
            // Large pages where the system has some: walks over a weight matrix touch a page per row.
            if bytes >= Self.largePage { madvise(memory, rounded, MADV_HUGEPAGE) }
        #endif
        base = memory.bindMemory(to: Element.self, capacity: max(count, 1))
        base.initialize(repeating: value, count: max(count, 1))
        self.count = count
    }

    deinit {
        UnsafeMutableRawPointer(base).deallocate()
    }

    package subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count, "element \(index) of \(count)")
            return base[index]
        }
        nonmutating set {
            precondition(index >= 0 && index < count, "element \(index) of \(count)")
            base[index] = newValue
        }
    }

    /// All elements.
    package var elements: UnsafeMutableBufferPointer<Element> { UnsafeMutableBufferPointer(start: base, count: count) }

    /// The first `length` elements.
    package func first(_ length: Int) -> UnsafeMutableBufferPointer<Element> {
        precondition(length >= 0 && length <= count, "\(length) of \(count) elements")
        return UnsafeMutableBufferPointer(start: base, count: length)
    }
}

extension AlignedBuffer where Element == Float {
    package init(count: Int) { self.init(count: count, repeating: 0) }

    /// Rows of `columns` elements from `offset` on.
    package func matrix(rows: Int, columns: Int, offset: Int = 0) -> MutableMatrixView {
        precondition(
            offset >= 0 && offset + rows * columns <= count,
            "a \(rows)×\(columns) matrix at \(offset) of a buffer of \(count)")
        return MutableMatrixView(base: base + offset, rows: rows, columns: columns)
    }
}

extension AlignedBuffer where Element == Double {
    package init(count: Int) { self.init(count: count, repeating: 0) }
}
