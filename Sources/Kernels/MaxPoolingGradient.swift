import CProcessor

/// The gradient of max-pooling for one plane: every window's goes to the first of its numbers that is the largest, or NaN.
struct MaxPoolingGradient {
    /// The gradient of the windows, the plane, and the largest numbers of the windows.
    let g: UnsafePointer<Float>, x: UnsafePointer<Float>, y: UnsafePointer<Float>
    let shape: PoolingShape
    /// Whether gradients count as 0 where the largest number isn't above 0.
    let rectified: Bool

    /// Windows of two by two that don't overlap.
    @inline(never)
    func assignTwoByTwo(_ target: UnsafeMutablePointer<Float>) {
        let width = shape.width
        for row in 0..<shape.outputHeight {
            let place = row &* shape.outputWidth
            let first = 2 &* row &* width
            eachWindows(shape.outputWidth) { column, count in
                let from = first &+ 2 &* column
                dtrain_pool_two_gradient8(
                    x + from, x + (from &+ width), count, .load(y + (place &+ column), count: count),
                    gradient(place &+ column, count), target + from, target + (from &+ width))
            }
            for row in 0..<2 {
                for index in 2 * shape.outputWidth..<max(width, 2 * shape.outputWidth) {
                    target[first + row * width + index] = 0
                }
            }
        }
        let seen = 2 * shape.outputHeight * width
        (target + seen).update(repeating: 0, count: shape.height * width - seen)
    }

    /// Any windows, which may overlap; to a number that is the largest of several they are added in their order.
    ///
    /// - Parameter room: for `shape.scratch` numbers.
    @inline(never)
    func assign(_ target: UnsafeMutablePointer<Float>, room: UnsafeMutablePointer<Float>) {
        target.update(repeating: 0, count: shape.height * shape.width)
        // Behind margins of zeros: the gradients of a row of windows, and which of its numbers each window's goes to.
        let margin = shape.windowMargin
        let gradients = room + margin
        let found = gradients + (shape.outputWidth + 2 * margin)
        room.update(repeating: 0, count: 2 * (shape.outputWidth + 2 * margin))
        for row in 0..<shape.outputHeight {
            let rows = shape.rows(row)
            find(row, rows, gradients, found)
            for tapRow in 0..<rows.count {
                let line = target + (rows.lowerBound + tapRow) * shape.width
                let number = Float(tapRow * shape.kernelWidth)
                switch shape.strideWidth {
                case 1: addSideBySide(gradients, found, number, to: line)
                case 2: addTwoApart(gradients, found, number, to: line)
                default: addApart(gradients, found, number, to: line)
                }
            }
        }
    }

    /// Gradients of some windows, 0 behind them.
    @inline(__always)
    private func gradient(_ place: Int, _ count: Int) -> Vector {
        rectified ? passed(g, y, place, count) : .load(g + place, count: count)
    }

    /// Which number of each window of a row is its first largest one, counted row by row from the window's first column.
    private func find(
        _ row: Int, _ rows: Range<Int>, _ gradients: UnsafeMutablePointer<Float>, _ found: UnsafeMutablePointer<Float>
    ) {
        let place = row * shape.outputWidth
        eachVector(shape.outputWidth) { index, count in
            gradient(place &+ index, count).store(to: gradients + index, count: count)
        }
        let whole = wholeWindows
        for column in 0..<whole.lowerBound { found[column] = number(row, column, rows) }
        for column in whole.upperBound..<shape.outputWidth { found[column] = number(row, column, rows) }
        guard !whole.isEmpty else { return }
        let step = shape.strideWidth
        let first = x + (rows.lowerBound * shape.width + whole.lowerBound * step - shape.paddingWidth)
        @inline(__always) func find(step: Int) {
            eachWindows(whole.count) { index, count in
                dtrain_first_largest8(
                    first + index &* step, shape.width, rows.count, shape.kernelWidth, step, count,
                    .load(y + (place &+ whole.lowerBound &+ index), count: count)
                ).store(to: found + (whole.lowerBound &+ index), count: count)
            }
        }
        if step == 1 { find(step: 1) } else { find(step: 2) }
    }

    /// The windows of a row of which no column is missing, where vectors can go through them.
    private var wholeWindows: Range<Int> {
        let step = shape.strideWidth
        guard step <= 2 else { return 0..<0 }
        let first = min(shape.outputWidth, (shape.paddingWidth + step - 1) / step)
        let end = (shape.width + shape.paddingWidth - shape.kernelWidth) / step + 1
        return first..<max(first, min(shape.outputWidth, end))
    }

    /// The same of one window, which the image may cut off.
    private func number(_ row: Int, _ column: Int, _ rows: Range<Int>) -> Float {
        let largest = y[row * shape.outputWidth + column]
        let columns = shape.columns(column)
        let first = column * shape.strideWidth - shape.paddingWidth
        for row in rows {
            for place in columns {
                let value = x[row &* shape.width &+ place]
                guard value == largest || value.isNaN else { continue }
                return Float((row &- rows.lowerBound) &* shape.kernelWidth &+ place &- first)
            }
        }
        return 0
    }

    // To a number of a line come the gradients of the windows that it is in, the first one's first, which has it in its last column.
    // `number` is that of the first column.

    private func addSideBySide(
        _ gradients: UnsafePointer<Float>, _ found: UnsafePointer<Float>, _ number: Float, to line: UnsafeMutablePointer<Float>
    ) {
        eachVector(shape.width) { index, count in
            var sum = Vector.load(UnsafePointer(line) + index, count: count)
            for column in (0..<shape.kernelWidth).reversed() {
                let window = index &+ shape.paddingWidth &- column
                sum += dtrain_where_equal8(.load(found + window), number + Float(column), .load(gradients + window))
            }
            sum.store(to: line + index, count: count)
        }
    }

    private func addTwoApart(
        _ gradients: UnsafePointer<Float>, _ found: UnsafePointer<Float>, _ number: Float, to line: UnsafeMutablePointer<Float>
    ) {
        eachVector((shape.width + 1) / 2) { index, _ in
            // Even and odd places of the line have windows of their own columns, of which every other one is at each.
            let place = line + 2 &* index
            let count = min(16, shape.width &- 2 &* index)
            var even = dtrain_load_even8(place, count)
            var odd = dtrain_load_odd8(place, count)
            for column in (0..<shape.kernelWidth).reversed() {
                let distance = shape.paddingWidth &- column
                let isEven = distance & 1 == 0
                let window = index &+ (isEven ? distance : distance &+ 1) / 2
                let chosen = dtrain_where_equal8(.load(found + window), number + Float(column), .load(gradients + window))
                if isEven { even += chosen } else { odd += chosen }
            }
            dtrain_store_woven(place, count, even, odd)
        }
    }

    private func addApart(
        _ gradients: UnsafePointer<Float>, _ found: UnsafePointer<Float>, _ number: Float, to line: UnsafeMutablePointer<Float>
    ) {
        for window in 0..<shape.outputWidth {
            let column = found[window] - number
            guard column >= 0, column < Float(shape.kernelWidth) else { continue }
            line[window &* shape.strideWidth &- shape.paddingWidth &+ Int(column)] += gradients[window]
        }
    }
}
