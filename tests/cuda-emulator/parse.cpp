// Reads the PTX that nvcc and NVRTC write: entries, their parameters, shared arrays, labels and instructions.
#include "kernel.h"

#include <cstring>
#include <stdexcept>

namespace emulator {
namespace {

using std::string;
using std::vector;

string trim(const string &s) {
    size_t first = s.find_first_not_of(" \t\r\n"), last = s.find_last_not_of(" \t\r\n");
    return first == string::npos ? "" : s.substr(first, last - first + 1);
}

vector<string> split(const string &s, const char *separators) {
    vector<string> parts;
    int depth = 0;
    string part;
    for (char c : s) {
        depth += c == '{' || c == '[' || c == '(';
        depth -= c == '}' || c == ']' || c == ')';
        if (depth == 0 && strchr(separators, c)) {
            if (!trim(part).empty()) parts.push_back(trim(part));
            part.clear();
        } else {
            part += c;
        }
    }
    if (!trim(part).empty()) parts.push_back(trim(part));
    return parts;
}

size_t size_of(const string &type) {  // .f32, .b8
    return type == ".pred" ? 1 : std::stoul(type.substr(2)) / 8;
}

// A declaration such as ".align 4 .b8 name[12]".
struct Declared {
    string name;
    size_t align = 1, bytes = 0;

    explicit Declared(const string &text) {
        vector<string> words = split(text, " \t\r\n");
        size_t element = 1;
        for (size_t i = 0; i < words.size(); i++) {
            if (words[i] == ".align") {
                align = std::stoul(words[++i]);
            } else if (words[i][0] == '.' && words[i].size() > 2 && isdigit(words[i][2])) {
                element = size_of(words[i]);
            } else if (words[i][0] != '.') {
                name += words[i];
            }
        }
        size_t bracket = name.find('[');
        string length = bracket == string::npos ? "1" : name.substr(bracket + 1, name.find(']') - bracket - 1);
        name = name.substr(0, bracket);
        align = std::max(align, element);
        bytes = length.empty() ? 0 : std::stoul(length) * element;  // "name[]": as much as the launch says
    }
};

size_t aligned(size_t at, size_t align) { return (at + align - 1) / align * align; }

class Reader {
  public:
    // `shared`: arrays of the module in shared memory; `dynamic`: the one whose length the launch decides.
    Reader(Kernel &kernel, const std::map<string, size_t> &shared, const string &dynamic)
        : kernel(kernel), symbols(shared), dynamic(dynamic) {
        static const char *const names[SPECIALS] = {"%tid.x",   "%tid.y",   "%tid.z",   "%ntid.x",   "%ntid.y",   "%ntid.z",   "%ctaid.x",
                                                    "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z", "%laneid",   "%warpid"};
        for (int i = 0; i < SPECIALS; i++) registers[names[i]] = i;
    }

    void parameters(const string &list) {
        for (const string &text : split(list, ",")) {
            Declared parameter(text);
            size_t at = aligned(kernel.parameter_bytes, parameter.align);
            kernel.parameters.push_back({at, parameter.bytes});
            symbols[parameter.name] = at;
            kernel.parameter_bytes = at + parameter.bytes;
        }
    }

    void body(const string &text) {
        string statement;
        int depth = 0;
        for (char c : text) {
            // Braces of a block stand where a statement begins, those of a vector inside one.
            if ((c == '{' || c == '}') && depth == 0 && trim(statement).empty()) continue;
            depth += c == '{';
            depth -= c == '}';
            if (c == ':' && trim(statement).find_first_of(" \t,[") == string::npos) {
                labels[trim(statement)] = int(kernel.code.size());
                statement.clear();
            } else if (c == ';') {
                one(trim(statement));
                statement.clear();
            } else {
                statement += c;
            }
        }
        one("ret");
        kernel.shared_bytes = aligned(kernel.shared_bytes, 16);
        for (size_t at : dynamic_uses) kernel.constants[at].second = kernel.shared_bytes;
        for (auto &[at, label] : jumps) {
            auto found = labels.find(label);
            if (found == labels.end()) throw std::runtime_error("no label " + label);
            kernel.code[at].target = found->second;
        }
    }

  private:
    Kernel &kernel;
    std::map<string, size_t> symbols;  // offsets of parameters and of shared arrays
    std::map<string, int> registers, labels;
    vector<std::pair<size_t, string>> jumps;
    string dynamic;
    vector<size_t> dynamic_uses;

    int constant(uint64_t value) {
        kernel.constants.push_back({kernel.registers, value});
        return kernel.registers++;
    }

    int operand(const string &text) {
        if (text[0] == '%' || text == "_" || isalpha(text[0]) || text[0] == '$') {
            if (text == dynamic) {
                dynamic_uses.push_back(kernel.constants.size());
                return constant(0);
            }
            auto symbol = symbols.find(text);
            if (symbol != symbols.end()) return constant(symbol->second);
            auto [found, fresh] = registers.try_emplace(text, kernel.registers);
            if (fresh) kernel.registers++;
            return found->second;
        }
        bool bits = text[0] == '0' && strchr("fFdD", text[1]) && text[1];  // 0f3F800000
        return constant(bits ? strtoull(text.c_str() + 2, nullptr, 16)
                             : text[0] == '-' ? uint64_t(strtoll(text.c_str(), nullptr, 0)) : strtoull(text.c_str(), nullptr, 0));
    }

    void one(string text) {
        if (text.empty()) return;
        if (text[0] == '.') {
            if (text.rfind(".shared", 0) == 0) {
                Declared array(text);
                symbols[array.name] = aligned(kernel.shared_bytes, array.align);
                kernel.shared_bytes = symbols[array.name] + array.bytes;
            }
            return;  // registers are known by their use
        }
        Instruction instruction;
        instruction.text = text;
        if (text[0] == '@') {
            size_t end = text.find_first_of(" \t");
            instruction.guard_inverted = text[1] == '!';
            size_t begin = 1 + instruction.guard_inverted;
            instruction.guard = operand(text.substr(begin, end - begin));
            text = trim(text.substr(end));
        }
        size_t end = text.find_first_of(" \t\r\n");
        string opcode = text.substr(0, end), rest = end == string::npos ? "" : trim(text.substr(end));
        instruction.handler = handler_of(opcode, instruction);
        if (opcode.rfind("bra", 0) == 0) {
            jumps.push_back({kernel.code.size(), rest});
        } else if (opcode.rfind("call", 0) != 0 && opcode.rfind("st.param", 0) != 0) {
            operands(instruction, split(rest, ","), opcode.rfind("red", 0) == 0);
        }
        kernel.code.push_back(std::move(instruction));
    }

    void operands(Instruction &instruction, const vector<string> &texts, bool without_result) {
        int *const places[] = {&instruction.d, &instruction.a, &instruction.b, &instruction.c, &instruction.e};
        size_t place = 0;
        if (without_result) *places[place++] = operand("_");
        for (size_t i = 0; i < texts.size() && place < 5; i++, place++) {
            const string &text = texts[i];
            if (text[0] == '{') {
                instruction.mode = place == 0 ? '>' : '<';  // taken apart, put together
                for (const string &part : split(text.substr(1, text.rfind('}') - 1), ",")) instruction.parts.push_back(operand(part));
            } else if (text[0] == '[') {
                string inner = text.substr(1, text.rfind(']') - 1);
                size_t plus = inner.find('+');
                *places[place] = operand(trim(inner.substr(0, plus)));
                if (plus != string::npos) instruction.offset = strtoll(inner.c_str() + plus + 1, nullptr, 0);
            } else {
                *places[place] = operand(text.substr(0, text.find('|')));  // d|p: nobody reads the p of a shuffle
            }
        }
    }
};

string without_comments(const string &text) {
    string clean;
    for (size_t i = 0; i < text.size(); i++) {
        if (text.compare(i, 2, "//") == 0) i = std::min(text.find('\n', i), text.size() - 1);
        if (text.compare(i, 2, "/*") == 0) i = text.find("*/", i) + 1;
        else clean += text[i];
    }
    return clean;
}

}  // namespace

Module parse(const string &ptx) {
    Module module;
    string text = without_comments(ptx);
    std::map<string, size_t> shared;
    string dynamic;
    size_t shared_bytes = 0, at = 0;
    while (at < text.size()) {
        size_t begin = text.find_first_of(".{", at);
        if (begin == string::npos) break;
        if (text.compare(begin, 8, ".version") == 0 || text.compare(begin, 7, ".target") == 0 || text.compare(begin, 13, ".address_size") == 0) {
            at = text.find('\n', begin);
            continue;
        }
        size_t semicolon = text.find(';', begin), brace = text.find('{', begin);
        if (semicolon < brace) {
            string declaration = text.substr(begin, semicolon - begin);
            if (declaration.find(".shared") != string::npos) {
                Declared array(declaration);
                if (array.bytes == 0) {
                    dynamic = array.name;
                } else {
                    shared[array.name] = aligned(shared_bytes, array.align);
                    shared_bytes = shared[array.name] + array.bytes;
                }
            }
            at = semicolon + 1;
            continue;
        }
        if (brace == string::npos) break;
        size_t end = brace + 1;
        for (int depth = 1; depth > 0 && end < text.size(); end++) depth += text[end] == '{' ? 1 : text[end] == '}' ? -1 : 0;
        string head = text.substr(begin, brace - begin);
        size_t entry = head.find(".entry");
        if (entry != string::npos) {
            auto kernel = std::make_unique<Kernel>();
            size_t open = head.find('(', entry);
            kernel->name = trim(head.substr(entry + 6, open == string::npos ? open : open - entry - 6));
            kernel->shared_bytes = shared_bytes;
            Reader reader(*kernel, shared, dynamic);
            if (open != string::npos) reader.parameters(head.substr(open + 1, head.rfind(')') - open - 1));
            reader.body(text.substr(brace + 1, end - brace - 2));
            string name = kernel->name;
            module[name] = std::move(kernel);
        }
        at = end;
    }
    return module;
}

}  // namespace emulator
