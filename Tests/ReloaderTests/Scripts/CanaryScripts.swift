import Testing

/// A roll with a canary: it stops after some slots until the canary is promoted.
@Suite struct CanaryScripts {
    /// Three ready workers of generation 1; generation 2 has replaced slot 0 as a canary.
    private static let waiting = """
        policy workers 3 surge 2
        start -> spawn 0/1 spawn 1/1 spawn 2/1
        ready 0/1
        ready 1/1
        ready 2/1
        reload 2 by canary 1 -> spawn 0/2
        ready 0/2 -> term 0/1 | replaced 0/2 1 of 3, canary-waits 2 1 of 3 for-promote
        exit 0/1

        """

    @Test func itWaitsToBePromotedWithoutATimer() {
        Script.play(
            Self.waiting + """
                timer none
                wait 1000s
                serves 2 1 1
                promote -> spawn 1/2 spawn 2/2 | promoted 2 1000s
                ready 1/2 -> term 1/1
                ready 2/2 -> term 2/1 release 1 | roll-done 2 1000s
                """)
    }

    @Test func itPromotesItselfAfterItsTime() {
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 by canary 1 for 60s -> spawn 0/2
            wait 5s
            ready 0/2 -> term 0/1 | canary-waits 2 1 of 2 60s
            exit 0/1
            timer 60s
            wait 59s
            wait 1s -> spawn 1/2 | promoted 2 60s
            ready 1/2 -> term 1/1 release 1 | roll-done 2 65s
            """)
    }

    @Test func noTimeAtAllPromotesItAtOnce() {
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 by canary 1 for 0s -> spawn 0/2
            ready 0/2 -> term 0/1 spawn 1/2 | canary-waits 2 1 of 2 0s, promoted 2 0s
            """)
    }

    @Test func aCrashWhileItWaitsRevertsAll() {
        Script.play(
            Self.waiting + """
                wait 100s
                crash 0/2 -> spawn 0/1#2 | failed 0/2 crashed, roll-failed 2 to 1 slot 0 crashed revert 1
                bad 2
                ready 0/1#2 -> release 2 | reverted 2 to 1 0s
                promote | refused no-canary-waits
                """)
    }

    @Test func aCrashBeforeItIsCompleteRevertsAllWhateverMayFail() {
        Script.play(
            """
            policy workers 3 surge 1
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            ready 2/1
            reload 2 by canary 2 failures 5 -> spawn 0/2
            ready 0/2 -> term 0/1 spawn 1/2
            exit 0/2 0 -> spawn 0/1#2 term 1/2 | roll-failed 2 to 1 slot 0 crashed revert 1
            """)
    }

    @Test func aCanaryThatDiesInItsSoak() {
        Script.play(
            """
            policy soak 5s
            start -> spawn 0/1
            ready 0/1
            reload 2 by canary 1 for 60s -> spawn 0/2
            ready 0/2
            wait 4s
            crash 0/2 -> release 2 | roll-failed 2 to 1 slot 0 exited-in-soak revert 0
            timer none
            """)
    }

    @Test func aCanaryThatSaysThatItEndsRevertsAtOnce() {
        Script.play(
            Self.waiting + """
                stopping 0/2 -> spawn 0/1#2 | draining 0/2 byItself, failed 0/2 ended-as-canary, \
                roll-failed 2 to 1 slot 0 ended-as-canary revert 1
                exit 0/2 | exited 0/2 expected
                ready 0/1#2 -> release 2 | reverted 2 to 1 0s
                """)
    }

    @Test func aCanaryThatHangsIsKilledAndReverted() {
        Script.play(
            """
            policy watchdog 2s
            start -> spawn 0/1
            ready 0/1
            reload 2 by canary 1 -> spawn 0/2
            ready 0/2 -> term 0/1
            exit 0/1
            wait 2s -> kill 0/2 | killed 0/2 watchdog
            crash 0/2 -> spawn 0/1#2 | roll-failed 2 to 1 slot 0 crashed revert 1
            """)
    }

    @Test func aCrashAfterThePromotionFailsNothing() {
        Script.play(
            Self.waiting + """
                promote -> spawn 1/2 spawn 2/2
                crash 0/2 -> spawn 0/2#2 | failed 0/2 crashed
                ready 1/2 -> term 1/1
                ready 2/2 -> term 2/1 release 1 | roll-done 2 0s
                """)
    }

    @Test func anOldWorkerThatCrashesMeanwhileComesBackOld() {
        Script.play(
            Self.waiting + """
                crash 1/1 -> spawn 1/1#2 | failed 1/1 crashed
                ready 1/1#2
                wait 10s
                crash 1/1#2 -> spawn 1/1#3
                serves 2 1 1
                """)
    }

    @Test func aCanaryOfTheWholePoolIsDoneWhenItIsPromoted() {
        Script.play(
            """
            policy workers 2 surge 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 by canary 5 -> spawn 0/2 spawn 1/2
            ready 0/2 -> term 0/1
            ready 1/2 -> term 1/1 | replaced 1/2 2 of 2, canary-waits 2 2 of 2 for-promote
            wait 7s
            promote -> release 1 | promoted 2 7s, roll-done 2 7s
            """)
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            reload 2 by canary 1 for 60s -> spawn 0/2
            ready 0/2 -> term 0/1 | canary-waits 2 1 of 1 60s
            wait 30s -> kill 0/1
            crash 0/2 -> spawn 0/1#2 | roll-failed 2 to 1 slot 0 crashed revert 1
            """)
    }

    @Test func nothingWaitsToBePromoted() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            promote | refused no-canary-waits
            ready 0/1
            ready 1/1
            reload 2 by canary 1 -> spawn 0/2
            promote | refused no-canary-waits
            ready 0/2 -> term 0/1 | canary-waits 2 1 of 2 for-promote
            promote -> spawn 1/2
            promote | refused no-canary-waits
            """)
    }

    @Test func aReloadSupersedesACanaryThatWaits() {
        Script.play(
            Self.waiting + """
                reload 3 by canary 1 -> spawn 0/3 | superseded 2 by 3, roll 3 from 1
                ready 0/3 -> term 0/2 release 2 | canary-waits 3 1 of 3 for-promote
                reload 4 -> spawn 0/4 spawn 1/4 | superseded 3 by 4
                """)
    }

    @Test func aStopAndADrainAllEndTheTrial() {
        Script.play(
            Self.waiting + """
                stop -> term 0/2 term 1/1 term 2/1 | stopping graceful, aborted 2
                promote
                exit 0/2
                exit 1/1
                exit 2/1 -> finish 0
                """)
        Script.play(
            Self.waiting + """
                drain-all -> term 0/2 term 1/1 term 2/1 release 2 | draining-all, aborted 2
                promote | refused no-canary-waits
                """)
    }

    @Test func slotsBeyondTheCanaryGoOnAsIfThereWereNoRoll() {
        Script.play(
            """
            policy workers 3 surge 1
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            crash 1/1
            crash 2/1
            reload 2 by canary 1 -> spawn 1/2 spawn 2/1#2
            ready 1/2 | replaced 1/2 1 of 3, canary-waits 2 1 of 3 for-promote
            serves 1 2 1
            """)
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            drain-all -> term 0/1 term 1/1
            reload 2 by canary 1 -> spawn 0/2 spawn 1/1#2
            """)
    }

    @Test func whenTheCanaryIsScaledAwayAnotherSlotIsTaken() {
        Script.play(
            """
            policy workers 3 surge 1
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            crash 2/1
            reload 2 by canary 1 for 60s -> spawn 2/2
            ready 2/2 | canary-waits 2 1 of 3 60s
            wait 50s
            scale 2 -> term 2/2 spawn 0/2 | scaled 3 to 2
            exit 2/2
            wait 20s
            ready 0/2 -> term 0/1 | canary-waits 2 1 of 2 60s
            exit 0/1
            timer 60s
            """)
    }

    @Test func newSlotsAreOfTheBaseUnlessTheCanaryHasRoom() {
        Script.play(
            Self.waiting + """
                scale 4 -> spawn 3/1
                serves 2 1 1 1
                """)
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            reload 2 by canary 2 -> spawn 0/2
            ready 0/2 -> term 0/1 | canary-waits 2 1 of 1 for-promote
            scale 3 -> spawn 1/2 spawn 2/1
            ready 1/2 | canary-waits 2 2 of 3 for-promote
            """)
    }
}
