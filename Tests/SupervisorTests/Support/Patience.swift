// Waits for what comes through a descriptor, no longer than any single event may take.
import Glibc

enum Patience {
    /// Returns when the descriptor can be read, be it its end; throws the message where nothing comes.
    static func waitForInput(on number: Int32, orSay message: @autoclosure () -> String) throws {
        var request = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        while true {
            let count = poll(&request, 1, ChildProcess.patienceMilliseconds)
            if count > 0 { return }
            if count == 0 || errno != EINTR { throw DidNotHappen(description: message()) }
        }
    }
}
