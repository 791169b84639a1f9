// A descriptor that the loop watches, with the identity under which it is registered.

/// Owns the descriptor. Whoever drops it must have removed it from the poller before (`Daemon.close`).
final class Channel {
    let descriptor: FileDescriptor
    let token: Poller.Token

    init(_ descriptor: consuming FileDescriptor, token: Poller.Token) {
        self.descriptor = descriptor
        self.token = token
    }

    var number: Int32 { descriptor.number }
}
