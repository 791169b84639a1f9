import Reloader

/// What is going to happen, earliest first. Entries for the same instant come in the order in which they were entered.
struct Agenda<Happening> {
    private struct Entry {
        let time: Instant
        let number: Int
        let happening: Happening

        func precedes(_ other: Entry) -> Bool { (time, number) < (other.time, other.number) }
    }

    private var heap: [Entry] = []
    private var entered = 0

    var next: Instant? { heap.first?.time }

    mutating func enter(_ happening: Happening, at time: Instant) {
        entered += 1
        heap.append(Entry(time: time, number: entered, happening: happening))
        var child = heap.count - 1
        while child > 0, heap[child].precedes(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func take() -> Happening? {
        guard !heap.isEmpty else { return nil }
        heap.swapAt(0, heap.count - 1)
        let first = heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in 2 * parent + 1...2 * parent + 2 where child < heap.count && heap[child].precedes(heap[least]) {
                least = child
            }
            if least == parent { return first.happening }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
