/// The earliest deadline of each slot, and the earliest of all: a binary heap that knows each slot's position in it.
/// Setting, moving and removing a slot's deadline cost O(log n), finding the earliest costs O(1). A slot has at most
/// one entry.
struct DeadlineQueue: Sendable {
    struct Entry: Equatable, Sendable {
        let deadline: Instant
        let slot: Int

        /// Ties go to the lower slot, so that equal histories have equal outcomes.
        func precedes(_ other: Entry) -> Bool { (deadline, slot) < (other.deadline, other.slot) }
    }

    private var heap: [Entry] = []
    /// The position of each slot's entry in `heap`; `absent` if it has none.
    private var positions: [Int] = []

    private static let absent = -1

    var earliest: Entry? { heap.first }

    /// nil removes the slot's entry, and so does the end of time: nothing needs to wake up for it.
    mutating func set(_ slot: Int, to deadline: Instant?) {
        while positions.count <= slot { positions.append(Self.absent) }
        let position = positions[slot]
        guard let deadline, deadline.nanoseconds < .max else {
            if position != Self.absent { remove(at: position) }
            return
        }
        let entry = Entry(deadline: deadline, slot: slot)
        if position == Self.absent {
            heap.append(entry)
            positions[slot] = heap.count - 1
            siftUp(heap.count - 1)
        } else if heap[position] != entry {
            place(entry, at: position)
            restore(position)
        }
    }

    private mutating func remove(at position: Int) {
        positions[heap[position].slot] = Self.absent
        let last = heap.removeLast()
        if position < heap.count {
            place(last, at: position)
            restore(position)
        }
    }

    private mutating func restore(_ position: Int) {
        siftUp(position)
        siftDown(position)
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].precedes(heap[parent]) else { return }
            exchange(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var first = parent
            for child in 2 * parent + 1...2 * parent + 2 where child < heap.count && heap[child].precedes(heap[first]) {
                first = child
            }
            guard first != parent else { return }
            exchange(parent, first)
            parent = first
        }
    }

    private mutating func exchange(_ one: Int, _ other: Int) {
        let entry = heap[one]
        place(heap[other], at: one)
        place(entry, at: other)
    }

    private mutating func place(_ entry: Entry, at position: Int) {
        heap[position] = entry
        positions[entry.slot] = position
    }
}
