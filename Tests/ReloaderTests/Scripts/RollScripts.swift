import Testing

/// The roll: forward, superseded, aborted.
@Suite struct RollScripts {
    @Test func eachSlotIsReplacedStartFirstAndTheRollDoesNotWaitForDrains() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2 | roll 2 from 1
            timer 60s
            wait 3s
            ready 0/2 -> term 0/1 spawn 1/2 | ready 0/2 3s, draining 0/1 replaced, replaced 0/2 1 of 2
            serves 2 1
            wait 2s
            ready 1/2 -> term 1/1 release 1 | replaced 1/2 2 of 2, roll-done 2 5s
            exit 0/1 | exited 0/1 expected
            exit 1/1
            timer none
            serves 2 2
            """)
    }

    @Test func theOldWorkerStaysUntilItsReplacementHasSoaked() {
        Script.play(
            """
            policy soak 5s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2
            timer 5s
            wait 4s
            wait 1s -> term 0/1 release 1 | replaced 0/2 1 of 1, roll-done 2 5s
            timer 30s
            wait 30s -> kill 0/1
            timer none
            exit 0/1
            """)
    }

    @Test func theDefaultSurgeIsAQuarterRoundedUp() {
        Script.play(
            """
            policy workers 5
            start -> spawn 0/1 spawn 1/1 spawn 2/1 spawn 3/1 spawn 4/1
            ready 0/1
            ready 1/1
            ready 2/1
            ready 3/1
            ready 4/1
            reload 2 -> spawn 0/2 spawn 1/2
            ready 1/2 -> term 1/1 spawn 2/2
            ready 0/2 -> term 0/1 spawn 3/2
            ready 3/2 -> term 3/1 spawn 4/2
            ready 4/2 -> term 4/1
            ready 2/2 -> term 2/1 release 1 | roll-done 2 0s
            """)
    }

    @Test func aReloadBeforeTheFirstWorkerIsReady() {
        Script.play(
            """
            start -> spawn 0/1
            reload 2 -> spawn 0/2 | roll 2 from 1
            ready 0/2 -> term 0/1 release 1 | replaced 0/2 1 of 1, roll-done 2 0s, pool-ready 1
            ready 0/1
            """)
    }

    @Test func backoffIsForgottenAndTheNewGenerationStartsInEveryEmptySlotAtOnce() {
        Script.play(
            """
            policy workers 4 surge 1
            start -> spawn 0/1 spawn 1/1 spawn 2/1 spawn 3/1
            crash 1/1
            crash 2/1
            crash 3/1
            ready 0/1
            reload 2 -> spawn 1/2 spawn 2/2 spawn 3/2
            ready 1/2
            ready 2/2
            ready 3/2 -> spawn 0/2 | replaced 3/2 3 of 4
            ready 0/2 -> term 0/1 release 1 | roll-done 2 0s
            """)
    }

    @Test func aWorkerThatCrashesBeforeItsTurnComesBackAsTheOldGeneration() {
        Script.play(
            """
            policy workers 3 surge 1
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            ready 2/1
            wait 10s
            reload 2 -> spawn 0/2
            crash 2/1 -> spawn 2/1#2 | failed 2/1 crashed
            ready 2/1#2
            crash 2/1#2 -> spawn 2/1#3 | failed 2/1#2 crashed
            ready 0/2 -> term 0/1 spawn 1/2
            """)
    }

    @Test func aSlotThatLostItsWorkerHasTheNextTurn() {
        Script.play(
            """
            policy workers 3 surge 1
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            ready 2/1
            reload 2 -> spawn 0/2
            crash 2/1 -> spawn 2/1#2
            crash 2/1#2 | backoff 2 failures 2
            ready 0/2 -> term 0/1 spawn 2/2
            wait 60s -> kill 0/1 term 2/2 spawn 2/1#3 spawn 0/1#2 | roll-failed 2 to 1 slot 2 timed-out 60s revert 1
            """)
    }

    @Test func whenTheOldWorkerDiesWhileItsReplacementSoaksNothingElseIsStarted() {
        Script.play(
            """
            policy soak 5s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2
            crash 0/1 | failed 0/1 crashed
            timer 5s
            wait 5s -> release 1 | replaced 0/2 1 of 1, roll-done 2 5s
            timer none
            """)
    }

    @Test func aCrashAfterReplacementRestartsTheNewGenerationAndFailsNothing() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            ready 0/2 -> term 0/1 spawn 1/2
            crash 0/2 -> spawn 0/2#2
            ready 1/2 -> term 1/1 release 1 | roll-done 2 0s
            """)
    }

    @Test func aNewerReloadTakesOver() {
        Script.play(
            """
            policy workers 3 surge 1
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            ready 2/1
            reload 2 -> spawn 0/2
            ready 0/2 -> term 0/1 spawn 1/2
            reload 3 -> term 1/2 spawn 0/3 | superseded 2 by 3, draining 1/2 abandoned, roll 3 from 1
            serves 2 1 1
            ready 0/3 -> term 0/2 spawn 1/3 release 2
            ready 1/3 -> term 1/1 spawn 2/3
            ready 2/3 -> term 2/1 release 1 | roll-done 3 0s
            """)
    }

    @Test func aSupersededReplacementThatServesAnEmptySlotStaysUntilItIsReplaced() {
        Script.play(
            """
            policy workers 2 surge 1 soak 5s
            start -> spawn 0/1 spawn 1/1
            crash 0/1
            crash 1/1
            reload 2 -> spawn 0/2 spawn 1/2
            ready 0/2
            reload 3 -> term 1/2 spawn 1/3 | replaced 0/2 1 of 2, superseded 2 by 3, draining 1/2 abandoned
            ready 1/3
            wait 5s -> spawn 0/3
            ready 0/3
            wait 5s -> term 0/2 release 1 release 2 | roll-done 3 10s
            """)
    }

    @Test func twoHundredReloadsInABurstBecomeOneMoreRollEach() {
        let burst = (5...200).map { "reload \($0) -> release \($0 - 1)" }.joined(separator: "\n")
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            reload 3 -> term 0/2 spawn 0/3 release 2
            reload 4 -> term 0/3 spawn 0/4 release 3
            reload 5 -> term 0/4 spawn 1/5 release 4
            reload 6 -> term 1/5 spawn 1/6 release 5
            reload 7 -> term 1/6 spawn 1/7 release 6
            reload 8 -> term 1/7 release 7
            \(burst.split(separator: "\n").dropFirst(4).joined(separator: "\n"))
            alive 8
            exit 1/6 -> spawn 1/200
            ready 1/200 -> term 1/1
            exit 0/2 -> spawn 0/200
            ready 0/200 -> term 0/1 release 1 | roll-done 200 0s
            """)
    }

    @Test func aCrowdedSlotWaitsForALingererToEnd() {
        Script.play(
            """
            policy stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> term 0/1 release 1
            wait 1s
            reload 3 -> spawn 0/3
            ready 0/3 -> term 0/2 release 2
            wait 1s
            reload 4 -> spawn 0/4
            ready 0/4 -> term 0/3 release 3
            wait 1s
            reload 5
            wait 27s -> kill 0/1
            exit 0/1 -> spawn 0/5
            ready 0/5 -> term 0/4 release 4 | roll-done 5 27s
            """)
    }

    @Test func aCrowdedEmptySlotStartsWhenALingererEnds() {
        Script.play(
            """
            start -> spawn 0/1
            crash 0/1
            reload 2 -> spawn 0/2
            reload 3 -> term 0/2 spawn 0/3 release 2
            reload 4 -> term 0/3 spawn 0/4 release 3
            reload 5 -> term 0/4 release 4
            exit 0/3 -> spawn 0/5
            ready 0/5 -> release 1
            """)
    }

    @Test func aReloadMayChangeTheNumberOfWorkers() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 workers 3 -> spawn 2/2 | scaled 2 to 3, roll 2 from 1
            ready 2/2 -> spawn 0/2
            ready 0/2 -> term 0/1 spawn 1/2
            reload 3 workers 1 -> term 1/2 term 1/1 term 2/2 spawn 0/3 | scaled 3 to 1, superseded 2 by 3
            serves 2
            """)
    }

    @Test func aPolicyHoldsFromItsReloadOn() {
        Script.play(
            """
            policy stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            reload 2 stop-timeout 7s soak 2s -> spawn 0/2
            ready 0/2
            wait 2s -> term 0/1 release 1
            timer 7s
            """)
    }

    @Test func aStopInTheMiddleAbortsTheRoll() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            stop -> term 0/2 term 0/1 term 1/1 | stopping graceful, aborted 2, draining 0/2 stopped
            reload 3
            ready 0/2
            exit 0/2
            exit 0/1
            exit 1/1 -> finish 0
            """)
    }
}
