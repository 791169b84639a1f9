// Columns that are as wide as they must be, two blanks apart.

struct Table {
    enum Column {
        case left(String)
        case right(String)

        var title: String {
            switch self {
            case .left(let title), .right(let title): title
            }
        }
    }

    private let columns: [Column]
    private var rows: [[String]]

    init(_ columns: [Column]) {
        self.columns = columns
        rows = [columns.map { $0.title }]
    }

    /// - Parameter row: a text for each column.
    mutating func add(_ row: [String]) {
        precondition(row.count == columns.count, "a table has a text for each column")
        rows.append(row)
    }

    /// The titles, then the rows; no blanks at the end.
    var lines: [String] {
        let widths = columns.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = columns.indices.map { column in
                switch columns[column] {
                case .left: padded(row[column], widths[column])
                case .right: String(repeating: " ", count: widths[column] - row[column].count) + row[column]
                }
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }
}

/// `text` with blanks up to `width` characters.
func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}
