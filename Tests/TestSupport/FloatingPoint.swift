import Foundation

/// Makes denormal numbers count on the calling thread again: tests share threads, and those of kernels flush them.
package func honorDenormals() {
    var environment = fenv_t()
    fegetenv(&environment)
    #if arch(x86_64)
        environment.__mxcsr &= ~0x8040
    #elseif arch(arm64)
        environment.__fpcr &= ~(1 << 24)
    #endif
    fesetenv(&environment)
}
