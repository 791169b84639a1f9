import Testing

/// Drains from outside: a worker that serves is emptied before it gets its stop signal. When that signal comes, and
/// which workers are emptied.
@Suite struct DrainScripts {
    @Test func theStopSignalComesWhenNothingIsLeft() {
        Script.play(
            """
            policy drain-outside 60s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            serving 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> empty 0/1 release 1 | draining 0/1 replaced, replaced 0/2 1 of 1, roll-done 2 0s
            serving 0/2
            timer 60s
            wait 50s
            emptied 0/1 -> term 0/1
            timer 30s
            emptied 0/1
            wait 30s -> kill 0/1 | killed 0/1 stopTimedOut
            timer none
            crash 0/1 | exited 0/1 expected
            """)
    }

    @Test func theStopSignalComesWhenTheTimeIsUp() {
        Script.play(
            """
            policy drain-outside 60s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            stop -> empty 0/1
            wait 59s
            wait 1s -> term 0/1
            emptied 0/1
            wait 29s
            wait 1s -> kill 0/1
            emptied 0/1
            exit 0/1 -> finish 0
            emptied 0/1
            timer none
            """)
    }

    @Test func nothingLeftAtTheInstantWhenTheTimeIsUp() {
        Script.play(
            """
            policy workers 2 drain-outside 10s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            stop -> empty 0/1 empty 1/1
            wait 10s -> term 0/1 term 1/1
            emptied 0/1
            emptied 1/1
            """)
    }

    @Test func noTimeAtAllAndAllTheTime() {
        Script.play(
            """
            policy drain-outside 0s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            stop -> empty 0/1 term 0/1
            timer 30s
            emptied 0/1
            """)
        Script.play(
            """
            policy drain-outside 0s stop-timeout 0s
            start -> spawn 0/1
            ready 0/1
            stop -> empty 0/1 term 0/1 kill 0/1
            exit 0/1 -> finish 0
            """)
        Script.play(
            """
            policy drain-outside 9999999999s
            start -> spawn 0/1
            ready 0/1
            stop -> empty 0/1
            timer none
            emptied 0/1 -> term 0/1
            """)
    }

    // MARK: workers that are not emptied

    @Test func aStartingWorkerHasNothingToTake() {
        Script.play(
            """
            policy workers 2 drain-outside 10s ready-timeout 60s stop-timeout 30s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            wait 60s -> term 1/1 | draining 1/1 startTimedOut
            wait 100ms -> spawn 1/1#2
            stop -> empty 0/1 term 1/1#2
            ready 1/1#2
            serving
            emptied 1/1#2
            """)
        Script.play(
            """
            policy drain-outside 10s
            hold
            start -> spawn 0/1
            stop
            ready 0/1 -> term 0/1
            emptied 0/1
            """)
        Script.play(
            """
            policy drain-outside 10s
            hold
            start -> spawn 0/1
            ready 0/1
            stop -> empty 0/1
            spawned 0/1
            emptied 0/1 -> term 0/1
            """)
    }

    @Test func aWorkerThatEndsByItselfIsNotEmptied() {
        Script.play(
            """
            policy drain-outside 10s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            wait 20s
            stopping 0/1 -> spawn 0/1#2 | draining 0/1 byItself
            serving
            emptied 0/1
            timer 30s
            wait 30s -> kill 0/1
            """)
    }

    @Test func aKilledWorkerIsNotEmptied() {
        Script.play(
            """
            policy drain-outside 10s watchdog 5s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            wait 5s
            emptied 0/1
            ready 0/2 -> kill 0/1 release 1 | killed 0/1 watchdog
            emptied 0/1
            crash 0/1 | exited 0/1 expected
            """)
    }

    // MARK: whom the pool empties

    @Test func theRollDoesNotWaitButEmptiesNobodyBeforeTheSoak() {
        Script.play(
            """
            policy workers 2 surge 1 drain-outside 600s soak 5s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            ready 0/2
            wait 4s
            serving 0/1 1/1 0/2
            wait 1s -> empty 0/1 spawn 1/2
            serving 1/1 0/2
            ready 1/2
            wait 5s -> empty 1/1 release 1 | roll-done 2 10s
            emptied 1/1 -> term 1/1
            emptied 0/1 -> term 0/1
            """)
    }

    @Test func anAbandonedReplacementThatServesIsEmptied() {
        Script.play(
            """
            policy workers 2 surge 2 drain-outside 60s soak 5s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2 spawn 1/2
            ready 0/2
            reload 3 -> empty 0/2 term 1/2 spawn 0/3 spawn 1/3 release 2 | draining 0/2 abandoned
            ready 0/3
            crash 1/3 -> empty 0/3 release 3 | draining 0/3 abandoned
            serving 0/1 1/1
            emptied 0/2 -> term 0/2
            wait 60s -> kill 0/2 kill 1/2 term 0/3
            """)
    }

    @Test func aRevertEmptiesWhatTheRollHadBrought() {
        Script.play(
            """
            policy workers 2 surge 1 drain-outside 60s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            ready 0/2 -> empty 0/1 spawn 1/2
            crash 1/2 -> spawn 0/1#2
            ready 0/1#2 -> empty 0/2 release 2 | draining 0/2 replaced, reverted 2 to 1 0s
            emptied 0/1 -> term 0/1
            emptied 0/2 -> term 0/2
            """)
    }

    @Test func drainAllEmptiesAndAReloadStartsBesideIt() {
        Script.play(
            """
            policy workers 2 drain-outside 60s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            drain-all -> empty 0/1 term 1/1 | draining-all, draining 0/1 stopped
            serving
            reload 2 -> spawn 0/2 spawn 1/2
            ready 0/2
            ready 1/2 -> release 1 | roll-done 2 0s
            emptied 0/1 -> term 0/1
            exit 0/1
            exit 1/1
            stop -> empty 0/2 empty 1/2
            exit 0/2
            exit 1/2 -> finish 0
            """)
    }

    @Test func aPoolThatGivesUpEmptiesWhatStillServes() {
        Script.play(
            """
            policy workers 2 drain-outside 60s give-up 2 10s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            crash 1/1
            wait 100ms -> spawn 1/1#2
            crash 1/1#2 -> empty 0/1 | gave-up 2 in 10s, draining 0/1 stopped
            emptied 0/1 -> term 0/1
            exit 0/1 -> finish 1
            """)
    }
}
