// libcuda.so.1: the functions of the driver that cudarc calls, for one device whose memory is the host's.
//
// EMULATED_DRIVER makes it one that lacks something: no-gpu, old, stand-in or no-pools.
#include "kernel.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <shared_mutex>

using namespace emulator;

namespace {

enum Result {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, STUB_LIBRARY = 34, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_CONTEXT = 201,
    INVALID_PTX = 218, NOT_FOUND = 500, ILLEGAL_ADDRESS = 700
};

int refuse(Result result, const std::string &why) {
    fprintf(stderr, "emulated driver: %s\n", why.c_str());
    return result;
}

bool lacks(const char *what) {
    const char *said = getenv("EMULATED_DRIVER");
    return said && strcmp(said, what) == 0;
}

// The primary context: how often it is held, and which one it is (a released one is never current again).
std::mutex context_lock;
int holders = 0;
uint64_t generation = 0;
thread_local uint64_t current = 0;

bool alive() {
    std::lock_guard guard(context_lock);
    return current != 0 && current == generation && holders > 0;
}

std::shared_mutex memory_lock;
std::map<uint64_t, uint64_t> allocations;  // begin, end

int allocate(uint64_t *address, size_t bytes) {
    *address = 0;
    if (bytes == 0) return SUCCESS;
    void *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!memory) return OUT_OF_MEMORY;
    memset(memory, 0xff, bytes);  // what is read before it is written is NaN
    *address = reinterpret_cast<uint64_t>(memory);
    std::unique_lock guard(memory_lock);
    allocations[*address] = *address + bytes;
    return SUCCESS;
}

int release(uint64_t address) {
    if (address == 0) return SUCCESS;
    std::unique_lock guard(memory_lock);
    if (allocations.erase(address) == 0) return refuse(INVALID_VALUE, "what is freed is not allocated");
    free(reinterpret_cast<void *>(address));
    return SUCCESS;
}

bool inside(uint64_t address, size_t bytes) {
    Range range;
    return bytes == 0 || find_allocation(address, bytes, range);
}

}  // namespace

bool emulator::find_allocation(uint64_t address, size_t bytes, Range &range) {
    std::shared_lock guard(memory_lock);
    auto after = allocations.upper_bound(address);
    if (after == allocations.begin()) return false;
    auto [begin, end] = *--after;
    if (address + bytes > end) return false;
    range = {begin, end};
    return true;
}

#define API extern "C" __attribute__((visibility("default"))) int
#define NEEDS_CONTEXT \
    if (!alive()) return refuse(INVALID_CONTEXT, std::string(__func__) + " without a living context")
#define NEEDS_MEMORY(address, bytes) \
    if (!inside(address, bytes)) return refuse(INVALID_VALUE, std::string(__func__) + " outside of an allocation")

API cuInit(unsigned) { return lacks("no-gpu") ? NO_DEVICE : lacks("stand-in") ? STUB_LIBRARY : SUCCESS; }
API cuDriverGetVersion(int *version) { return *version = lacks("old") ? 12020 : 13020, SUCCESS; }
API cuDeviceGetCount(int *count) { return *count = 1, SUCCESS; }
API cuDeviceGet(int *device, int ordinal) { return *device = 0, ordinal == 0 ? SUCCESS : INVALID_DEVICE; }
API cuDeviceGetAttribute(int *value, int attribute, int) {
    // Multiprocessors, the compute capability 9.0, memory pools.
    *value = attribute == 16 ? 132 : attribute == 75 ? 9 : attribute == 115 ? !lacks("no-pools") : 0;
    return SUCCESS;
}
API cuDevicePrimaryCtxRetain(uint64_t *context, int) {
    std::lock_guard guard(context_lock);
    if (holders++ == 0) generation++;
    *context = generation;
    return SUCCESS;
}
API cuDevicePrimaryCtxRelease_v2(int) {
    std::lock_guard guard(context_lock);
    if (holders == 0) return INVALID_CONTEXT;
    if (--holders == 0) {
        std::unique_lock memory(memory_lock);
        for (auto [begin, end] : allocations) free(reinterpret_cast<void *>(begin));
        allocations.clear();
    }
    return SUCCESS;
}
API cuCtxSetCurrent(uint64_t context) { return current = context, SUCCESS; }
API cuCtxGetCurrent(uint64_t *context) { return *context = current, SUCCESS; }
API cuGetErrorName(int code, const char **text) {
    *text = code == INVALID_VALUE ? "invalid value" : code == ILLEGAL_ADDRESS ? "illegal address" : "another error";
    return SUCCESS;
}
API cuGetErrorString(int code, const char **text) { return cuGetErrorName(code, text); }

// NVRTC asks for internal functions of the driver, and does without them.
API cuGetExportTable(const void **table, const void *) { return *table = nullptr, NOT_FOUND; }

API cuMemAllocAsync(uint64_t *address, size_t bytes, void *) { NEEDS_CONTEXT; return allocate(address, bytes); }
API cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    NEEDS_CONTEXT;
    return bytes == 0 ? refuse(INVALID_VALUE, "an allocation of nothing") : allocate(address, bytes);
}
API cuMemFreeAsync(uint64_t address, void *) { NEEDS_CONTEXT; return release(address); }
API cuMemFree_v2(uint64_t address) { NEEDS_CONTEXT; return release(address); }
API cuMemGetInfo_v2(size_t *available, size_t *total) { return *available = *total = size_t(1) << 36, SUCCESS; }
API cuMemsetD8Async(uint64_t to, uint8_t value, size_t bytes, void *) {
    NEEDS_CONTEXT;
    NEEDS_MEMORY(to, bytes);
    if (bytes) memset(reinterpret_cast<void *>(to), value, bytes);
    return SUCCESS;
}
API cuMemsetD8_v2(uint64_t to, uint8_t value, size_t bytes) { return cuMemsetD8Async(to, value, bytes, nullptr); }
API cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *) {
    NEEDS_CONTEXT;
    NEEDS_MEMORY(to, bytes);
    if (bytes) memcpy(reinterpret_cast<void *>(to), from, bytes);
    return SUCCESS;
}
API cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) { return cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr); }
API cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *) {
    NEEDS_CONTEXT;
    NEEDS_MEMORY(from, bytes);
    if (bytes) memcpy(to, reinterpret_cast<void *>(from), bytes);
    return SUCCESS;
}
API cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) { return cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr); }
API cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *) {
    NEEDS_CONTEXT;
    NEEDS_MEMORY(to, bytes);
    NEEDS_MEMORY(from, bytes);
    if (bytes) memmove(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes);
    return SUCCESS;
}
API cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) { return cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr); }

API cuModuleLoadData(void **module, const void *image) {
    NEEDS_CONTEXT;
    // The same text is loaded by every device that a program opens.
    static std::mutex lock;
    static std::map<std::string, Module> modules;
    std::string ptx(static_cast<const char *>(image));
    if (ptx.find(".version") == std::string::npos) return refuse(INVALID_PTX, "a module that is not PTX");
    std::lock_guard guard(lock);
    auto found = modules.find(ptx);
    try {
        if (found == modules.end()) found = modules.emplace(ptx, parse(ptx)).first;
    } catch (const std::exception &error) {
        return refuse(INVALID_PTX, error.what());
    }
    *module = &found->second;
    return SUCCESS;
}
API cuModuleLoad(void **, const char *) { return refuse(NOT_FOUND, "modules in files are not emulated"); }
API cuModuleUnload(void *) { return SUCCESS; }
API cuModuleGetFunction(void **function, void *module, const char *name) {
    auto &kernels = *static_cast<Module *>(module);
    auto found = kernels.find(name);
    if (found == kernels.end()) return refuse(NOT_FOUND, std::string("no kernel ") + name);
    *function = found->second.get();
    return SUCCESS;
}
API cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *, void **values,
                   void **) {
    NEEDS_CONTEXT;
    const Kernel &kernel = *static_cast<Kernel *>(function);
    bool something = gx && gy && gz && bx && by && bz;
    bool fits = gx <= 0x7fffffffu && gy <= 65535 && gz <= 65535 && bz <= 64 && uint64_t(bx) * by * bz <= 1024;
    if (!something || !fits || kernel.shared_bytes + shared > 48 * 1024) {
        std::string sizes;
        for (unsigned size : {gx, gy, gz, bx, by, bz, shared}) sizes += " " + std::to_string(size);
        return refuse(INVALID_VALUE, "no launch of " + kernel.name + " with grid, block and shared bytes" + sizes);
    }
    Launch launch{kernel, {gx, gy, gz}, {bx, by, bz}, std::vector<uint8_t>(kernel.parameter_bytes), shared};
    for (size_t i = 0; i < kernel.parameters.size(); i++)
        memcpy(launch.parameters.data() + kernel.parameters[i].offset, values[i], kernel.parameters[i].size);
    return launch.run() ? SUCCESS : refuse(ILLEGAL_ADDRESS, launch.error);
}

// Streams and events: everything is done when it was asked for.
API cuEventCreate(void **event, unsigned) { return *event = malloc(1), SUCCESS; }
API cuEventDestroy_v2(void *event) { return free(event), SUCCESS; }
API cuEventRecord(void *, void *) { return SUCCESS; }
API cuStreamCreate(void **stream, unsigned) { return *stream = malloc(1), SUCCESS; }
API cuStreamDestroy_v2(void *stream) { return free(stream), SUCCESS; }
API cuStreamSynchronize(void *) { return SUCCESS; }
API cuStreamWaitEvent(void *, void *, unsigned) { return SUCCESS; }
