import Testing

/// Drains from outside: a worker that serves is emptied first, and gets its stop signal then.
@Suite struct DrainScripts {
    @Test func theStopSignalComesWhenNothingIsLeft() {
        Script.play(
            """
            policy drain-outside 60s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            serving 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> drain 0/1 release 1 | draining 0/1 replaced, replaced 0/2 1 of 1, roll-done 2 0s
            serving 0/2
            timer 60s
            wait 50s
            drained 0/1 -> term 0/1
            timer 30s
            drained 0/1
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
            stop -> drain 0/1
            wait 59s
            wait 1s -> term 0/1
            drained 0/1
            wait 29s
            wait 1s -> kill 0/1
            drained 0/1
            exit 0/1 -> finish 0
            drained 0/1
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
            stop -> drain 0/1 drain 1/1
            wait 10s -> term 0/1 term 1/1
            drained 0/1
            drained 1/1
            """)
    }

    @Test func noTimeAtAllAndAllTheTime() {
        Script.play(
            """
            policy drain-outside 0s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            stop -> drain 0/1 term 0/1
            timer 30s
            drained 0/1
            """)
        Script.play(
            """
            policy drain-outside 0s stop-timeout 0s
            start -> spawn 0/1
            ready 0/1
            stop -> drain 0/1 term 0/1 kill 0/1
            exit 0/1 -> finish 0
            """)
        Script.play(
            """
            policy drain-outside 9999999999s
            start -> spawn 0/1
            ready 0/1
            stop -> drain 0/1
            timer none
            drained 0/1 -> term 0/1
            """)
    }

    // MARK: who is not emptied

    @Test func aStartingWorkerHasNothingToTake() {
        Script.play(
            """
            policy workers 2 drain-outside 10s ready-timeout 60s stop-timeout 30s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            wait 60s -> term 1/1 | draining 1/1 startTimedOut
            wait 100ms -> spawn 1/1#2
            stop -> drain 0/1 term 1/1#2
            ready 1/1#2
            serving
            drained 1/1#2
            """)
        Script.play(
            """
            policy drain-outside 10s
            hold
            start -> spawn 0/1
            stop
            ready 0/1 -> term 0/1
            drained 0/1
            """)
        Script.play(
            """
            policy drain-outside 10s
            hold
            start -> spawn 0/1
            ready 0/1
            stop -> drain 0/1
            spawned 0/1
            drained 0/1 -> term 0/1
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
            drained 0/1
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
            drained 0/1
            ready 0/2 -> kill 0/1 release 1 | killed 0/1 watchdog
            drained 0/1
            crash 0/1 | exited 0/1 expected
            """)
    }

    // MARK: what happens in the middle

    @Test func anExitInTheMiddleIsNoFailureAndNotAsAskedFor() {
        Script.play(
            """
            policy drain-outside 60s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> drain 0/1 release 1
            wait 1s
            crash 0/1 | exited 0/1 unexpected
            drained 0/1
            timer none
            serving 0/2
            stop -> drain 0/2
            crash 0/2 -> finish 0
            timer none
            """)
    }

    @Test func aWorkerThatSaysThatItEndsNeedsNoStopSignal() {
        Script.play(
            """
            policy drain-outside 60s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            stop -> drain 0/1
            wait 20s
            stopping 0/1
            timer 30s
            wait 10s
            stopping 0/1
            drained 0/1
            extend 0/1 25s
            timer 25s
            wait 25s -> kill 0/1 | killed 0/1 stopTimedOut
            exit 0/1 -> finish 0 | exited 0/1 expected
            """)
    }

    @Test func signsOfLifeChangeNothingAndNoWatchdogRuns() {
        Script.play(
            """
            policy drain-outside 60s watchdog 5s
            start -> spawn 0/1
            ready 0/1
            timer 5s
            stop -> drain 0/1
            timer 60s
            wait 20s
            ping 0/1
            ready 0/1
            timer 40s
            serving
            wait 40s -> term 0/1
            """)
    }

    @Test func moreTimeIsGivenOnlyAfterTheStopSignal() {
        Script.play(
            """
            policy drain-outside 60s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            stop -> drain 0/1
            extend 0/1 500s
            timer 60s
            drained 0/1 -> term 0/1
            timer 30s
            extend 0/1 500s
            timer 500s
            """)
    }

    @Test func aSecondStopKillsAtOnceWhateverIsLeft() {
        Script.play(
            """
            policy workers 3 drain-outside 60s
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            ready 2/1
            stop -> drain 0/1 drain 1/1 drain 2/1
            drained 1/1 -> term 1/1
            stopping 2/1
            stop -> kill 0/1 kill 1/1 kill 2/1 | killed 0/1 fastStop, killed 1/1 fastStop, killed 2/1 fastStop
            timer none
            drained 0/1
            exit 0/1 | exited 0/1 expected
            exit 1/1
            exit 2/1 -> finish 0
            """)
    }

    @Test func aFastStopNeverEmpties() {
        Script.play(
            """
            policy drain-outside 60s soak 5s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2
            stop fast -> kill 0/2 kill 0/1
            """)
    }

    @Test func aStopAddsNothingToTheTimeOfThoseBeingEmptied() {
        Script.play(
            """
            policy drain-outside 60s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> drain 0/1 release 1
            wait 50s
            stop -> drain 0/2
            timer 10s
            wait 10s -> term 0/1
            """)
    }

    @Test func onlyOneThatIsBeingEmptiedCanBeEmpty() {
        Script.play(
            """
            policy drain-outside 60s soak 5s
            start -> spawn 0/1
            drained 0/1
            ready 0/1
            drained 0/1
            reload 2 -> spawn 0/2
            drained 0/2
            ready 0/2
            drained 0/2
            serving 0/1 0/2
            wait 5s -> drain 0/1 release 1
            drained 0/2
            drained 0/1 -> term 0/1
            drained 0/1
            exit 0/1
            drained 0/1
            """)
    }

    // MARK: the pool around it

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
            wait 1s -> drain 0/1 spawn 1/2
            serving 1/1 0/2
            ready 1/2
            wait 5s -> drain 1/1 release 1 | roll-done 2 10s
            drained 1/1 -> term 1/1
            drained 0/1 -> term 0/1
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
            reload 3 -> drain 0/2 term 1/2 spawn 0/3 spawn 1/3 release 2 | draining 0/2 abandoned
            ready 0/3
            crash 1/3 -> drain 0/3 release 3 | draining 0/3 abandoned
            serving 0/1 1/1
            drained 0/2 -> term 0/2
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
            ready 0/2 -> drain 0/1 spawn 1/2
            crash 1/2 -> spawn 0/1#2
            ready 0/1#2 -> drain 0/2 release 2 | draining 0/2 replaced, reverted 2 to 1 0s
            drained 0/1 -> term 0/1
            drained 0/2 -> term 0/2
            """)
    }

    @Test func fewerAndThenMoreAgain() {
        Script.play(
            """
            policy workers 2 drain-outside 60s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            scale 1 -> drain 1/1 | draining 1/1 retired
            scale 2 -> spawn 1/1#2
            ready 1/1#2
            serving 0/1 1/1#2
            drained 1/1 -> term 1/1
            scale 1 -> drain 1/1#2
            exit 1/1
            exit 1/1#2
            drained 1/1#2
            timer none
            serves 1
            """)
    }

    @Test func thoseBeingEmptiedLinger() {
        Script.play(
            """
            policy drain-outside 600s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> drain 0/1 release 1
            reload 3 -> spawn 0/3
            ready 0/3 -> drain 0/2 release 2
            reload 4 -> spawn 0/4
            ready 0/4 -> drain 0/3 release 3
            reload 5
            drained 0/2 -> term 0/2
            wait 30s -> kill 0/2
            exit 0/2 -> spawn 0/5
            ready 0/5 -> drain 0/4 release 4
            """)
    }

    @Test func aNewPolicyLeavesThoseBeingEmptiedAlone() {
        Script.play(
            """
            policy drain-outside 60s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> drain 0/1 release 1
            wait 10s
            reload 3 drain-outside 5s stop-timeout 7s -> spawn 0/3
            timer 50s
            ready 0/3 -> drain 0/2 release 2
            timer 5s
            reload 4 drain-signal -> spawn 0/4
            ready 0/4 -> term 0/3 release 3
            drained 0/2 -> term 0/2
            timer 7s
            wait 7s -> kill 0/2 kill 0/3
            timer 43s
            wait 43s -> term 0/1
            timer 7s
            """)
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            reload 2 drain-outside 60s -> spawn 0/2
            ready 0/2 -> drain 0/1 release 1
            """)
    }

    @Test func drainAllEmptiesAndAReloadStartsBesideIt() {
        Script.play(
            """
            policy workers 2 drain-outside 60s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            drain-all -> drain 0/1 term 1/1 | draining-all, draining 0/1 stopped
            serving
            reload 2 -> spawn 0/2 spawn 1/2
            ready 0/2
            ready 1/2 -> release 1 | roll-done 2 0s
            drained 0/1 -> term 0/1
            exit 0/1
            exit 1/1
            stop -> drain 0/2 drain 1/2
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
            crash 1/1#2 -> drain 0/1 | gave-up 2 in 10s, draining 0/1 stopped
            drained 0/1 -> term 0/1
            exit 0/1 -> finish 1
            """)
    }
}
