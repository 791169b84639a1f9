import Testing

@Suite struct WatchdogScripts {
    @Test func aSilentWorkerIsKilledAndReplacedWhenItIsGone() {
        Script.play(
            """
            policy watchdog 5s
            start -> spawn 0/1
            ping 0/1
            ready 0/1
            timer 5s
            wait 3s
            ping 0/1
            timer 5s
            wait 4s
            wait 1s -> kill 0/1 | killed 0/1 watchdog
            timer none
            ping 0/1
            crash 0/1 | exited 0/1 unexpected, failed 0/1 crashed, backoff 0 failures 1
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
            wait 5s -> kill 0/1
            ready 0/2 -> release 1
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
            wait 5s -> kill 0/1
            stop -> term 1/1
            stop fast -> kill 1/1
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
