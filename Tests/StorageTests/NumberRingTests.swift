import Foundation
import Storage
import Testing

@Suite("Number ring")
struct NumberRingTests {
    @Test("rows come out in the order they went in, and a full ring takes none")
    func order() {
        let ring = NumberRing(capacity: 3, width: 2)
        var next = 0.0
        var expected = 0.0
        for round in 0..<10 {
            while ring.push({
                $0[0] = next
                $0[1] = -next
            }) { next += 1 }
            #expect(ring.pushed - ring.taken == 3)
            for _ in 0...round % 3 {
                let isThere = ring.take { #expect($0[0] == expected && $0[1] == -expected) }
                #expect(isThere)
                expected += 1
            }
        }
        while ring.take({ #expect($0[0] == expected) }) { expected += 1 }
        #expect(expected == next && ring.pushed == Int(next))
    }

    @Test("two threads lose nothing and see whole rows")
    func threads() async {
        let ring = NumberRing(capacity: 16, width: 3)
        let count = 100_000
        async let pushing: Void = Task.detached {
            for number in 0..<count {
                while !ring.push({ for index in 0..<3 { $0[index] = Double(number * 3 + index) } }) { await Task.yield() }
            }
        }.value
        var taken = 0
        while taken < count {
            let isThere = ring.take { row in
                for index in 0..<3 where row[index] != Double(taken * 3 + index) { Issue.record("row \(taken)") }
            }
            if isThere { taken += 1 } else { await Task.yield() }
        }
        await pushing
        #expect(ring.taken == count)
    }
}
