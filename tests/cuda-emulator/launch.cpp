// Runs a launch: blocks one after the other, in them one thread after the other up to the next barrier or shuffle.
#include "kernel.h"

#include <cstring>

namespace emulator {
namespace {

constexpr uint32_t LANES = 32;

struct Thread {
    uint64_t *registers;
    int at = 0;
    Next state = Next::Go;
};

// Until the thread stops; false at a fault.
bool advance(Launch &launch, Thread &thread) {
    const Instruction *code = launch.kernel.code.data();
    for (;;) {
        const Instruction &i = code[thread.at];
        if (i.guard >= 0 && bool(thread.registers[i.guard] & 1) == i.guard_inverted) {
            thread.at++;
            continue;
        }
        Next next = i.handler(launch, thread.registers, i);
        if (next == Next::Go) {
            thread.at++;
        } else if (next == Next::Jump) {
            thread.at = i.target;
        } else {
            thread.state = next;
            if (next == Next::Barrier) thread.at++;
            return next != Next::Fault;
        }
    }
}

// Exchanges values between the lanes of every warp that waits for it as a whole. Whether one did.
bool exchange(const Launch &launch, std::vector<Thread> &threads) {
    bool any = false;
    for (size_t first = 0; first < threads.size(); first += LANES) {
        size_t end = std::min(first + LANES, threads.size());
        bool waiting = false, whole = true;
        for (size_t t = first; t < end; t++) {
            waiting |= threads[t].state == Next::Shuffle;
            whole &= threads[t].state == Next::Shuffle || threads[t].state == Next::Exit;
        }
        if (!waiting || !whole) continue;
        uint32_t given[LANES] = {};
        auto instruction = [&](const Thread &thread) -> const Instruction & { return launch.kernel.code[thread.at]; };
        for (size_t t = first; t < end; t++)
            if (threads[t].state == Next::Shuffle) given[t - first] = uint32_t(threads[t].registers[instruction(threads[t]).a]);
        for (size_t t = first; t < end; t++) {
            Thread &thread = threads[t];
            if (thread.state != Next::Shuffle) continue;
            const Instruction &i = instruction(thread);
            // The third operand bounds the lanes: bits 0 to 4 the furthest one, bits 8 to 12 which bits of a lane's number stay.
            int lane = int(t - first), by = int(thread.registers[i.b] & 31);
            int bound = int(thread.registers[i.c] & 31), kept = int(thread.registers[i.c] >> 8 & 31);
            int furthest = (lane & kept) | (bound & ~kept), from;
            switch (i.mode) {
                case 'u': from = lane - by; break;
                case 'd': from = lane + by; break;
                case 'b': from = lane ^ by; break;
                default: from = (lane & kept) | (by & ~kept);
            }
            bool within = i.mode == 'u' ? from >= furthest : from <= furthest;
            thread.registers[i.d] = given[within ? from : lane];
            thread.at++;
            thread.state = Next::Go;
        }
        any = true;
    }
    return any;
}

bool run_block(Launch &launch, std::vector<Thread> &threads) {
    for (;;) {
        for (Thread &thread : threads)
            if (thread.state == Next::Go && !advance(launch, thread)) return false;
        if (exchange(launch, threads)) continue;
        bool waiting = false;
        for (Thread &thread : threads) {
            if (thread.state == Next::Shuffle) {
                launch.error = "lanes wait for a shuffle that others do not reach in kernel " + launch.kernel.name;
                return false;
            }
            if (thread.state == Next::Barrier) {
                thread.state = Next::Go;
                waiting = true;
            }
        }
        if (!waiting) return true;
    }
}

}  // namespace

bool Launch::run() {
    size_t count = size_t(block[0]) * block[1] * block[2], width = kernel.registers;
    std::vector<uint64_t> registers(count * width);
    std::vector<Thread> threads(count);
    last_range.assign(kernel.code.size(), {1, 0});
    shared.resize(kernel.shared_bytes + dynamic_shared_bytes);
    for (size_t t = 0; t < count; t++) {
        uint64_t *r = registers.data() + t * width;
        for (auto &[at, value] : kernel.constants) r[at] = value;
        r[THREAD] = t % block[0];
        r[THREAD + 1] = t / block[0] % block[1];
        r[THREAD + 2] = t / block[0] / block[1];
        r[LANE] = t % LANES;
        r[WARP] = t / LANES;
        for (int axis = 0; axis < 3; axis++) {
            r[BLOCK_SIZE + axis] = block[axis];
            r[GRID + axis] = grid[axis];
        }
    }
    for (uint64_t at = 0; at < uint64_t(grid[0]) * grid[1] * grid[2]; at++) {
        memset(shared.data(), 0xff, shared.size());  // what is read before it is written is NaN
        for (size_t t = 0; t < count; t++) {
            uint64_t *r = registers.data() + t * width;
            r[BLOCK] = at % grid[0];
            r[BLOCK + 1] = at / grid[0] % grid[1];
            r[BLOCK + 2] = at / grid[0] / grid[1];
            threads[t] = {r};
        }
        if (!run_block(*this, threads)) return false;
    }
    return true;
}

}  // namespace emulator
