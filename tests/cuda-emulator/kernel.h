// A kernel decoded from PTX, and what a launch of it needs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace emulator {

struct Instruction;
struct Launch;

// What becomes of a thread behind an instruction.
enum class Next : uint8_t { Go, Jump, Barrier, Shuffle, Exit, Fault };

using Handler = Next (*)(Launch &, uint64_t *registers, const Instruction &);

// Operands are numbers of registers; constants stand in registers of their own.
struct Instruction {
    Handler handler = nullptr;
    int guard = -1;
    bool guard_inverted = false;
    int d = 0, a = 0, b = 0, c = 0, e = 0;
    std::vector<int> parts;  // of a vector operand
    int64_t offset = 0;      // of an address
    int target = 0;          // of a jump
    int mode = 0;            // rounding, combination of predicates, direction of a shuffle
    std::string text;
};

struct Parameter {
    size_t offset, size;
};

// The special registers come first: threadIdx, blockDim, blockIdx, gridDim, lane, warp.
enum Special { THREAD = 0, BLOCK_SIZE = 3, BLOCK = 6, GRID = 9, LANE = 12, WARP = 13, SPECIALS = 14 };

struct Kernel {
    std::string name;
    std::vector<Parameter> parameters;
    size_t parameter_bytes = 0, shared_bytes = 0;
    std::vector<Instruction> code;
    std::vector<std::pair<int, uint64_t>> constants;
    int registers = SPECIALS;
};

using Module = std::map<std::string, std::unique_ptr<Kernel>>;

// The kernels of a text of PTX.
Module parse(const std::string &ptx);

// The handler of an opcode such as add.rn.f32, which may set `mode`. Never null: an opcode that is not known faults when it is reached.
Handler handler_of(const std::string &opcode, Instruction &instruction);

struct Range {
    uint64_t begin, end;
};

// Finds the allocation that holds the bytes.
bool find_allocation(uint64_t address, size_t bytes, Range &range);

struct Launch {
    const Kernel &kernel;
    uint32_t grid[3], block[3];
    std::vector<uint8_t> parameters;
    size_t dynamic_shared_bytes;

    std::vector<uint8_t> shared = {};
    std::vector<Range> last_range = {};  // by instruction
    std::string error = {};

    // Runs all threads; false, and `error`, at the first fault.
    bool run();
};

}  // namespace emulator
