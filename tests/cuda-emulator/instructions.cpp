// What each instruction does to the registers of a thread and to memory.
//
// Registers have 64 bits; smaller values are extended by zeros (by the sign where a signed value was loaded). Denormal numbers are kept, also
// where an instruction says .ftz, and approximate functions are exact.
#include "kernel.h"

#include <cfenv>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <sstream>
#include <type_traits>

namespace emulator {
namespace {

using std::string;
using Table = std::map<string, Handler>;

template <class T> T as(uint64_t bits) {
    T value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

template <class T> uint64_t bits(T value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    return bits;
}

Next fault(Launch &launch, const uint64_t *r, const Instruction &i, const char *what, uint64_t address) {
    std::ostringstream text;
    text << what << " at " << std::hex << address << std::dec << " in kernel " << launch.kernel.name << ", block " << r[BLOCK] << "," << r[BLOCK + 1]
         << "," << r[BLOCK + 2] << ", thread " << r[THREAD] << "," << r[THREAD + 1] << "," << r[THREAD + 2] << ": " << i.text;
    launch.error = text.str();
    return Next::Fault;
}

Next unknown(Launch &launch, uint64_t *r, const Instruction &i) { return fault(launch, r, i, "an instruction that the emulator does not have", 0); }
Next device_assertion(Launch &launch, uint64_t *r, const Instruction &i) { return fault(launch, r, i, "a failed assertion, or a call", 0); }
template <Next next> Next only(Launch &, uint64_t *, const Instruction &) { return next; }

// Arithmetic: F is a function of values of type T.
template <class T, auto F> Next unary(Launch &, uint64_t *r, const Instruction &i) {
    r[i.d] = bits(F(as<T>(r[i.a])));
    return Next::Go;
}

template <class T, auto F> Next binary(Launch &, uint64_t *r, const Instruction &i) {
    r[i.d] = bits(F(as<T>(r[i.a]), as<T>(r[i.b])));
    return Next::Go;
}

template <class T, auto F> Next ternary(Launch &, uint64_t *r, const Instruction &i) {
    r[i.d] = bits(F(as<T>(r[i.a]), as<T>(r[i.b]), as<T>(r[i.c])));
    return Next::Go;
}

// A comparison, perhaps combined with a predicate.
template <class T, auto F> Next compare(Launch &, uint64_t *r, const Instruction &i) {
    bool holds = F(as<T>(r[i.a]), as<T>(r[i.b])), other = r[i.c] & 1;
    r[i.d] = i.mode == '&' ? holds && other : i.mode == '|' ? holds || other : i.mode == '^' ? holds != other : holds;
    return Next::Go;
}

template <class T> Next select(Launch &, uint64_t *r, const Instruction &i) {
    r[i.d] = bits(as<T>(r[i.c] & 1 ? r[i.a] : r[i.b]));
    return Next::Go;
}

// Fused product and sum, rounded down: the exponential function takes the integer part of a number with it.
Next fma_down(Launch &, uint64_t *r, const Instruction &i) {
    int before = fegetround();
    fesetround(FE_DOWNWARD);
    volatile float a = as<float>(r[i.a]);
    float sum = fmaf(a, as<float>(r[i.b]), as<float>(r[i.c]));
    fesetround(before);
    r[i.d] = bits(sum);
    return Next::Go;
}

template <class T> T shifted_left(T a, uint32_t by) { return by >= 8 * sizeof(T) ? T(0) : T(a << by); }

template <class T> T shifted_right(T a, uint32_t by) {
    uint32_t most = 8 * sizeof(T) - 1;
    return std::is_signed_v<T> ? T(a >> std::min(by, most)) : by > most ? T(0) : T(a >> by);
}

template <class T, auto F> Next shift(Launch &, uint64_t *r, const Instruction &i) {
    r[i.d] = bits(F(as<T>(r[i.a]), uint32_t(r[i.b])));
    return Next::Go;
}

// Twice as wide a product, and a sum with it.
template <class T, class Wide> Next product_wide(Launch &, uint64_t *r, const Instruction &i) {
    r[i.d] = bits(Wide(Wide(as<T>(r[i.a])) * Wide(as<T>(r[i.b]))));
    return Next::Go;
}

template <class T, class Wide> Next product_wide_plus(Launch &, uint64_t *r, const Instruction &i) {
    r[i.d] = bits(Wide(Wide(as<T>(r[i.a])) * Wide(as<T>(r[i.b])) + as<Wide>(r[i.c])));
    return Next::Go;
}

// The lowest bits of a put into b.
template <class T> Next insert_bits(Launch &, uint64_t *r, const Instruction &i) {
    uint32_t at = uint32_t(r[i.c]) & 0xff, count = uint32_t(r[i.e]) & 0xff;
    T mask = shifted_left(count >= 8 * sizeof(T) ? T(~T(0)) : T((T(1) << count) - 1), at);
    r[i.d] = bits(T((as<T>(r[i.b]) & ~mask) | (shifted_left(as<T>(r[i.a]), at) & mask)));
    return Next::Go;
}

double integral(double v, int rounding) {
    return rounding == 'n' ? nearbyint(v) : rounding == 'z' ? trunc(v) : rounding == 'm' ? floor(v) : rounding == 'p' ? ceil(v) : v;
}

template <class To, class From> Next convert(Launch &, uint64_t *r, const Instruction &i) {
    From from = as<From>(r[i.a]);
    To to;
    if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
        double v = integral(from, i.mode), least = double(std::numeric_limits<To>::min()), most = double(std::numeric_limits<To>::max());
        to = std::isnan(v) ? To(0) : v <= least ? std::numeric_limits<To>::min() : v >= most ? std::numeric_limits<To>::max() : To(v);
    } else if constexpr (std::is_floating_point_v<To> && std::is_floating_point_v<From>) {
        to = To(i.mode ? From(integral(from, i.mode)) : from);
    } else {
        to = To(from);
    }
    r[i.d] = bits(to);
    return Next::Go;
}

Next saturate(Launch &, uint64_t *r, const Instruction &i) {
    float v = as<float>(r[i.a]);
    r[i.d] = bits(v > 0 ? std::min(v, 1.0f) : 0.0f);  // NaN becomes 0
    return Next::Go;
}

template <class T> Next move(Launch &, uint64_t *r, const Instruction &i) {
    int width = i.parts.empty() ? 0 : int(8 * sizeof(T) / i.parts.size());
    uint64_t mask = width == 0 ? 0 : ~uint64_t(0) >> (64 - width), joined = 0;
    if (i.parts.empty()) {
        r[i.d] = bits(as<T>(r[i.a]));
    } else if (i.mode == '<') {
        for (size_t k = 0; k < i.parts.size(); k++) joined |= (r[i.parts[k]] & mask) << (width * k);
        r[i.d] = joined;
    } else {
        uint64_t whole = r[i.a];
        for (size_t k = 0; k < i.parts.size(); k++) r[i.parts[k]] = whole >> (width * k) & mask;
    }
    return Next::Go;
}

// Memory.
enum class Space { Parameters, Shared, Global };

template <Space space> uint8_t *memory(Launch &launch, const uint64_t *r, const Instruction &i, uint64_t address, size_t size) {
    if (address % size != 0) {
        fault(launch, r, i, "an address that is not aligned", address);
        return nullptr;
    }
    if constexpr (space == Space::Global) {
        Range &last = launch.last_range[&i - launch.kernel.code.data()];
        bool inside = address >= last.begin && address + size <= last.end;
        if (!inside && !find_allocation(address, size, last)) {
            fault(launch, r, i, "outside of every allocation", address);
            return nullptr;
        }
        return reinterpret_cast<uint8_t *>(address);
    }
    auto &bytes = space == Space::Shared ? launch.shared : launch.parameters;
    if (address + size > bytes.size()) {
        fault(launch, r, i, space == Space::Shared ? "outside of shared memory" : "outside of the parameters", address);
        return nullptr;
    }
    return bytes.data() + address;
}

template <Space space, class T> Next load(Launch &launch, uint64_t *r, const Instruction &i) {
    size_t count = std::max<size_t>(i.parts.size(), 1);
    const uint8_t *from = memory<space>(launch, r, i, r[i.a] + i.offset, sizeof(T) * count);
    if (!from) return Next::Fault;
    for (size_t k = 0; k < count; k++) {
        T value;
        memcpy(&value, from + k * sizeof(T), sizeof(T));
        int to = i.parts.empty() ? i.d : i.parts[k];
        if constexpr (std::is_signed_v<T> && std::is_integral_v<T> && sizeof(T) < 4) r[to] = bits(int32_t(value));
        else r[to] = bits(value);
    }
    return Next::Go;
}

template <Space space, class T> Next store(Launch &launch, uint64_t *r, const Instruction &i) {
    size_t count = std::max<size_t>(i.parts.size(), 1);
    uint8_t *to = memory<space>(launch, r, i, r[i.d] + i.offset, sizeof(T) * count);
    if (!to) return Next::Fault;
    for (size_t k = 0; k < count; k++) memcpy(to + k * sizeof(T), &r[i.parts.empty() ? i.a : i.parts[k]], sizeof(T));
    return Next::Go;
}

// Atomics: launches run one thread after the other, and no two launches at a time have a buffer in common.
template <Space space, class T, auto F> Next atomic(Launch &launch, uint64_t *r, const Instruction &i) {
    uint8_t *at = memory<space>(launch, r, i, r[i.a] + i.offset, sizeof(T));
    if (!at) return Next::Fault;
    T before, after;
    memcpy(&before, at, sizeof(T));
    after = F(before, as<T>(r[i.b]), as<T>(r[i.c]));
    memcpy(at, &after, sizeof(T));
    r[i.d] = bits(before);
    return Next::Go;
}

template <class T> void comparisons(Table &table, const string &type) {
    auto add = [&](const char *name, Handler handler) { table["setp." + string(name) + "." + type] = handler; };
    add("eq", compare<T, [](T a, T b) { return a == b; }>);
    add("lt", compare<T, [](T a, T b) { return a < b; }>);
    add("le", compare<T, [](T a, T b) { return a <= b; }>);
    add("gt", compare<T, [](T a, T b) { return b < a; }>);
    add("ge", compare<T, [](T a, T b) { return b <= a; }>);
    if constexpr (std::is_floating_point_v<T>) {
        // Names with u also hold where an operand is NaN, those without do not.
        add("ne", compare<T, [](T a, T b) { return a < b || b < a; }>);
        add("equ", compare<T, [](T a, T b) { return !(a < b || b < a); }>);
        add("neu", compare<T, [](T a, T b) { return a != b; }>);
        add("ltu", compare<T, [](T a, T b) { return !(b <= a); }>);
        add("leu", compare<T, [](T a, T b) { return !(b < a); }>);
        add("gtu", compare<T, [](T a, T b) { return !(a <= b); }>);
        add("geu", compare<T, [](T a, T b) { return !(a < b); }>);
        add("num", compare<T, [](T a, T b) { return !std::isnan(a) && !std::isnan(b); }>);
        add("nan", compare<T, [](T a, T b) { return std::isnan(a) || std::isnan(b); }>);
    } else {
        add("ne", compare<T, [](T a, T b) { return a != b; }>);
        for (auto [name, same] : {std::pair("lo", "lt"), {"ls", "le"}, {"hi", "gt"}, {"hs", "ge"}}) add(name, table["setp." + string(same) + "." + type]);
    }
}

template <Space space, class T> void accesses(Table &table, const string &name, const string &type) {
    table["ld." + name + type] = load<space, T>;
    if (space != Space::Parameters) table["st." + name + type] = store<space, T>;
}

template <Space space, class T> void atomics(Table &table, const string &name, const string &type) {
    for (string root : {"atom.", "red."}) {
        auto add = [&](const char *what, Handler handler) { table[root + name + what + "." + type] = handler; };
        add("add", atomic<space, T, [](T a, T b, T) { return T(a + b); }>);
        add("exch", atomic<space, T, [](T, T b, T) { return b; }>);
        if constexpr (std::is_integral_v<T>) {
            add("min", atomic<space, T, [](T a, T b, T) { return std::min(a, b); }>);
            add("max", atomic<space, T, [](T a, T b, T) { return std::max(a, b); }>);
            add("cas", atomic<space, T, [](T a, T b, T c) { return a == b ? c : a; }>);
        }
    }
}

// What every type has.
template <class T> void common(Table &table, const string &type) {
    table["mov." + type] = move<T>;
    table["selp." + type] = select<T>;
    comparisons<T>(table, type);
    accesses<Space::Parameters, T>(table, "param.", type);
    accesses<Space::Shared, T>(table, "shared.", type);
    accesses<Space::Global, T>(table, "global.", type);
    atomics<Space::Shared, T>(table, "shared.", type);
    atomics<Space::Global, T>(table, "global.", type);
    table["add." + type] = binary<T, [](T a, T b) { return T(a + b); }>;
    table["sub." + type] = binary<T, [](T a, T b) { return T(a - b); }>;
    table["mul." + type] = binary<T, [](T a, T b) { return T(a * b); }>;
    table["neg." + type] = unary<T, [](T a) { return T(-a); }>;
}

template <class T> void integers(Table &table, const string &type) {
    using U = std::make_unsigned_t<T>;
    common<T>(table, type);
    table["mad." + type] = ternary<T, [](T a, T b, T c) { return T(a * b + c); }>;
    table["abs." + type] = unary<T, [](T a) { return T(a < T(0) ? -a : a); }>;
    table["min." + type] = binary<T, [](T a, T b) { return std::min(a, b); }>;
    table["max." + type] = binary<T, [](T a, T b) { return std::max(a, b); }>;
    table["div." + type] = binary<T, [](T a, T b) { return b == 0 ? T(-1) : std::is_signed_v<T> && b == T(-1) ? T(-a) : T(a / b); }>;
    table["rem." + type] = binary<T, [](T a, T b) { return b == 0 ? a : std::is_signed_v<T> && b == T(-1) ? T(0) : T(a % b); }>;
    table["shr." + type] = shift<T, shifted_right<T>>;
    table["mul.hi." + type] = binary<T, [](T a, T b) { return T(__int128(a) * __int128(b) >> 8 * sizeof(T)); }>;
    if constexpr (sizeof(T) == 8 && !std::is_signed_v<T>)
        table["mul.hi." + type] = binary<T, [](T a, T b) { return T((unsigned __int128)(a) * b >> 64); }>;
    table["popc.b" + std::to_string(8 * sizeof(T))] = unary<U, [](U a) { return uint32_t(__builtin_popcountll(a)); }>;
    table["clz.b" + std::to_string(8 * sizeof(T))] = unary<U, [](U a) { return uint32_t(a ? __builtin_clzll(a) + 8 * sizeof(U) - 64 : 8 * sizeof(U)); }>;
}

template <class T> void untyped(Table &table, const string &type) {
    table["mov." + type] = move<T>;
    table["selp." + type] = select<T>;
    table["setp.eq." + type] = compare<T, [](T a, T b) { return a == b; }>;
    table["setp.ne." + type] = compare<T, [](T a, T b) { return a != b; }>;
    accesses<Space::Parameters, T>(table, "param.", type);
    accesses<Space::Shared, T>(table, "shared.", type);
    accesses<Space::Global, T>(table, "global.", type);
    atomics<Space::Shared, T>(table, "shared.", type);
    atomics<Space::Global, T>(table, "global.", type);
    table["and." + type] = binary<T, [](T a, T b) { return T(a & b); }>;
    table["or." + type] = binary<T, [](T a, T b) { return T(a | b); }>;
    table["xor." + type] = binary<T, [](T a, T b) { return T(a ^ b); }>;
    table["not." + type] = unary<T, [](T a) { return T(~a); }>;
    table["shl." + type] = shift<T, shifted_left<T>>;
    table["shr." + type] = shift<T, shifted_right<T>>;
}

template <class T> void floats(Table &table, const string &type) {
    common<T>(table, type);
    table["div." + type] = binary<T, [](T a, T b) { return a / b; }>;
    table["fma." + type] = ternary<T, [](T a, T b, T c) { return std::fma(a, b, c); }>;
    table["abs." + type] = unary<T, [](T a) { return std::fabs(a); }>;
    table["min." + type] = binary<T, [](T a, T b) { return std::fmin(a, b); }>;
    table["max." + type] = binary<T, [](T a, T b) { return std::fmax(a, b); }>;
    table["copysign." + type] = binary<T, [](T a, T b) { return std::copysign(b, a); }>;
    table["rcp." + type] = unary<T, [](T a) { return T(1) / a; }>;
    table["sqrt." + type] = unary<T, [](T a) { return std::sqrt(a); }>;
    table["rsqrt." + type] = unary<T, [](T a) { return T(1 / std::sqrt(double(a))); }>;
    table["ex2." + type] = unary<T, [](T a) { return T(std::exp2(double(a))); }>;
    table["lg2." + type] = unary<T, [](T a) { return T(std::log2(double(a))); }>;
    table["tanh." + type] = unary<T, [](T a) { return std::tanh(a); }>;
}

template <class To, class... From> void conversions_to(Table &table, const string &to, std::initializer_list<const char *> names) {
    auto name = names.begin();
    ((table["cvt." + to + "." + *name++] = convert<To, From>), ...);
}

template <class... T> void conversions(Table &table) {
    auto names = {"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64"};
    auto name = names.begin();
    (conversions_to<T, T...>(table, *name++, names), ...);
}

Table make_table() {
    Table table;
    common<uint8_t>(table, "u8");
    common<int8_t>(table, "s8");
    integers<uint16_t>(table, "u16");
    integers<int16_t>(table, "s16");
    integers<uint32_t>(table, "u32");
    integers<int32_t>(table, "s32");
    integers<uint64_t>(table, "u64");
    integers<int64_t>(table, "s64");
    floats<float>(table, "f32");
    floats<double>(table, "f64");
    untyped<uint8_t>(table, "b8");
    untyped<uint16_t>(table, "b16");
    untyped<uint32_t>(table, "b32");
    untyped<uint64_t>(table, "b64");
    untyped<uint8_t>(table, "pred");
    table["not.pred"] = unary<uint8_t, [](uint8_t a) { return uint8_t(!(a & 1)); }>;
    conversions<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, uint64_t, int64_t, float, double>(table);
    table["cvt.sat.f32.f32"] = saturate;
    table["bfi.b32"] = insert_bits<uint32_t>;
    table["bfi.b64"] = insert_bits<uint64_t>;
    table["fma.rm.f32"] = fma_down;
    table["mul.wide.u16"] = product_wide<uint16_t, uint32_t>;
    table["mul.wide.s16"] = product_wide<int16_t, int32_t>;
    table["mul.wide.u32"] = product_wide<uint32_t, uint64_t>;
    table["mul.wide.s32"] = product_wide<int32_t, int64_t>;
    table["mad.wide.u32"] = product_wide_plus<uint32_t, uint64_t>;
    table["mad.wide.s32"] = product_wide_plus<int32_t, int64_t>;
    for (auto space : {"global", "to.global"}) table["cvta." + string(space) + ".u64"] = move<uint64_t>;
    for (auto name : {"membar", "membar.gl", "fence", "fence.sc", "fence.acq_rel", "bar.warp"}) table[name] = only<Next::Go>;
    for (auto name : {"st.param.b32", "st.param.b64", "st.param.f32", "st.param.f64"}) table[name] = only<Next::Go>;  // of a call, which ends the run
    table["bra"] = only<Next::Jump>;
    table["bar"] = only<Next::Barrier>;
    table["barrier"] = only<Next::Barrier>;
    table["shfl.b32"] = only<Next::Shuffle>;
    table["ret"] = table["exit"] = only<Next::Exit>;
    table["call"] = table["trap"] = device_assertion;
    return table;
}

}  // namespace

Handler handler_of(const string &opcode, Instruction &instruction) {
    static const Table table = make_table();
    string key, part;
    std::istringstream parts(opcode);
    bool conversion = opcode.rfind("cvt.", 0) == 0, comparison = opcode.rfind("setp.", 0) == 0, shuffling = opcode.rfind("shfl.", 0) == 0;
    while (std::getline(parts, part, '.')) {
        // What changes nothing here, for the product's lower half is what a product is.
        static const std::string without_effect = " rn uni sync aligned ftz approx full nc relaxed volatile gpu sys cta lo v2 v4 ";
        if (without_effect.find(" " + part + " ") != string::npos) continue;
        if (conversion && part.size() == 3 && part[0] == 'r' && part[2] == 'i') {
            instruction.mode = part[1];
        } else if (comparison && (part == "and" || part == "or" || part == "xor")) {
            instruction.mode = part == "and" ? '&' : part == "or" ? '|' : '^';
        } else if (shuffling && (part == "up" || part == "down" || part == "bfly" || part == "idx")) {
            instruction.mode = part[0];
        } else {
            key += (key.empty() ? "" : ".") + part;
        }
    }
    auto found = table.find(key);
    return found == table.end() ? unknown : found->second;
}

}  // namespace emulator
