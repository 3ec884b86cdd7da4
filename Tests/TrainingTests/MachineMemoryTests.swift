import Testing
import Training

/// What control groups leave of the machine's memory, from files as Linux has them.
@Suite("The machine's memory")
struct MachineMemoryTests {
    private static let unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    private static let legacy = """
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw

        """

    private func limit(_ files: [String: String], physical: Int = 16 << 30) -> MemoryLimit? {
        MachineMemory.limit(physical: physical) { files[$0] }
    }

    @Test("is all of it where no group bounds it")
    func unbounded() {
        let whole = MemoryLimit(bytes: 16 << 30, holder: "this machine has")
        #expect(limit([:]) == whole)
        #expect(limit(["/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": Self.unified]) == whole)
        #expect(
            limit([
                "/proc/self/cgroup": "0::/a/b\n", "/proc/self/mountinfo": Self.unified,
                "/sys/fs/cgroup/a/b/memory.max": "max\n", "/sys/fs/cgroup/a/memory.max": "max\n"
            ]) == whole)
        // What version 1 has for no bound.
        #expect(
            limit([
                "/proc/self/cgroup": "4:memory:/\n", "/proc/self/mountinfo": Self.legacy,
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"
            ]) == whole)
        #expect(limit([:], physical: 0) == nil)
    }

    @Test(
        "is the tightest bound on the way from the group to the root, in either version",
        arguments: [
            ("/a/b/memory.max", "1000000000"), ("/a/memory.max", "900"), ("/memory.max", "12345")
        ])
    func versionTwo(_ file: String, _ bytes: String) {
        var files = [
            "/proc/self/cgroup": "0::/a/b\n", "/proc/self/mountinfo": Self.unified,
            "/sys/fs/cgroup/a/b/memory.max": "2000000000\n", "/sys/fs/cgroup/a/memory.max": "max\n"
        ]
        files["/sys/fs/cgroup" + file] = bytes + "\n"
        let found = limit(files)
        #expect(found?.bytes == Int(bytes))
        #expect(found?.source == "/sys/fs/cgroup\(file)")
    }

    @Test("version 1 likewise, by the controller of memory alone", arguments: ["/jobs/7", "/jobs", ""])
    func versionOne(_ group: String) {
        let files = [
            "/proc/self/cgroup": "9:name=systemd:/x\n4:cpuacct,memory:/jobs/7\n1:cpu:/y\n0::/\n",
            "/proc/self/mountinfo": Self.legacy,
            "/sys/fs/cgroup/memory\(group)/memory.limit_in_bytes": "4096\n",
            "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1\n", "/sys/fs/cgroup/cpu/y/memory.limit_in_bytes": "1\n"
        ]
        #expect(limit(files)?.bytes == 4096)
    }

    @Test(
        "inside a container the mounted folder is the group, whatever its path is outside",
        arguments: [
            ("/docker/1f", "/docker/1f", "/sys/fs/cgroup/memory.max"),
            ("/docker/1f", "/docker/1f/inner", "/sys/fs/cgroup/inner/memory.max"),
            ("/docker/1f", "/elsewhere", "/sys/fs/cgroup/memory.max"),
            ("/docker/1f", "/docker/1f0", "/sys/fs/cgroup/memory.max"),
            ("/", "/../../up", "/sys/fs/cgroup/memory.max")
        ])
    func containers(root: String, path: String, file: String) {
        let found = limit([
            "/proc/self/cgroup": "0::\(path)\n", file: "777\n",
            "/proc/self/mountinfo": "30 23 0:26 \(root) /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
        ])
        #expect(found?.bytes == 777)
    }

    @Test("files that make no sense bound nothing", arguments: ["", "0", "-5", "many", "99999999999999999999999"])
    func nonsense(_ text: String) {
        let files = [
            "/proc/self/cgroup": "0::/a\nnothing\n:::\n", "/proc/self/mountinfo": "x\n- - -\n" + Self.unified,
            "/sys/fs/cgroup/a/memory.max": text
        ]
        #expect(limit(files)?.bytes == 16 << 30)
    }
}
