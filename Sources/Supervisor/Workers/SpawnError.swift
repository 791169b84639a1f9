// Why a worker could not be started: the step that failed and the reason, in words for the user and as the core's own
// type.
internal import CLinux
internal import Glibc
internal import Reloader

struct SpawnError: Error, Equatable {
    enum Step: Equatable {
        /// Creating the worker's pipes and sockets, before there is a process.
        case channels
        case clone
        case session
        case workingDirectory
        case descriptors
        case resourceLimits
        case nice
        case affinity
        case filter
        case capabilities
        case groups
        case groupID
        case userID
        case signals
        case execute
    }

    var step: Step
    var error: SystemError
    var program: String

    /// The failure as the core sees it: does trying again help, and is it the program's fault?
    var failure: SpawnFailure {
        switch error.errno {
        case EAGAIN, ENOMEM, EMFILE, ENFILE, ENOBUFS: .exhausted
        // The process was held up or killed on the way; the next one may not be.
        case ETIMEDOUT, ECANCELED: .exhausted
        case ENOENT, ENOTDIR: step == .execute ? .missing : .refused
        default: .refused
        }
    }

    /// A process has the program open for writing.
    var isBusy: Bool { step == .execute && error.errno == ETXTBSY }

    /// One line: what failed, on what, why, what to do.
    var message: String { "cannot start worker: \(program): \(what)\(error.reason)\(hint)" }

    private var what: String {
        switch step {
        case .channels: "creating its pipes: "
        case .clone: "creating a process: "
        case .session: "creating its session: "
        case .workingDirectory: "entering its working directory: "
        case .descriptors: "passing its descriptors: "
        case .resourceLimits: "setting its resource limits: "
        case .nice: "setting its nice value: "
        case .affinity: "pinning it to a CPU: "
        case .filter: "watching it bind its ports: "
        case .capabilities: "dropping inheritable capabilities: "
        case .groups: "dropping groups: "
        case .groupID: "changing its group: "
        case .userID: "changing its user: "
        case .signals: "resetting its signals: "
        case .execute: ""
        }
    }

    private var hint: String {
        switch (step, error.errno) {
        case (.channels, EMFILE), (.clone, EMFILE), (.descriptors, EMFILE):
            " (the daemon has reached its limit of open files; raise LimitNOFILE= or ulimit -Hn)"
        case (.channels, ENFILE): " (the system has reached its limit of open files; raise fs.file-max)"
        case (.clone, EAGAIN), (.execute, EAGAIN), (.userID, EAGAIN):
            " (the process limit is reached; see TasksMax= or ulimit -u)"
        case (.filter, _):
            " (this system refuses seccomp user notification; pass listeners with --listen, or use --no-share)"
        case (.execute, ENOENT): " (or the interpreter that its first line names is missing)"
        case (.execute, EACCES): " (is it, or its interpreter, executable for the user that workers run as?)"
        case (.execute, ETXTBSY):
            " (a process still has it open for writing: copy it under another name, then rename it)"
        case (.execute, E2BIG): " (arguments and environment together are too big for execve)"
        case (.execute, ENOEXEC): " (not a program of this machine; a script needs a #! line)"
        case (.resourceLimits, EPERM), (.nice, EACCES), (.nice, EPERM), (.groups, EPERM), (.groupID, EPERM),
            (.userID, EPERM):
            " (needs root)"
        default: ""
        }
    }
}

extension SpawnError {
    init(_ failure: StartFailure, program: String) {
        self.init(step: Step(failure.stage), error: failure.error, program: program)
    }
}

extension SpawnError.Step {
    /// Converts the C enum of the same steps.
    init(_ stage: rl_stage) {
        switch stage {
        case rl_stage_session: self = .session
        case rl_stage_directory: self = .workingDirectory
        case rl_stage_descriptors: self = .descriptors
        case rl_stage_limits: self = .resourceLimits
        case rl_stage_nice: self = .nice
        case rl_stage_affinity: self = .affinity
        case rl_stage_filter: self = .filter
        case rl_stage_capabilities: self = .capabilities
        case rl_stage_groups: self = .groups
        case rl_stage_group_id: self = .groupID
        case rl_stage_user_id: self = .userID
        case rl_stage_signals: self = .signals
        case rl_stage_exec: self = .execute
        default: self = .clone
        }
    }
}
