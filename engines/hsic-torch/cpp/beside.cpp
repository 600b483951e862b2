// What libtorch has and `tch` does not bind. Errors are returned as text that the caller frees.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Version.h>
#include <ATen/ops/convolution_backward.h>
#include <dlfcn.h>

// Older versions have it in another place.
#if __has_include(<torch/headeronly/version.h>)
#include <torch/headeronly/version.h>
#else
#include <torch/version.h>
#endif

#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

namespace {

template <typename Work>
char *told(Work work) {
    try {
        work();
        return nullptr;
    } catch (const std::exception &error) {
        return strdup(error.what());
    }
}

}  // namespace

extern "C" {

// The gradients of a convolution's weights and, where `x_gradient` has room for it, of its input.
char *beside_convolution_backward(at::Tensor **weight_gradient, at::Tensor **x_gradient, const at::Tensor *gradient,
                                  const at::Tensor *x, const at::Tensor *weight, int64_t stride, int64_t padding) {
    return told([&] {
        auto [dx, dw, db] =
            at::convolution_backward(*gradient, *x, *weight, at::OptionalIntArrayRef(), {stride, stride},
                                     {padding, padding}, {1, 1}, false, {0, 0}, 1, {x_gradient != nullptr, true, false});
        *weight_gradient = new at::Tensor(dw);
        if (x_gradient != nullptr) {
            *x_gradient = new at::Tensor(dx);
        }
    });
}

// Convolutions in true single precision or by TF32, products in the former, since the objective's are differences of numbers
// that are close; algorithms that give the same bits each time.
char *beside_settings(bool tf32, bool deterministic) {
    return told([&] {
        at::globalContext().setAllowTF32CuBLAS(false);
        at::globalContext().setAllowTF32CuDNN(tf32);
        at::globalContext().setDeterministicCuDNN(deterministic);
        at::globalContext().setBenchmarkCuDNN(false);
    });
}

// What the libtorch that was found says of its own making.
char *beside_about() { return strdup(at::show_config().c_str()); }

// The version that this program was built against.
char *beside_built_against() { return strdup(TORCH_VERSION); }

// Loads the part of libtorch that knows CUDA: a linker drops it, since no symbol of it is named. Gives the loader's reason if
// it cannot be loaded.
char *beside_load_cuda() {
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr) {
        return nullptr;
    }
    const char *reason = dlerror();
    return strdup(reason == nullptr ? "no reason given" : reason);
}

// Free bytes of a GPU, by CUDA's runtime, which libtorch's part for CUDA has brought along; so no header of CUDA is needed.
char *beside_free_bytes(int device, uint64_t *bytes) {
    using Asked = int (*)(int *);
    using Chosen = int (*)(int);
    using Told = int (*)(size_t *, size_t *);
    const auto current = reinterpret_cast<Asked>(dlsym(RTLD_DEFAULT, "cudaGetDevice"));
    const auto choose = reinterpret_cast<Chosen>(dlsym(RTLD_DEFAULT, "cudaSetDevice"));
    const auto tell = reinterpret_cast<Told>(dlsym(RTLD_DEFAULT, "cudaMemGetInfo"));
    if (current == nullptr || choose == nullptr || tell == nullptr) {
        return strdup("cudaMemGetInfo was not found: expected CUDA's runtime beside libtorch_cuda.so");
    }
    int before = 0;
    size_t unused = 0, whole = 0;
    int error = current(&before);
    error = error != 0 ? error : choose(device);
    error = error != 0 ? error : tell(&unused, &whole);
    error = error != 0 ? error : choose(before);
    *bytes = unused;
    return error == 0 ? nullptr : strdup(("cudaMemGetInfo ended with error " + std::to_string(error)).c_str());
}

void beside_free(char *text) { std::free(text); }
}
