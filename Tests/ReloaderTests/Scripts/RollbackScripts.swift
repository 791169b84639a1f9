import Testing

/// Generations that once served every slot stay pinned, for a while.
@Suite struct RollbackScripts {
    private static let second = """
        policy kept 3
        start -> spawn 0/1
        ready 0/1
        reload 2 -> spawn 0/2
        ready 0/2 -> term 0/1 | roll-done 2 0s
        exit 0/1
        kept 1 2

        """

    @Test func backAndForth() {
        Script.play(
            Self.second + """
                rollback -> spawn 0/1#2 | roll 1 from 2
                ready 0/1#2 -> term 0/2 | roll-done 1 0s
                exit 0/2
                kept 2 1
                rollback -> spawn 0/2#2 | roll 2 from 1
                ready 0/2#2 -> term 0/1#2
                kept 1 2
                bad
                reload 3 -> spawn 0/3
                """)
    }

    @Test func onlyTheLastOnesAreKept() {
        Script.play(
            Self.second + """
                reload 3 -> spawn 0/3
                ready 0/3 -> term 0/2
                exit 0/2
                reload 4 -> spawn 0/4
                ready 0/4 -> term 0/3 release 1
                kept 2 3 4
                rollback 1 | refused not-kept 1
                rollback 2 -> spawn 0/2#2 | roll 2 from 4
                exit 0/3
                ready 0/2#2 -> term 0/4
                kept 3 4 2
                reload 5 kept 2 -> spawn 0/5 release 3
                kept 4 2
                """)
    }

    @Test func whereToIsUnknown() {
        Script.play(
            """
            rollback
            start -> spawn 0/1
            rollback | refused nothing-to-roll-back-to
            rollback 2 | refused not-kept 2
            rollback 0 | refused not-kept 0
            stop -> term 0/1
            rollback
            """)
    }

    @Test func toWhatServesAlreadyIsDoneAtOnce() {
        Script.play(Self.second + "rollback 2 | roll 2 from 2, roll-done 2 0s")
    }

    @Test func duringARollBackToItsBase() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            ready 0/2 -> term 0/1 spawn 1/2
            exit 0/1
            rollback -> term 1/2 spawn 0/1#2 | superseded 2 by 1, roll 1 from 1
            ready 0/1#2 -> term 0/2 release 2 | replaced 0/1 2 of 2, roll-done 1 0s
            bad
            """)
    }

    @Test func aRollbackToTheBaseNeedsNoTrial() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 by canary 1 -> spawn 0/2
            ready 0/2 -> term 0/1 | canary-waits 2 1 of 2 for-promote
            rollback by canary 1 -> spawn 0/1#2
            crash 1/1 -> spawn 1/1#2 | failed 1/1 crashed
            ready 0/1#2 -> term 0/2 release 2 | roll-done 1 0s
            """)
    }

    @Test func duringARevertTheBaseIsNotBlamed() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            ready 0/2 -> term 0/1 spawn 1/2
            crash 1/2 -> spawn 0/1#2
            rollback -> term 0/1#2 spawn 0/1#3 | roll 1 from 1
            crash 0/1#3 -> spawn 0/1#4 | roll-failed 1 to 1 slot 0 exited-before-ready revert 1
            bad 2
            kept 1
            ready 0/1#4 -> term 0/2 release 2 | reverted 1 to 1 0s
            """)
    }

    @Test func aRollbackThatFails() {
        Script.play(
            Self.second + """
                rollback -> spawn 0/1#2
                crash 0/1#2 -> release 1 | roll-failed 1 to 2 slot 0 exited-before-ready revert 0
                kept 2
                bad 1
                rollback 1 | refused not-kept 1
                rollback | refused nothing-to-roll-back-to
                """)
    }

    @Test func aFailedGenerationIsNoChoice() {
        Script.play(
            Self.second + """
                reload 3 -> spawn 0/3
                crash 0/3 -> release 3
                bad 3
                kept 1 2
                rollback 3 | refused not-kept 3
                rollback -> spawn 0/1#2 | roll 1 from 2
                """)
    }

    @Test func withACanary() {
        Script.play(
            """
            policy kept 2 workers 2 surge 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2 spawn 1/2
            ready 0/2 -> term 0/1
            ready 1/2 -> term 1/1
            rollback 1 by canary 1 -> spawn 0/1#2
            ready 0/1#2 -> term 0/2 | canary-waits 1 1 of 2 for-promote
            crash 0/1#2 -> spawn 0/2#2 | roll-failed 1 to 2 slot 0 crashed revert 1
            bad 1
            """)
    }

    @Test func aDrainedPoolStartsWithAReloadOnly() {
        Script.play(
            Self.second + """
                drain-all -> term 0/2
                rollback | refused drained
                restart 0 | refused drained
                reload 3 -> spawn 0/3
                ready 0/3
                exit 0/2
                rollback -> spawn 0/2#2
                """)
    }

    @Test func nothingIsLetGoOfByAStop() {
        Script.play(
            Self.second + """
                rollback -> spawn 0/1#2
                stop -> term 0/1#2 term 0/2
                exit 0/1#2
                exit 0/2 -> finish 0
                """)
    }
}
