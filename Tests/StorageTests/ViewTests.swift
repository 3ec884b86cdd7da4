import Storage
import Testing

@Suite("Views")
struct ViewTests {
    @Test("parts of a view know which of their elements are cached")
    func cached() {
        let buffer = AlignedBuffer<Float>(count: 100)
        let all = MutableParameterView(base: buffer.base, count: 100, cached: 20..<60)
        #expect(all[0..<100].cached == 20..<60)
        #expect(all[30..<50].cached == 0..<30)
        #expect(all[10..<15].cached == 10..<50)
        #expect(all[70..<90].cached.isEmpty)
        let rows = all[0..<100].reshaped(rows: 10, columns: 10)
        #expect(rows[rows: 3..<7].cached == 0..<30)
        #expect(!rows.streams(15..<25, by: 4) && !rows.streams(59..<61, by: 4))
        #expect(rows.streams(0..<20, by: 4) && rows.streams(60..<100, by: 4))
        #expect(rows[rows: 6..<8].streams(0..<20, by: 4) && !rows[rows: 5..<8].streams(0..<20, by: 4))
    }

    @Test("by default all of a view is cached, in whatever part of it")
    func keptByDefault() {
        let buffer = AlignedBuffer<Float>(count: 100)
        let all = buffer.parameters
        for range in [0..<100, 30..<50, 99..<100] { #expect(!all[range].streams(0..<range.count, by: 4)) }
        #expect(all[30..<50].cached == 0..<Int.max)
    }

    @Test("elements are only streamed from multiples of a store on")
    func alignment() {
        let buffer = AlignedBuffer<Float>(count: 100)
        let view = MutableParameterView(base: buffer.base, count: 100, cached: 0..<0)
        #expect(view[8..<100].streams(0..<8, by: 32) && view[8..<100].streams(8..<16, by: 64))
        #expect(!view[8..<100].streams(0..<8, by: 64) && !view[3..<100].streams(0..<8, by: 32))
    }

    @Test("a batch goes through the members of a group, then to the next group")
    func batches() {
        let buffer = AlignedBuffer<Float>(count: 100)
        let batch = MatrixBatch(
            buffer.matrix(rows: 2, columns: 3).readOnly, groups: 2, groupStep: 50, members: 3, memberStep: 10)
        let places = (0..<batch.count).map { UnsafePointer(buffer.base).distance(to: batch[$0].base) }
        #expect(places == [0, 10, 20, 50, 60, 70])
    }

    @Test("some columns of a matrix lie apart, of one row they don't, and rows of them know what is cached")
    func columns() {
        let buffer = AlignedBuffer<Float>(count: 100)
        let all = MutableParameterView(base: buffer.base, count: 100, cached: 20..<60)
        let part = all[0..<100].reshaped(rows: 10, columns: 10)[columns: 0..<5]
        #expect(!part.readOnly.isContiguous && part[rows: 3..<4].readOnly.isContiguous)
        #expect(!part[rows: 3..<5].readOnly.isContiguous)
        #expect(part.cached == 20..<60 && part[rows: 3..<7].cached == 0..<30)
    }
}
