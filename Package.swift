// swift-tools-version:6.2
import PackageDescription

// The targets are the rooms of the house (ARCHITECTURE.md); their dependencies are the architecture rule that the
// compiler checks.

/// Vector code for the processor that it will run on. `-fno-math-errno` turns `.squareRoot()` into an instruction
/// instead of a call. DTRAIN_MARCH chooses another x86-64 level or processor name.
#if arch(x86_64)
    let processorFlags = ["-Xcc", "-march=\(Context.environment["DTRAIN_MARCH"] ?? "x86-64-v3")", "-Xcc", "-fno-math-errno"]
#else
    let processorFlags = ["-Xcc", "-fno-math-errno"]
#endif

// launch/fuzz.sh sets DTRAIN_FUZZER to libFuzzer's archive: every room then tells it which edges were passed.
let fuzzer = Context.environment["DTRAIN_FUZZER"]
let swift: [SwiftSetting] = [.unsafeFlags(processorFlags + (fuzzer == nil ? [] : ["-sanitize=fuzzer"]))]
let inC: [CSetting] = fuzzer == nil ? [] : [.unsafeFlags(["-fsanitize=fuzzer-no-link"])]

// DTRAIN_MPI=mpich builds against MPICH (launch/mpich.sh does), openmpi, the default, against Open MPI.
let library = Context.environment["DTRAIN_MPI"] ?? "openmpi"
guard ["openmpi", "mpich"].contains(library) else { fatalError("DTRAIN_MPI: expected openmpi or mpich, found \"\(library)\"") }
let isMPICH = library == "mpich"
let mpi: [SwiftSetting] = isMPICH ? [.define("MPICH")] : []

let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// A room and what it may use.
func room(_ name: String, _ dependencies: [Target.Dependency] = [], settings: [SwiftSetting] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swift + settings)
}

/// The tests of a room, in a folder that mirrors it.
func tests(of name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.byName(name: name)] + dependencies, resources: resources,
        swiftSettings: swift)
}

// The loops of the matrix products are compiled a second time for AVX-512, from links to the same files; which of the two
// runs is decided at run time. A build for processors below x86-64-v3 has the plain ones only.
#if arch(x86_64)
    let isWide = Context.environment["DTRAIN_MARCH"] != "x86-64"
#else
    let isWide = false
#endif
let wideTiles: [Target] =
    isWide
    ? [
        .target(
            name: "TilesWide", dependencies: ["CProcessor"],
            swiftSettings: [
                .unsafeFlags(["-Xcc", "-march=x86-64-v4", "-Xcc", "-fno-math-errno"]), .define("WIDE")
            ])
    ] : []

// The readers of files, one by one, with a file of any bytes; their tests read the seeds, the program runs under libFuzzer.
let fuzzing: [Target] =
    [
        .target(
            name: "FuzzTargets",
            dependencies: [
                "Checkpointing", "Datasets", "Diagnostics", "Files", "Network", "Pages", "Reporting", "Settings", "Storage",
                "Tokenization", "Training"
            ],
            path: "Tests/Fuzzing/Targets", swiftSettings: swift)
    ]
    + (fuzzer.map { archive in
        [
            .systemLibrary(name: "CFuzzer", path: "Tests/Fuzzing/CFuzzer"),
            .executableTarget(
                name: "fuzz-readers", dependencies: ["FuzzTargets", "CFuzzer"], path: "Tests/Fuzzing/Driver",
                swiftSettings: swift, linkerSettings: [.unsafeFlags([archive]), .linkedLibrary("stdc++")])
        ]
    } ?? [])

let package = Package(
    name: "dtrain",
    products: [
        .executable(name: "dtrain", targets: ["dtrain"]),
        .library(name: "DTrain", targets: ["DTrain"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0")
    ],
    targets: [
        .systemLibrary(
            name: "CMPI", pkgConfig: isMPICH ? "mpich" : "ompi-c",
            providers: [.apt(isMPICH ? ["libmpich-dev", "mpich"] : ["libopenmpi-dev", "openmpi-bin"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CProcessor"),
        .target(name: "CAllocations"),
        .target(name: "CEightBits", cSettings: inC),
        .target(name: "CImages", dependencies: ["CPNG", "CJPEG"], cSettings: inC),
        .target(name: "CProcesses"),

        room("Diagnostics"),
        room("Files", ["Diagnostics", "Timing", "CCrypto"]),
        room("Settings", ["Diagnostics", "Files", yams]),
        room("Storage", ["CProcessor"]),
        room("Threads", ["Diagnostics", "CProcesses"]),
        room("Timing", ["Storage"]),
        room("Tiles", ["CProcessor"]),
        .target(
            name: "Kernels",
            dependencies: ["Diagnostics", "Storage", "Threads", "CEightBits", "CProcessor", "Tiles"]
                + wideTiles.map { .byName(name: $0.name) },
            swiftSettings: swift + (isWide ? [.define("WIDE_TILES")] : [])),
        room("Export", ["Files", "CZlib"]),
        room("Network", ["Diagnostics", "Export", "Settings", "Storage", "Kernels", "Timing"]),
        room("Optimization", ["Diagnostics", "Settings", "Storage", "Kernels"]),
        room("Watching", ["Diagnostics", "Storage", "Timing", "CProcesses", "CProcessor"]),
        room(
            "Collectives", ["Diagnostics", "Storage", "Threads", "Timing", "Kernels", "Watching", "CMPI", "CProcessor"],
            settings: mpi),
        room("Tokenization", ["Diagnostics", "Files"]),
        room("Datasets", ["Diagnostics", "Files", "Settings", "Storage", "Kernels", "Tokenization", "CZlib", "CImages"]),
        room("Checkpointing", ["Diagnostics", "Files", "Timing"]),
        room("Metrics", ["Diagnostics", "Kernels", "Settings", "Storage"]),
        room("Reporting", ["Diagnostics", "Files", "Storage", "Threads", "Timing"]),
        room("TensorBoard", ["Diagnostics", "Files", "Storage", "Threads"]),
        room("Launching", ["Diagnostics", "Threads", "Timing", "CProcesses"], settings: mpi),
        room(
            "Training",
            [
                "Diagnostics", "Export", "Settings", "Storage", "Kernels", "Network", "Optimization", "Collectives",
                "Datasets", "Metrics", "Files", "Checkpointing", "Reporting", "TensorBoard", "Threads", "Timing",
                "Tokenization", "Watching"
            ]),
        room("Benchmarking", ["Diagnostics", "Storage", "Timing", "Kernels", "Network", "Training", "Reporting"]),
        room(
            "Sweeping",
            [
                "Diagnostics", "Files", "Settings", "Storage", "Kernels", "Collectives", "Checkpointing", "Reporting",
                "Training"
            ]),
        room(
            "Pages",
            ["Diagnostics", "Checkpointing", "Datasets", "Files", "Metrics", "Reporting", "Settings", "Sweeping", "Training"]),
        room(
            "Examination",
            [
                "Diagnostics", "CProcesses", "Files", "Storage", "Threads", "Timing", "Kernels", "Collectives", "Reporting",
                "Training"
            ]),

        room(
            "Commands",
            [
                arguments, "Diagnostics", "Settings", "Storage", "Network",
                "Collectives", "Metrics", "Files", "Checkpointing", "Reporting",
                "Launching", "Threads", "Training", "Timing", "Benchmarking", "Examination",
                "Tokenization", "Watching", "CAllocations", "Pages", "Sweeping"
            ]),
        // The folder has another name than the target, which would be that of the library where case doesn't count.
        .executableTarget(name: "dtrain", dependencies: ["Commands"], path: "Sources/Program", swiftSettings: swift),
        room(
            "DTrain",
            [
                "Commands", "Diagnostics", "Settings", "Storage", "Kernels", "Network", "Metrics", "Datasets", "Collectives",
                "Launching", "Training", "Checkpointing"
            ]),

        // What tests that start programs share, and the program that they start under mpirun.
        .target(name: "TestSupport", dependencies: ["Files"], path: "Tests/TestSupport", swiftSettings: mpi),
        .executableTarget(
            name: "rank-scenarios",
            dependencies: [
                "Collectives", "Diagnostics", "Settings", "Storage",
                "Kernels", "Training", "CAllocations", "CMPI", "Timing", "Watching"
            ],
            path: "Tests/RankScenarios", swiftSettings: swift),

        // A program as one outside is: it imports the library alone.
        .executableTarget(
            name: "library-program", dependencies: ["DTrain"], path: "Tests/LibraryProgram", swiftSettings: swift),

        tests(of: "Diagnostics", ["TestSupport"]),
        tests(of: "Threads", ["Diagnostics"]),
        tests(of: "Settings", ["Diagnostics"]),
        tests(of: "Files", ["Diagnostics", "TestSupport"]),
        tests(of: "Storage"),
        tests(of: "Timing", ["CAllocations"]),
        tests(of: "Examination", ["Collectives", "Diagnostics", "Files", "TestSupport", "Training"]),
        tests(of: "Benchmarking", ["Collectives", "Settings", "Timing", "Training"]),
        tests(of: "Kernels", ["Storage", "COpenBLAS", "TestSupport"]),
        tests(of: "Export"),
        tests(of: "Network", ["Diagnostics", "Export", "Settings", "Storage", "Kernels", "TestSupport"]),
        tests(of: "Optimization", ["Diagnostics", "Settings", "Storage", "Kernels"]),
        tests(of: "Tokenization", ["Diagnostics", "Files"]),
        tests(of: "Datasets", ["Diagnostics", "Settings", "Storage", "Tokenization", "CZlib"]),
        tests(of: "Checkpointing", ["Diagnostics", "Files", "TestSupport"]),
        tests(of: "Metrics", ["Diagnostics", "Settings", "Storage"]),
        tests(of: "Reporting", ["Diagnostics", "Files", "TestSupport", "Timing"]),
        tests(of: "TensorBoard", ["Diagnostics", "Files", "TestSupport"]),
        tests(of: "Pages", ["Reporting"]),
        tests(of: "Sweeping", ["Diagnostics", "Files", "Reporting", "Settings", "TestSupport", "Training"]),
        tests(of: "Launching", ["Diagnostics", "TestSupport"]),
        tests(of: "Watching", ["Diagnostics", "TestSupport"]),
        tests(of: "Collectives", ["Diagnostics", "TestSupport", "rank-scenarios"]),
        tests(
            of: "Training",
            [
                "Checkpointing", "Collectives", "Datasets", "Diagnostics", "Files", "Kernels", "Metrics", "Network",
                "Optimization", "Settings", "Storage", "TestSupport", "rank-scenarios"
            ]),
        tests(of: "FuzzTargets", ["TestSupport"]),
        tests(of: "DTrain", ["TestSupport", "library-program"]),
        .testTarget(name: "MessageTests", exclude: ["Messages.txt"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "dtrain", "Datasets", "Diagnostics", "Files", "Checkpointing", "Reporting",
                "Settings", "Storage", "Training", "TestSupport"
            ], swiftSettings: swift),
        .testTarget(
            name: "ExactnessTests",
            dependencies: [
                "dtrain", "rank-scenarios", "Reporting", "Training",
                "TestSupport"
            ], swiftSettings: swift),
        .testTarget(
            name: "FaultTests",
            dependencies: [
                "dtrain", "Checkpointing", "Files", "Diagnostics", "Reporting", "TestSupport",
                "rank-scenarios"
            ], swiftSettings: swift)
    ] + wideTiles + fuzzing,
    swiftLanguageModes: [.v6]
)
