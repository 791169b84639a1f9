import Testing

/// A pause holds back rolls, and nothing else.
@Suite struct PauseScripts {
    private static let rolling = """
        policy workers 3 surge 1
        start -> spawn 0/1 spawn 1/1 spawn 2/1
        ready 0/1
        ready 1/1
        ready 2/1
        reload 2 -> spawn 0/2

        """

    @Test func whatIsInFlightFinishesAndNoFurtherSlotIsTaken() {
        Script.play(
            Self.rolling + """
                pause | paused
                ready 0/2 -> term 0/1 | replaced 0/2 1 of 3
                exit 0/1
                timer none
                pause
                wait 100s
                resume -> spawn 1/2 | resumed
                resume
                ready 1/2 -> term 1/1 spawn 2/2
                ready 2/2 -> term 2/1 release 1 | roll-done 2 100s
                """)
    }

    @Test func crashedWorkersComeBackAsWhatTheirSlotServes() {
        Script.play(
            Self.rolling + """
                pause
                ready 0/2 -> term 0/1
                wait 10s
                crash 0/2 -> spawn 0/2#2
                crash 1/1 -> spawn 1/1#2
                crash 1/1#2 | backoff 1 failures 1
                wait 100ms -> spawn 1/1#3
                serves 2 1 1
                """)
    }

    @Test func aPauseHoldsTheNextRollBackToo() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            crash 1/1
            pause | paused
            reload 2 -> spawn 1/1#2 | roll 2 from 1, paused
            reload 3 -> release 2 | superseded 2 by 3, roll 3 from 1, paused
            resume -> spawn 0/3
            """)
    }

    @Test func aRevertGoesOn() {
        Script.play(
            Self.rolling + """
                ready 0/2 -> term 0/1 spawn 1/2
                pause
                crash 1/2 -> spawn 0/1#2 | roll-failed 2 to 1 slot 1 exited-before-ready revert 1
                ready 0/1#2 -> term 0/2 release 2 | reverted 2 to 1 0s
                """)
    }

    @Test func aCanaryPromotesItselfOnlyAfterThePause() {
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 by canary 1 for 60s -> spawn 0/2
            ready 0/2 -> term 0/1
            exit 0/1
            pause
            timer none
            wait 100s
            ping 1/1
            resume -> spawn 1/2 | resumed, promoted 2 100s
            """)
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 by canary 1 -> spawn 0/2
            ready 0/2 -> term 0/1
            pause
            promote | promoted 2 0s
            resume -> spawn 1/2
            """)
    }

    @Test func aPausedRollTimesOut() {
        Script.play(
            Self.rolling + """
                ready 0/2 -> term 0/1 spawn 1/2
                exit 0/1
                pause
                reload 3 by timeout 60s -> term 1/2 | superseded 2 by 3
                exit 1/2
                timer 60s
                wait 60s -> spawn 0/1#2 release 3 | roll-timed-out 3 to 1 60s revert 1
                """)
    }

    @Test func newSlotsAreOfTheBase() {
        Script.play(
            Self.rolling + """
                pause
                scale 4 -> spawn 3/1
                resume
                """)
    }

    @Test func aStopNeedsNoResume() {
        Script.play(
            Self.rolling + """
                pause
                stop -> term 0/2 term 0/1 term 1/1 term 2/1 | aborted 2
                resume
                pause
                """)
    }
}
