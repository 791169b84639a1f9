import Testing

/// Backoff: the delay after a failure, and when the pool gives up.
@Suite struct BackoffScripts {
    @Test func theDelayDoublesUpToItsCap() {
        Script.play(
            """
            policy backoff 100ms backoff-cap 350ms
            start -> spawn 0/1
            exit 0/1 | backoff 0 failures 1
            wait 49ms
            wait 51ms -> spawn 0/1#2
            exit 0/1#2 1 | backoff 0 failures 2
            wait 99ms
            wait 101ms -> spawn 0/1#3
            exit 0/1#3 1 | backoff 0 failures 3
            wait 174ms
            wait 176ms -> spawn 0/1#4
            exit 0/1#4 1 | backoff 0 failures 4
            wait 174ms
            wait 176ms -> spawn 0/1#5
            """)
    }

    @Test func failuresWithoutEndDoNotOverflow() {
        let rounds = (2...150).map { "crash 0/1#\($0)\nwait 9s -> spawn 0/1#\($0 + 1)" }.joined(separator: "\n")
        Script.play(
            """
            policy backoff 1ms backoff-cap 9s
            start -> spawn 0/1
            crash 0/1
            wait 9s -> spawn 0/1#2
            \(rounds)
            crash 0/1#151 | backoff 0 failures 151
            wait 4s
            """)
    }

    @Test func aHealthyWorkerRestartsAtOnceAndForgets() {
        Script.play(
            """
            policy backoff-reset 10s
            start -> spawn 0/1
            crash 0/1
            wait 100ms -> spawn 0/1#2
            ready 0/1#2
            wait 9s
            crash 0/1#2 | failed 0/1#2 crashed, backoff 0 failures 2
            wait 200ms -> spawn 0/1#3
            wait 20s
            ready 0/1#3
            wait 10s
            crash 0/1#3 -> spawn 0/1#4
            crash 0/1#4 | backoff 0 failures 1
            """)
    }

    @Test func theFirstCrashOfAWorkerThatServedCostsNoDelay() {
        Script.play(
            """
            policy backoff 100ms backoff-reset 10s
            start -> spawn 0/1
            ready 0/1
            wait 1s
            crash 0/1 -> spawn 0/1#2 | failed 0/1 crashed
            ready 0/1#2
            wait 1s
            crash 0/1#2 | failed 0/1#2 crashed, backoff 0 failures 2
            wait 99ms
            wait 101ms -> spawn 0/1#3
            ready 0/1#3
            wait 10s
            crash 0/1#3 -> spawn 0/1#4
            ready 0/1#4
            crash 0/1#4 -> spawn 0/1#5
            crash 0/1#5 | failed 0/1#5 exited-before-ready, backoff 0 failures 2
            """)
    }

    @Test func aCrashWithoutADelayCountsForGivingUp() {
        Script.play(
            """
            policy give-up 2 10s
            start -> spawn 0/1
            ready 0/1
            crash 0/1 -> spawn 0/1#2
            ready 0/1#2
            crash 0/1#2 -> finish 1 | gave-up 2 in 10s
            """)
    }

    /// A failed start of a replacement counts too: the slot's own worker is the second to fail.
    @Test func aWorkerThatServedMayBeTheSecondToFail() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 by failures 1 -> spawn 0/2
            exit 0/2 1 -> spawn 1/2 | backoff 0 failures 1
            crash 0/1 | backoff 0 failures 2
            """)
    }

    @Test func eachSlotHasItsOwn() {
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            crash 0/1 | backoff 0 failures 1
            wait 100ms -> spawn 0/1#2
            crash 0/1#2 | backoff 0 failures 2
            crash 1/1 | backoff 1 failures 1
            """)
    }

    @Test func aSlotThatIsReplacedForgets() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            reload 2 soak 5s -> spawn 0/2
            crash 0/1
            ready 0/2
            wait 5s -> release 1
            crash 0/2 -> spawn 0/2#2
            """)
    }

    @Test func noDelayIsADelayToo() {
        Script.play(
            """
            policy backoff 0s
            start -> spawn 0/1
            crash 0/1 -> spawn 0/1#2 | backoff 0 failures 1
            """)
    }

    @Test func noTimeAtAllComesToRest() {
        Script.play(
            """
            policy backoff 0s ready-timeout 0s
            start -> spawn 0/1 spawn 0/1#2 spawn 0/1#3 term 0/1 term 0/1#2 term 0/1#3
            exit 0/1 -> spawn 0/1#4 term 0/1#4
            """)
    }

    @Test func thePoolGivesUp() {
        Script.play(
            """
            policy workers 2 give-up 3 10s
            start -> spawn 0/1 spawn 1/1
            ready 1/1
            crash 0/1
            wait 4s -> spawn 0/1#2
            crash 0/1#2
            wait 7s -> spawn 0/1#3
            crash 0/1#3 | backoff 0 failures 3
            wait 400ms -> spawn 0/1#4
            crash 0/1#4 -> term 1/1 | failed 0/1#4 exited-before-ready, gave-up 3 in 10s, stopping graceful
            wait 5s
            exit 1/1 -> finish 1
            timer none
            """)
    }

    @Test func givingUpAbortsARollAndASecondStopKeepsTheStatus() {
        Script.play(
            """
            policy workers 2 surge 1 give-up 1 10s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            crash 1/1 -> term 0/2 term 0/1 | gave-up 1 in 10s, aborted 2
            stop -> kill 0/2 kill 0/1
            exit 0/1
            exit 0/2 -> finish 1
            """)
    }

    @Test func aFailedRollIsNoReasonToGiveUp() {
        Script.play(
            """
            policy give-up 1 100s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            crash 0/2 -> release 2
            wait 20s
            crash 0/1 -> spawn 0/1#2
            """)
    }

    @Test func aLoopOfWorkersThatStopByThemselvesBacksOff() {
        Script.play(
            """
            policy backoff-reset 10s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            stopping 0/1 -> spawn 0/1#2 | draining 0/1 byItself
            exit 0/1
            ready 0/1#2
            stopping 0/1#2 | draining 0/1#2 byItself, backoff 0 failures 2
            wait 200ms -> spawn 0/1#3
            ready 0/1#3
            wait 10s
            stopping 0/1#3 -> spawn 0/1#4
            stopping 0/1#3
            stopping 0/1#4
            wait 19800ms -> kill 0/1#2
            exit 0/1#3 | exited 0/1#3 expected
            """)
    }
}
