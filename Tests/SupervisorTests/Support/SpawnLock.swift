// Tests run at the same time in one process. A descriptor that one of them has open for writing lives on in a child
// that another starts at this moment, until that child is executed; and a file that is open for writing cannot be
// executed (ETXTBSY). So no test writes a file while another starts a process.
import Foundation

enum SpawnLock {
    private static let lock = NSLock()

    static func hold<Result>(_ body: () throws -> Result) rethrows -> Result { try lock.withLock(body) }
}
