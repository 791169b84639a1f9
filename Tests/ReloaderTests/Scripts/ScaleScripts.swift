import Testing

/// Scaling: one worker more, one fewer.
@Suite struct ScaleScripts {
    @Test func moreAndFewer() {
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            scale +1 -> spawn 2/1 | scaled 2 to 3
            ready 2/1
            scale -2 -> term 1/1 term 2/1 | scaled 3 to 1, draining 1/1 retired
            scale 1
            exit 1/1
            exit 2/1
            timer none
            serves 1
            """)
    }

    @Test func theNumberStaysWithinBounds() {
        Script.play(
            """
            start -> spawn 0/1
            scale -5
            scale 0
            scale -9223372036854775807
            """)
        let everyone = (1..<4096).map { "spawn \($0)/1" }.joined(separator: " ")
        Script.play(
            """
            start -> spawn 0/1
            scale 999999 -> \(everyone) | scaled 1 to 4096
            scale +9223372036854775807
            """)
    }

    @Test func aRetiredSlotIsReusedWhileItStillDrains() {
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            scale 1 -> term 1/1
            scale 2 -> spawn 1/1#2
            scale 1 -> term 1/1#2
            scale 2 -> spawn 1/1#3
            scale 1 -> term 1/1#3
            scale 2
            exit 1/1#2 -> spawn 1/1#4
            """)
    }

    @Test func aSlotInBackoffIsForgotten() {
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            crash 1/1
            scale 1 | scaled 2 to 1, pool-ready 1
            timer none
            """)
    }

    @Test func aNewSlotInARollStartsTheBaseAndIsThenReplaced() {
        Script.play(
            """
            policy workers 1 surge 1
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            scale 2 -> spawn 1/1
            ready 0/2 -> term 0/1 spawn 1/2
            ready 1/2 -> term 1/1 release 1 | roll-done 2 0s
            """)
    }

    @Test func aNewSlotThatHasItsTurnAtOnceStartsTheTargetOnly() {
        Script.play(
            """
            policy workers 2 surge 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2 spawn 1/2
            ready 0/2 -> term 0/1
            scale 4 -> spawn 2/2 spawn 3/1
            serves 2 1 1 1
            ready 1/2 -> term 1/1 spawn 3/2
            ready 2/2 | replaced 2/2 3 of 4
            crash 3/2 -> spawn 0/1#2 spawn 1/1#2 | roll-failed 2 to 1 slot 3 exited-before-ready revert 3
            """)
    }

    @Test func aNewSlotWhoseFirstWorkerWasAbandonedComesUpWithTheBase() {
        Script.play(
            """
            policy workers 1 surge 2
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            scale 2 -> spawn 1/2
            crash 0/2 -> term 1/2 spawn 1/1 release 2 | roll-failed 2 to 1 slot 0 exited-before-ready revert 0
            """)
    }

    @Test func theSlotInFlightIsScaledAway() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            ready 0/2 -> term 0/1 spawn 1/2
            scale 1 -> term 1/2 term 1/1 release 1 | draining 1/2 retired, roll-done 2 0s
            ready 1/2
            """)
    }

    @Test func theLastSlotOfARevertIsScaledAway() {
        Script.play(
            """
            policy workers 2 surge 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2 spawn 1/2
            ready 1/2 -> term 1/1
            crash 0/2 -> spawn 1/1#2
            scale 1 -> term 1/1#2 term 1/2 release 2 | reverted 2 to 1 0s
            """)
    }

    @Test func aNewSlotDuringARevertIsOfTheBase() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            ready 0/2 -> term 0/1 spawn 1/2
            crash 1/2 -> spawn 0/1#2
            scale 3 -> spawn 2/1
            ready 0/1#2 -> term 0/2 release 2 | reverted 2 to 1 0s
            """)
    }
}
