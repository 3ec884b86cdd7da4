import ArgumentParser

/// How commands that run on ranks start them themselves, instead of mpirun; see `RankJob.launchIfAsked`.
struct RankOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Start this many ranks under mpirun; auto: one per core.", valueName: "n|auto"))
    var ranks: String?

    @Option(
        help: ArgumentHelp(
            "Start the ranks on these hosts by ssh, at most so many on each (1 unless given).", valueName: "a,b:n"))
    var hosts: String?
}
