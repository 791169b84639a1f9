// The bridge from the drain descriptor to Swift concurrency. poll(2) blocks, and a task that blocks takes a thread away
// from the cooperative pool. Therefore one thread outside the pool waits, and the tasks are suspended.
import Glibc

actor DrainWaiters {
    private let drainDescriptor: Int32
    private var isRequested = false
    private var isWatching = false
    private var nextKey = 0
    private var waiting: [Int: CheckedContinuation<Void, Never>] = [:]

    init(drainDescriptor: Int32) { self.drainDescriptor = drainDescriptor }

    /// Returns when a drain is asked for, or when the task is cancelled.
    func wait() async throws(WorkerError) {
        if isRequested { return }
        if !isWatching { try watch() }
        let key = nextKey
        nextKey += 1
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // If the task was cancelled before this point, the handler below has nothing left to find.
                if Task.isCancelled { continuation.resume() } else { waiting[key] = continuation }
            }
        } onCancel: {
            Task { await self.stopWaiting(key) }
        }
    }

    private func stopWaiting(_ key: Int) {
        waiting.removeValue(forKey: key)?.resume()
    }

    private func resumeAll() {
        isRequested = true
        for continuation in waiting.values { continuation.resume() }
        waiting.removeAll()
    }

    /// Starts the thread.
    private func watch() throws(WorkerError) {
        let context = Unmanaged.passRetained(WatchContext(descriptor: drainDescriptor, waiters: self))
        var everySignal = sigset_t()
        var before = sigset_t()
        sigfillset(&everySignal)
        // A thread starts with its creator's mask: none of the program's signals may arrive in this thread.
        pthread_sigmask(SIG_SETMASK, &everySignal, &before)
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, watchDrain, context.toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        guard code == 0 else {
            context.release()
            throw .system(call: "pthread_create", code: code, subject: "to wait for the drain")
        }
        pthread_detach(thread)
        isWatching = true
    }

    fileprivate nonisolated func drainHasBegun() {
        Task { await resumeAll() }
    }
}

private final class WatchContext {
    let descriptor: Int32
    let waiters: DrainWaiters

    init(descriptor: Int32, waiters: DrainWaiters) {
        self.descriptor = descriptor
        self.waiters = waiters
    }
}

/// The thread's body.
private func watchDrain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let watch = Unmanaged<WatchContext>.fromOpaque(context).takeRetainedValue()
    while !DrainSignal.isReadable(watch.descriptor, timeoutMilliseconds: -1) {}
    watch.waiters.drainHasBegun()
    return nil
}
