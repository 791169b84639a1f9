// A descriptor that the loop watches, with the identity under which it is registered.

/// Owns the descriptor. Whoever drops it while it is watched must have removed it from the poller (`Loop.unwatch`).
final class Channel {
    let descriptor: FileDescriptor
    /// nil: not watched.
    var token: Poller.Token?

    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// nil where there is none.
    convenience init?(_ descriptor: consuming FileDescriptor?) {
        switch consume descriptor {
        case .some(let descriptor): self.init(descriptor)
        case .none: return nil
        }
    }

    var number: Int32 { descriptor.number }
}
