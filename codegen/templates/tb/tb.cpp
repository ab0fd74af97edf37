// Runs one program on tw_top: the host on the control port, DRAM on the memory ports.
//
//   Vtw_top PROGRAM IMAGE ARGS READ_LATENCY WRITE_LATENCY LIMIT [EXPECTED]
//
// * PROGRAM: program.bin. Its words are put where they belong, whatever IMAGE holds there.
// * IMAGE, EXPECTED: bytes of DRAM from address 0 on, before and after; zeros follow. With several
//   slices as much of each, one behind the other; the program lies in the first.
// * ARGS: values of the argument table, hexadecimal, between white space.
// * The memory is always ready. A read burst accepted in cycle t has its first beat READ_LATENCY
//   cycles later, or behind the beats of all bursts before it, on either port; then a beat in each
//   cycle. A write burst is answered WRITE_LATENCY cycles after its last beat.
// * LIMIT: clock cycles after which the run is given up.
//
// Prints the cycle counter; exit code 0 if the program ended without an error and, if EXPECTED is
// given, memory is equal to it.
#include "../tw_regs.h"
#include "Vtw_top.h"
#include "verilated.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace {

constexpr uint64_t BEAT = {{ beat }};
constexpr uint64_t DRAM_BYTES = {{ dram_bytes }};  // of each slice
constexpr uint64_t SLICES = {{ slices }};
constexpr size_t ARGS = {{ args }};
// program.bin: magic, version, machine hash, base address, five counts, words of 32 bytes.
constexpr uint64_t HEADER = 40;
constexpr uint64_t WORD = 32;
// Cycles in which the control port must answer.
constexpr int PATIENCE = 64;

[[noreturn]] void die(const std::string& what) {
  fprintf(stderr, "testbench: %s\n", what.c_str());
  exit(2);
}

std::vector<uint8_t> read_file(const char* name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) die(std::string("cannot read ") + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

uint64_t number(const char* text) {
  char* end = nullptr;
  const uint64_t value = strtoull(text, &end, 10);
  if (end == text || *end) die(std::string("no number: ") + text);
  return value;
}

struct Program {
  uint32_t version, hash, base, words;
  std::vector<uint8_t> bytes;

  explicit Program(const char* name) : bytes(read_file(name)) {
    if (bytes.size() < HEADER || memcmp(bytes.data(), "TILEWRT1", 8)) die("this is no program.bin");
    const uint8_t* from = &bytes[8];
    for (auto field : {&version, &hash, &base, &words}) memcpy(field, from, 4), from += 4;
    if (HEADER + words * WORD > bytes.size()) die("program.bin is truncated");
    if (base + words * WORD > DRAM_BYTES) die("the program does not fit into DRAM");
  }
};

std::vector<uint32_t> read_args(const char* name) {
  std::ifstream file(name);
  if (!file) die(std::string("cannot read ") + name);
  std::vector<uint32_t> values;
  uint32_t value;
  while (file >> std::hex >> value) values.push_back(value);
  if (!file.eof()) die(std::string("not all of it is hexadecimal: ") + name);
  if (values.size() > ARGS) die("more arguments than the table has");
  return values;
}

// Bytes of DRAM: pages that something was written to or read from; all others are zero. No beat and
// no burst crosses a page.
class Memory {
 public:
  static constexpr uint64_t PAGE = 4096;

  void write(uint64_t address, const uint8_t* bytes, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) *at(address + i) = bytes[i];
  }
  uint8_t* at(uint64_t address) { return &pages[address / PAGE][address % PAGE]; }

  std::map<uint64_t, std::array<uint8_t, PAGE>> pages;
};

struct Beat {
  uint64_t cycle;
  uint64_t address;
  bool last;
};

class Bench {
 public:
  Bench(uint64_t read_latency, uint64_t write_latency, uint64_t limit)
      : read_latency_(read_latency), write_latency_(write_latency), limit_(limit) {
    pins.m_axi_fetch_arready_i = 1;
    spread(pins.m_axi_load_arready_i, true);
    spread(pins.m_axi_store_awready_i, true);
    spread(pins.m_axi_store_wready_i, true);
    pins.s_axi_ctrl_wstrb_i = 15;
    pins.s_axi_ctrl_bready_i = pins.s_axi_ctrl_rready_i = 1;
    for (int i = 0; i < 6; ++i) {
      pins.rst_ni = i >= 4;
      cycle([] { return true; });
    }
  }
  ~Bench() { pins.final(); }

  void write(uint32_t address, uint32_t value) {
    pins.s_axi_ctrl_awaddr_i = address;
    pins.s_axi_ctrl_wdata_i = value;
    pins.s_axi_ctrl_awvalid_i = pins.s_axi_ctrl_wvalid_i = 1;
    await([&] {
      const bool address = pins.s_axi_ctrl_awready_o, data = pins.s_axi_ctrl_wready_o;
      if (address != data) die("address and data of a lone write are accepted apart");
      return address;
    });
    pins.s_axi_ctrl_awvalid_i = pins.s_axi_ctrl_wvalid_i = 0;
    await([&] { return pins.s_axi_ctrl_bvalid_o; });
  }

  uint32_t read(uint32_t address) {
    uint32_t value = 0;
    pins.s_axi_ctrl_araddr_i = address;
    pins.s_axi_ctrl_arvalid_i = 1;
    await([&] { return pins.s_axi_ctrl_arready_o; });
    pins.s_axi_ctrl_arvalid_i = 0;
    await([&] { return value = pins.s_axi_ctrl_rdata_o, pins.s_axi_ctrl_rvalid_o; });
    return value;
  }

  Memory dram[SLICES];

 private:
  template <class Happened>
  void await(Happened happened) {
    for (int i = 0; i < PATIENCE; ++i) {
      if (cycle(happened)) return;
    }
    die("the control port does not answer");
  }

  // Pins settle, `happened` looks at them, the memory takes what is offered, the clock rises.
  template <class Happened>
  bool cycle(Happened happened) {
    if (now_ == limit_) die("the run did not end within the limit of cycles");
    pins.clk_i = 0;
    drive(1, fetch_, pins.m_axi_fetch_rvalid_i, pins.m_axi_fetch_rlast_i,
          pins.m_axi_fetch_rdata_i);
    drive(SLICES, load_, pins.m_axi_load_rvalid_i, pins.m_axi_load_rlast_i,
          pins.m_axi_load_rdata_i);
    const bool responds = !responses_.empty() && responses_.front() == now_;
    spread(pins.m_axi_store_bvalid_i, responds);
    if (responds) responses_.pop_front();
    pins.eval();
    const bool result = happened();
    const auto& p = pins;
    if (p.m_axi_fetch_arvalid_o) accept(fetch_, p.m_axi_fetch_araddr_o, p.m_axi_fetch_arlen_o);
    if (first(p.m_axi_load_arvalid_o, 1)) {
      accept(load_, first(p.m_axi_load_araddr_o, 32), first(p.m_axi_load_arlen_o, 8));
    }
    if (first(p.m_axi_store_awvalid_o, 1)) {
      append(stores_, 0, first(p.m_axi_store_awaddr_o, 32), first(p.m_axi_store_awlen_o, 8));
    }
    if (first(p.m_axi_store_wvalid_o, 1)) {
      store(first(p.m_axi_store_wstrb_o, BEAT), first(p.m_axi_store_wlast_o, 1));
    }
    pins.clk_i = 1;
    pins.eval();
    ++now_;
    return result;
  }

  // Slices keep step, so that what one says they all say; only their data differ.
  template <class Port>
  static uint64_t first(const Port& port, uint64_t width) {
    uint64_t value = 0;
    memcpy(&value, &port, std::min(sizeof port, sizeof value));
    return width < 64 ? value & ((uint64_t{1} << width) - 1) : value;
  }

  template <class Port>
  static void spread(Port& port, bool value) {
    port = static_cast<Port>(value ? (uint64_t{1} << SLICES) - 1 : 0);
  }

  template <class Flag, class Data>
  void drive(uint64_t slices, std::deque<Beat>& beats, Flag& valid, Flag& last, Data& data) {
    const uint64_t all = (uint64_t{1} << slices) - 1;
    const bool there = !beats.empty() && beats.front().cycle == now_;
    valid = static_cast<Flag>(there ? all : 0);
    if (!there) return;
    last = static_cast<Flag>(beats.front().last ? all : 0);
    auto* to = reinterpret_cast<uint8_t*>(&data);
    for (uint64_t s = 0; s < slices; ++s) {
      memcpy(to + s * BEAT, dram[s].at(beats.front().address), BEAT);
    }
    beats.pop_front();
  }

  void accept(std::deque<Beat>& beats, uint64_t address, uint64_t length) {
    const uint64_t first = std::max(now_ + read_latency_, read_free_);
    append(beats, first, address, length);
    read_free_ = first + length + 1;
  }

  // The beats of a burst, one a cycle; AXI's length is one less than their number.
  void append(std::deque<Beat>& beats, uint64_t first, uint64_t address, uint64_t length) {
    const uint64_t end = address + (length + 1) * BEAT;
    if (address % BEAT || end > DRAM_BYTES || address / 4096 != (end - 1) / 4096) {
      die("burst at " + std::to_string(address) + ": not aligned, not in DRAM, or across 4096");
    }
    for (uint64_t i = 0; i <= length; ++i) {
      beats.push_back({first + i, address + i * BEAT, i == length});
    }
  }

  void store(uint64_t strobe, bool last) {
    if (stores_.empty() || stores_.front().last != last) die("write data without their address");
    uint8_t data[SLICES * BEAT];
    memcpy(data, &pins.m_axi_store_wdata_o, SLICES * BEAT);
    for (uint64_t i = 0; i < SLICES * BEAT; ++i) {
      const uint64_t address = stores_.front().address + i % BEAT;
      if (strobe >> i % BEAT & 1) *dram[i / BEAT].at(address) = data[i];
    }
    stores_.pop_front();
    if (!last) return;
    response_free_ = std::max(now_ + write_latency_, response_free_);
    responses_.push_back(response_free_++);
  }

  Vtw_top pins;
  uint64_t read_latency_, write_latency_, limit_;
  uint64_t now_ = 0, read_free_ = 0, response_free_ = 0;
  std::deque<Beat> fetch_, load_, stores_;
  std::deque<uint64_t> responses_;
};

// Whether DRAM is what the file says; tells where it is not.
bool equal(uint64_t slice, Memory& dram, const uint8_t* file, uint64_t bytes) {
  Memory expected;
  expected.write(0, file, bytes);
  // Both sides hold the same pages.
  for (const auto& page : expected.pages) dram.pages[page.first];
  uint64_t different = 0, first = 0;
  for (const auto& page : dram.pages) {
    for (uint64_t i = 0; i < Memory::PAGE; ++i) {
      const uint64_t address = page.first * Memory::PAGE + i;
      if (page.second[i] != *expected.at(address) && !different++) first = address;
    }
  }
  if (!different) return true;
  printf("memory of slice %" PRIu64 ": %" PRIu64 " bytes differ, first at 0x%08" PRIx64
         ": expected %02x, is %02x\n",
         slice, different, first, *expected.at(first), *dram.at(first));
  return false;
}

// The bytes of each slice in a file that holds as many of each.
uint64_t share(const std::vector<uint8_t>& file) {
  if (file.size() % SLICES) die("not as many bytes of each slice");
  if (file.size() / SLICES > DRAM_BYTES) die("the file holds more than DRAM does");
  return file.size() / SLICES;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7 && argc != 8) die("give six files and numbers, or seven; see tb.cpp");
  const Program program(argv[1]);
  const std::vector<uint8_t> image = read_file(argv[2]);
  const std::vector<uint32_t> args = read_args(argv[3]);
  const uint64_t read_latency = number(argv[4]), write_latency = number(argv[5]);
  if (read_latency < 2 || write_latency < 2) die("latencies are at least 2");
  const uint64_t bytes = share(image);

  Bench bench(read_latency, write_latency, number(argv[6]));
  for (uint64_t s = 0; s < SLICES; ++s) bench.dram[s].write(0, &image[s * bytes], bytes);
  bench.dram[0].write(program.base, &program.bytes[HEADER], program.words * WORD);
  if (bench.read(TW_VERSION) != program.version) die("the program is of another instruction set");
  bench.write(TW_EXPECTED_HASH, program.hash);
  bench.write(TW_PROGRAM_ADDR, program.base);
  bench.write(TW_PROGRAM_WORDS, program.words);
  for (size_t i = 0; i < args.size(); ++i) bench.write(TW_ARGS + 4 * i, args[i]);
  bench.write(TW_CONTROL, TW_CONTROL_START);
  const uint32_t ended = TW_STATUS_IDLE | TW_STATUS_DONE;
  while ((bench.read(TW_STATUS) & ended) != ended) continue;
  if (const uint32_t error = bench.read(TW_ERROR)) {
    printf("error %u at word %u\n", error, bench.read(TW_ERROR_WORD));
    return 1;
  }
  const uint64_t high = bench.read(TW_CYCLES_HI);
  printf("cycles %" PRIu64 "\n", high << 32 | bench.read(TW_CYCLES_LO));
  if (argc == 7) return 0;
  const std::vector<uint8_t> expected = read_file(argv[7]);
  const uint64_t after = share(expected);
  bool same = true;
  for (uint64_t s = 0; s < SLICES; ++s) {
    same = equal(s, bench.dram[s], &expected[s * after], after) && same;
  }
  if (same) printf("memory as expected\n");
  return same ? 0 : 1;
}
