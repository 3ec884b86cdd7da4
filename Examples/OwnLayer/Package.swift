// swift-tools-version:6.2
import PackageDescription

let package = Package(
    name: "OwnLayer",
    // A package elsewhere names the folder that dtrain lies in.
    dependencies: [.package(name: "dtrain", path: "../..")],
    targets: [.executableTarget(name: "OwnLayer", dependencies: [.product(name: "DTrain", package: "dtrain")])]
)
