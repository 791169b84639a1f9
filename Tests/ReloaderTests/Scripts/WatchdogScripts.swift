import Testing

@Suite struct WatchdogScripts {
    @Test func aSilentWorkerIsReplacedAndThenKilled() {
        Script.play(
            """
            policy watchdog 5s soak 2s
            start -> spawn 0/1
            ping 0/1
            ready 0/1
            timer 5s
            wait 3s
            ping 0/1
            timer 5s
            wait 4s
            wait 1s -> spawn 0/1#2 | recycle 0/1 watchdog
            wait 20s
            serving 0/1
            ready 0/1#2
            wait 2s -> kill 0/1 | killed 0/1 watchdog, failed 0/1 silent 5s, recycled 0/1 watchdog 22s
            serving 0/1#2
            crash 0/1 | exited 0/1 expected
            """)
    }

    @Test func workersThatHangOneAfterTheOtherAreReplacedEverLater() {
        Script.play(
            """
            policy watchdog 1s backoff 4s
            start -> spawn 0/1
            ready 0/1
            wait 1s -> spawn 0/1#2
            ready 0/1#2 -> kill 0/1 | failed 0/1 silent 1s, recycled 0/1 watchdog 0s, backoff 0 failures 1
            exit 0/1
            wait 1s
            wait 1s -> kill 0/1#2
            crash 0/1#2 | failed 0/1#2 crashed, backoff 0 failures 2
            """)
    }

    @Test func oneThatServedLongIsNotHeldAgainstTheSlot() {
        Script.play(
            """
            policy watchdog 5s backoff-reset 5s
            start -> spawn 0/1
            ready 0/1
            wait 5s -> spawn 0/1#2
            ready 0/1#2 -> kill 0/1 | failed 0/1 silent 5s, recycled 0/1 watchdog 0s
            timer 5s
            """)
    }

    @Test func aWordInTimeForgivesAll() {
        Script.play(
            """
            policy watchdog 5s workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            wait 5s -> spawn 0/1#2 | recycle 0/1 watchdog
            wait 4s
            ping 1/1
            wait 4s
            ping 1/1
            ready 0/1#2 -> kill 0/1
            serving 1/1 0/1#2
            wait 4s
            ping 0/1#2
            wait 1s -> spawn 1/1#2 | recycle 1/1 watchdog
            ping 1/1
            ready 1/1#2 -> term 1/1 | draining 1/1 replaced, recycled 1/1 watchdog 0s
            """)
    }

    @Test func oneAfterTheOtherButNoneWaitsForLong() {
        Script.play(
            """
            policy watchdog 5s workers 3
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            ready 2/1
            wait 5s -> spawn 0/1#2 | recycle 0/1 watchdog
            wait 3s
            ready 0/1#2 -> kill 0/1 spawn 1/1#2
            wait 2s -> kill 2/1 | killed 2/1 watchdog
            crash 2/1 -> spawn 2/1#2 | failed 2/1 crashed
            serving 1/1 0/1#2
            """)
    }

    @Test func oneThatHangsComesBeforeOneThatIsOld() {
        Script.play(
            """
            policy workers 3 max-age 20s watchdog 30s
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            wait 1s
            ready 1/1
            ready 2/1
            restart 2 -> spawn 2/1#2
            wait 20s
            ping 0/1
            wait 10s
            ready 2/1#2 -> kill 2/1 spawn 1/1#2 | recycled 2/1 asked 30s, recycle 1/1 watchdog
            ready 1/1#2 -> kill 1/1 spawn 0/1#2 | recycle 0/1 age
            """)
    }

    @Test func whereItsReplacementFailsItIsKilledInTheEnd() {
        Script.play(
            """
            policy watchdog 5s
            start -> spawn 0/1
            ready 0/1
            wait 5s -> spawn 0/1#2
            wait 2s
            crash 0/1#2 | recycle-failed 0/1#2 watchdog exited-before-ready, backoff 0 failures 1
            serving 0/1
            wait 2s -> spawn 0/1#3 | recycle 0/1 watchdog
            wait 2s
            crash 0/1#3 -> kill 0/1 | recycle-failed 0/1#3 watchdog exited-before-ready, killed 0/1 watchdog
            crash 0/1 -> spawn 0/1#4 | failed 0/1 crashed
            """)
    }

    @Test func duringARollItWaitsForItsTurnOrIsKilled() {
        Script.play(
            """
            policy watchdog 5s workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            wait 4s
            ping 1/1
            wait 4s
            ready 0/2 -> kill 0/1 spawn 1/2 | killed 0/1 watchdog, failed 0/1 silent 5s
            serving 1/1 0/2
            wait 4s
            ping 0/2
            wait 4s
            ping 0/2
            serving 1/1 0/2
            crash 1/2 -> kill 1/1 spawn 0/1#2 \
                | roll-failed 2 to 1 slot 1 exited-before-ready revert 1, killed 1/1 watchdog
            """)
    }

    @Test func aReloadGivesTheSlotToWhatIsReadyInsteadOfTheHung() {
        Script.play(
            """
            policy watchdog 5s soak 10s
            start -> spawn 0/1
            ready 0/1
            wait 5s -> spawn 0/1#2
            ready 0/1#2
            reload 2 -> kill 0/1 spawn 0/2 | recycled 0/1 watchdog 0s
            """)
    }

    @Test func aSilentReplacementFailsTheRollWhenItIsGone() {
        Script.play(
            """
            policy watchdog 5s soak 8s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2
            wait 4s
            ping 0/1
            wait 1s -> kill 0/2
            wait 3s
            ping 0/1
            crash 0/2 -> release 2 | roll-failed 2 to 1 slot 0 exited-in-soak revert 0
            """)
    }

    @Test func aKilledWorkerIsNotAlsoTerminated() {
        Script.play(
            """
            policy watchdog 5s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            wait 5s
            ready 0/2 -> kill 0/1 release 1
            stop -> term 0/2
            exit 0/1
            stop fast -> kill 0/2
            exit 0/2 -> finish 0
            """)
    }

    @Test func aKilledWorkerIsNotKilledAgain() {
        Script.play(
            """
            policy watchdog 5s workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            wait 5s -> spawn 0/1#2
            wait 5s
            drain-all -> term 0/1#2 term 0/1 term 1/1
            """)
    }

    @Test func aWorkerIsHeldToTheIntervalItWasStartedWith() {
        Script.play(
            """
            policy watchdog 60s
            start -> spawn 0/1
            ready 0/1
            reload 2 watchdog 5s -> spawn 0/2
            ping 0/1
            wait 6s
            ready 0/2 -> term 0/1 release 1
            timer 5s
            """)
    }
}
