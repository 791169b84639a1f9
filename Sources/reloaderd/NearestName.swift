// "Did you mean …?"

/// The name that `word` most likely stands for: one that it begins, or the one with the fewest typing errors, if few.
func nearestName(to word: String, among names: [String]) -> String? {
    let word = Array(word.utf8)
    // No name is longer; a megabyte is no slip of the finger.
    let lengthMax = 32
    guard !word.isEmpty, word.count <= lengthMax else { return nil }
    let errorsMax = max(1, word.count / 3)
    let similar = names.filter { abs($0.utf8.count - word.count) <= errorsMax }
    let distances = similar.map { name in (name, editDistance(word, Array(name.utf8))) }
    if let (name, distance) = distances.min(by: { $0.1 < $1.1 }), distance <= errorsMax { return name }
    return names.first { $0.utf8.starts(with: word) }
}

/// How many letters must be added, removed, replaced or swapped with their neighbour to turn one into the other.
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforePrevious: [Int] = []
    var previous = Array(0...right.count)
    for i in left.indices {
        var current = [i + 1]
        for j in right.indices {
            let replaced = previous[j] + (left[i] == right[j] ? 0 : 1)
            var best = min(previous[j + 1] + 1, current[j] + 1, replaced)
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                best = min(best, beforePrevious[j - 1] + 1)
            }
            current.append(best)
        }
        (beforePrevious, previous) = (previous, current)
    }
    return previous[right.count]
}
