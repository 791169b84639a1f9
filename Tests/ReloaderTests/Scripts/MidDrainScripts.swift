import Testing

/// Drains from outside, half-way: what workers say and do while they are emptied, and what is asked of the pool
/// meanwhile.
@Suite struct MidDrainScripts {
    @Test func anExitInTheMiddleIsNoFailureAndNotAsAskedFor() {
        Script.play(
            """
            policy drain-outside 60s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> empty 0/1 release 1
            wait 1s
            crash 0/1 | exited 0/1 unexpected
            emptied 0/1
            timer none
            serving 0/2
            stop -> empty 0/2
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
            stop -> empty 0/1
            wait 20s
            stopping 0/1
            timer 30s
            wait 10s
            stopping 0/1
            emptied 0/1
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
            stop -> empty 0/1
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
            stop -> empty 0/1
            extend 0/1 500s
            timer 60s
            emptied 0/1 -> term 0/1
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
            stop -> empty 0/1 empty 1/1 empty 2/1
            emptied 1/1 -> term 1/1
            stopping 2/1
            wait 1s
            stop -> kill 0/1 kill 1/1 kill 2/1 | killed 0/1 fastStop, killed 1/1 fastStop, killed 2/1 fastStop
            timer none
            emptied 0/1
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
            ready 0/2 -> empty 0/1 release 1
            wait 50s
            stop -> empty 0/2
            timer 10s
            wait 10s -> term 0/1
            """)
    }

    @Test func onlyOneThatIsBeingEmptiedCanBeEmpty() {
        Script.play(
            """
            policy drain-outside 60s soak 5s
            start -> spawn 0/1
            emptied 0/1
            ready 0/1
            emptied 0/1
            reload 2 -> spawn 0/2
            emptied 0/2
            ready 0/2
            emptied 0/2
            serving 0/1 0/2
            wait 5s -> empty 0/1 release 1
            emptied 0/2
            emptied 0/1 -> term 0/1
            emptied 0/1
            exit 0/1
            emptied 0/1
            """)
    }

    // MARK: the pool meanwhile

    @Test func fewerAndThenMoreAgain() {
        Script.play(
            """
            policy workers 2 drain-outside 60s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            scale 1 -> empty 1/1 | draining 1/1 retired
            scale 2 -> spawn 1/1#2
            ready 1/1#2
            serving 0/1 1/1#2
            emptied 1/1 -> term 1/1
            scale 1 -> empty 1/1#2
            exit 1/1
            exit 1/1#2
            emptied 1/1#2
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
            ready 0/2 -> empty 0/1 release 1
            reload 3 -> spawn 0/3
            ready 0/3 -> empty 0/2 release 2
            reload 4 -> spawn 0/4
            ready 0/4 -> empty 0/3 release 3
            reload 5
            emptied 0/2 -> term 0/2
            wait 30s -> kill 0/2
            exit 0/2 -> spawn 0/5
            ready 0/5 -> empty 0/4 release 4
            """)
    }

    @Test func aNewPolicyLeavesThoseBeingEmptiedAlone() {
        Script.play(
            """
            policy drain-outside 60s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> empty 0/1 release 1
            wait 10s
            reload 3 drain-outside 5s stop-timeout 7s -> spawn 0/3
            timer 50s
            ready 0/3 -> empty 0/2 release 2
            timer 5s
            reload 4 drain-signal -> spawn 0/4
            ready 0/4 -> term 0/3 release 3
            emptied 0/2 -> term 0/2
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
            ready 0/2 -> empty 0/1 release 1
            """)
    }
}
