// A table of columns that are as wide as their texts, two blanks apart, in lines of at most 80 characters. A row may
// have remarks below it, for text that does not fit into a column.

struct Table {
    enum Column {
        case left(String)
        case right(String)
        /// Left-aligned, and cut if the line would be too long: at the end, or for paths at the start.
        case cut(String)
        case cutAtStart(String)

        var title: String {
            switch self {
            case .left(let title), .right(let title), .cut(let title), .cutAtStart(let title): title
            }
        }
    }

    private struct Row {
        var cells: [String]
        var remarks: [String] = []
    }

    private let columns: [Column]
    private let width: Int
    private var rows: [Row]

    init(_ columns: [Column], width: Int = StatusText.columns) {
        self.columns = columns
        self.width = width
        rows = [Row(cells: columns.map { $0.title })]
    }

    /// - Parameters:
    ///   - row: a text for each column.
    ///   - remark: stands below the row, in as many lines as it needs; "" if there is none.
    mutating func add(_ row: [String], remark: String = "") {
        add(row, remarks: remark.isEmpty ? [] : [remark])
    }

    mutating func add(_ row: [String], remarks: [String]) {
        precondition(row.count == columns.count, "a table has a text for each column")
        rows.append(Row(cells: row, remarks: remarks))
    }

    /// The titles, then the rows, without blanks at the ends of lines.
    var lines: [String] {
        let widths = fittedWidths
        return rows.flatMap { row in [line(row.cells, widths)] + row.remarks.flatMap { Self.remark($0, width) } }
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        let texts = columns.indices.map { column in
            let text = cells[column]
            let width = widths[column]
            switch columns[column] {
            case .left: return padded(text, width)
            case .right: return String(repeating: " ", count: max(0, width - text.count)) + text
            case .cut: return padded(text.count > width ? text.prefix(width - 3) + "..." : text, width)
            case .cutAtStart: return padded(text.count > width ? "..." + text.suffix(width - 3) : text, width)
            }
        }
        let line = texts.joined(separator: "  ")
        return String(line.reversed().drop { $0 == " " }.reversed())
    }

    /// If a line is too long, the columns that may be cut become narrower, the widest first.
    private var fittedWidths: [Int] {
        let widthMin = 8
        var widths = columns.indices.map { column in rows.map { $0.cells[column].count }.max() ?? 0 }
        var excess = widths.reduce(0, +) + 2 * (widths.count - 1) - width
        while excess > 0 {
            let candidates = columns.indices.filter { isCut(columns[$0]) && widths[$0] > widthMin }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
            excess -= 1
        }
        return widths
    }

    private func isCut(_ column: Column) -> Bool {
        switch column {
        case .left, .right: false
        case .cut, .cutAtStart: true
        }
    }

    private static func remark(_ text: String, _ width: Int) -> [String] {
        let indentation = "      "
        return wrapped(text, width: width - indentation.count).map { indentation + $0 }
    }
}

/// `text` with blanks up to `width` characters.
func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}

/// Lines of at most `width` characters, broken between words. A word that is longer has a line of its own.
func wrapped(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ", omittingEmptySubsequences: false) {
        if line.isEmpty {
            line = String(word)
        } else if line.count + 1 + word.count <= width {
            line += " " + word
        } else {
            lines.append(line)
            line = String(word)
        }
    }
    return lines + [line]
}
