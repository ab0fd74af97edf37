// C interface of a Verilated tw_top: one call settles the pins of a cycle, one makes the clock edge.
#include "Vtw.h"
#include "verilated.h"
#include "verilated_syms.h"

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#ifdef TW_WAVES
#include "verilated_vcd_c.h"
#endif

namespace {
constexpr uint32_t ABI = 6;
thread_local std::string failure;

#ifdef TW_WAVES
// Keeps what Verilator would write to a file: the harness bounds it, and writes it whole or not at all.
class WaveText final : public VerilatedVcdFile {
 public:
  std::string text;
  bool open(const std::string&) override { return true; }
  void close() override {}
  ssize_t write(const char* from, ssize_t length) override {
    text.append(from, length);
    return length;
  }
};
#endif

struct Instance {
  VerilatedContext context;
  std::unique_ptr<Vtw> top;
#ifdef TW_WAVES
  // Destroyed before the hardware that it looks at.
  WaveText waves;
  VerilatedVcdC recorder{&waves};
#endif
};

// `width` bits of a port from `lsb` on. Ports of all widths hold their bits in order, from the first byte on.
template <class Port>
uint64_t bits(const Port& port, uint32_t lsb, uint32_t width) {
  const auto* from = reinterpret_cast<const uint8_t*>(&port);
  uint64_t value = 0;
  if (lsb == 0) {
    memcpy(&value, from, sizeof port < sizeof value ? sizeof port : sizeof value);
    return width < 64 ? value & ((uint64_t{1} << width) - 1) : value;
  }
  for (uint32_t i = 0; i < width; ++i) {
    const uint32_t bit = lsb + i;
    value |= static_cast<uint64_t>(from[bit / 8] >> (bit % 8) & 1) << i;
  }
  return value;
}

// Whether a port has the same value in each of `slices` parts of `width` bits.
template <class Port>
bool alike(const Port& port, uint32_t width, uint32_t slices) {
  const uint64_t first = slices > 1 ? bits(port, 0, width) : 0;
  for (uint32_t s = 1; s < slices; ++s) {
    if (bits(port, s * width, width) != first) return false;
  }
  return true;
}

// Gives each of `slices` parts of `width` bits of a port the same value; there are at most 64 bits.
template <class Port>
void spread(Port& port, uint32_t value, uint32_t width, uint32_t slices) {
  uint64_t all = 0;
  for (uint32_t s = 0; s < slices; ++s) all |= static_cast<uint64_t>(value) << (s * width);
  port = static_cast<Port>(all);
}
}  // namespace

// Messages of failed assertions are kept, not printed; the first of them counts.
int tw_print(const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  const int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (failure.size() < 1024) failure += text;
  return n;
}

void vl_finish(const char*, int, const char*) VL_MT_UNSAFE {}
void vl_stop(const char*, int, const char*) VL_MT_UNSAFE {
  if (failure.empty()) failure = "an assertion failed";
}
void vl_fatal(const char*, int, const char*, const char* message) VL_MT_UNSAFE {
  if (failure.size() < 1024) failure += message;
}

extern "C" {

// Layout shared with src/cosim/library.rs.
struct TwIn {
  uint8_t rst_n;
  uint8_t fetch_arready, fetch_rvalid, fetch_rlast;
  uint8_t load_arready, load_rvalid, load_rlast;
  uint8_t store_awready, store_wready, store_bvalid;
  uint8_t ctrl_awvalid, ctrl_wvalid, ctrl_bready, ctrl_arvalid, ctrl_rready, ctrl_wstrb;
  uint8_t fetch_rresp, load_rresp, store_bresp;
  uint16_t ctrl_ignored, ctrl_awaddr, ctrl_araddr;
  uint32_t ctrl_wdata;
  uint32_t beat, slices;
  uint8_t fetch_rdata[64];
};

struct TwOut {
  uint8_t fetch_arvalid, load_arvalid, store_awvalid, store_wvalid, store_wlast;
  uint8_t ctrl_awready, ctrl_bvalid, ctrl_arready, ctrl_rvalid;
  uint8_t run, end, dispatch, start, done, irq, ctrl_bresp, ctrl_rresp, ctrl_wready, in_step, padding;
  // size, burst, cache and prot of fetch, load and store
  uint8_t attributes[12];
  uint32_t fetch_araddr, fetch_arlen, load_araddr, load_arlen, store_awaddr, store_awlen;
  uint32_t ctrl_rdata, pc;
  uint32_t start_number[4], done_number[4];
  uint64_t missing, store_wstrb;
};

uint32_t tw_abi() { return ABI; }

void* tw_new(uint32_t seed) {
  auto instance = std::make_unique<Instance>();
  instance->context.randReset(2);
  instance->context.randSeed(static_cast<int>(seed & 0x7fffffff) | 1);
#ifdef TW_WAVES
  instance->context.traceEverOn(true);
  instance->recorder.set_time_unit("1ps");
  instance->recorder.set_time_resolution("1ps");
#endif
  instance->top = std::make_unique<Vtw>(&instance->context);
  failure.clear();
  return instance.release();
}

void tw_free(void* handle) {
  auto* instance = static_cast<Instance*>(handle);
  instance->top->final();
  delete instance;
}

const char* tw_failure() { return failure.c_str(); }

// `read` and `written`: data of the load and of the store ports, a beat for each slice.
void tw_settle(void* handle, const TwIn* in, const uint8_t* read, TwOut* out, uint8_t* written) {
  Vtw& t = *static_cast<Instance*>(handle)->top;
  constexpr size_t Width = sizeof t.m_axi_load_rdata_i;
  if (Width != in->beat * in->slices) {
    failure = "the hardware has other memory ports than its machine";
    return;
  }
  t.clk_i = 0;
  t.rst_ni = in->rst_n;
  t.m_axi_fetch_arready_i = in->fetch_arready;
  t.m_axi_fetch_rvalid_i = in->fetch_rvalid;
  t.m_axi_fetch_rlast_i = in->fetch_rlast;
  t.m_axi_fetch_rresp_i = in->fetch_rresp;
  spread(t.m_axi_load_arready_i, in->load_arready, 1, in->slices);
  spread(t.m_axi_load_rvalid_i, in->load_rvalid, 1, in->slices);
  spread(t.m_axi_load_rlast_i, in->load_rlast, 1, in->slices);
  spread(t.m_axi_load_rresp_i, in->load_rresp, 2, in->slices);
  spread(t.m_axi_store_awready_i, in->store_awready, 1, in->slices);
  spread(t.m_axi_store_wready_i, in->store_wready, 1, in->slices);
  spread(t.m_axi_store_bvalid_i, in->store_bvalid, 1, in->slices);
  spread(t.m_axi_store_bresp_i, in->store_bresp, 2, in->slices);
  t.s_axi_ctrl_awvalid_i = in->ctrl_awvalid;
  t.s_axi_ctrl_wvalid_i = in->ctrl_wvalid;
  t.s_axi_ctrl_wstrb_i = in->ctrl_wstrb;
  t.s_axi_ctrl_bready_i = in->ctrl_bready;
  t.s_axi_ctrl_arvalid_i = in->ctrl_arvalid;
  t.s_axi_ctrl_rready_i = in->ctrl_rready;
  t.s_axi_ctrl_awprot_i = in->ctrl_ignored & 7;
  t.s_axi_ctrl_arprot_i = in->ctrl_ignored >> 3 & 7;
  t.s_axi_ctrl_awaddr_i = in->ctrl_awaddr | (in->ctrl_ignored >> 6 & 3);
  t.s_axi_ctrl_araddr_i = in->ctrl_araddr | (in->ctrl_ignored >> 8 & 3);
  t.s_axi_ctrl_wdata_i = in->ctrl_wdata;
  if (in->fetch_rvalid) memcpy(&t.m_axi_fetch_rdata_i, in->fetch_rdata, sizeof t.m_axi_fetch_rdata_i);
  if (in->load_rvalid) memcpy(&t.m_axi_load_rdata_i, read, Width);
  t.eval();

  out->fetch_arvalid = t.m_axi_fetch_arvalid_o;
  out->load_arvalid = bits(t.m_axi_load_arvalid_o, 0, 1);
  out->store_awvalid = bits(t.m_axi_store_awvalid_o, 0, 1);
  out->store_wvalid = bits(t.m_axi_store_wvalid_o, 0, 1);
  out->store_wlast = bits(t.m_axi_store_wlast_o, 0, 1);
  out->ctrl_awready = t.s_axi_ctrl_awready_o;
  out->ctrl_bvalid = t.s_axi_ctrl_bvalid_o;
  out->ctrl_arready = t.s_axi_ctrl_arready_o;
  out->ctrl_rvalid = t.s_axi_ctrl_rvalid_o;
  out->run = t.probe_run_o;
  out->end = t.probe_end_o;
  out->dispatch = t.probe_dispatch_o;
  out->start = t.probe_start_o;
  out->done = t.probe_done_o;
  out->irq = t.irq_o;
  out->ctrl_bresp = t.s_axi_ctrl_bresp_o;
  out->ctrl_rresp = t.s_axi_ctrl_rresp_o;
  out->ctrl_wready = t.s_axi_ctrl_wready_o;
  const uint8_t attributes[12] = {
      t.m_axi_fetch_arsize_o,  t.m_axi_fetch_arburst_o, t.m_axi_fetch_arcache_o,
      t.m_axi_fetch_arprot_o,
      static_cast<uint8_t>(bits(t.m_axi_load_arsize_o, 0, 3)),
      static_cast<uint8_t>(bits(t.m_axi_load_arburst_o, 0, 2)),
      static_cast<uint8_t>(bits(t.m_axi_load_arcache_o, 0, 4)),
      static_cast<uint8_t>(bits(t.m_axi_load_arprot_o, 0, 3)),
      static_cast<uint8_t>(bits(t.m_axi_store_awsize_o, 0, 3)),
      static_cast<uint8_t>(bits(t.m_axi_store_awburst_o, 0, 2)),
      static_cast<uint8_t>(bits(t.m_axi_store_awcache_o, 0, 4)),
      static_cast<uint8_t>(bits(t.m_axi_store_awprot_o, 0, 3))};
  memcpy(out->attributes, attributes, sizeof attributes);
  out->fetch_araddr = t.m_axi_fetch_araddr_o;
  out->fetch_arlen = t.m_axi_fetch_arlen_o;
  out->load_araddr = bits(t.m_axi_load_araddr_o, 0, 32);
  out->load_arlen = bits(t.m_axi_load_arlen_o, 0, 8);
  out->store_awaddr = bits(t.m_axi_store_awaddr_o, 0, 32);
  out->store_awlen = bits(t.m_axi_store_awlen_o, 0, 8);
  out->ctrl_rdata = t.s_axi_ctrl_rdata_o;
  out->pc = t.probe_pc_o;
  memcpy(out->start_number, &t.probe_start_number_o, sizeof out->start_number);
  memcpy(out->done_number, &t.probe_done_number_o, sizeof out->done_number);
  out->missing = t.probe_missing_o;
  out->store_wstrb = bits(t.m_axi_store_wstrb_o, 0, in->beat);
  if (out->store_wvalid) memcpy(written, &t.m_axi_store_wdata_o, Width);
  // Payloads count while they are valid; what a request says beside its place is constant.
  const uint32_t slices = in->slices;
  out->in_step =
      alike(t.m_axi_load_arvalid_o, 1, slices) && alike(t.m_axi_store_awvalid_o, 1, slices) &&
      alike(t.m_axi_store_wvalid_o, 1, slices) && alike(t.m_axi_load_arsize_o, 3, slices) &&
      alike(t.m_axi_load_arburst_o, 2, slices) && alike(t.m_axi_load_arcache_o, 4, slices) &&
      alike(t.m_axi_load_arprot_o, 3, slices) && alike(t.m_axi_store_awsize_o, 3, slices) &&
      alike(t.m_axi_store_awburst_o, 2, slices) && alike(t.m_axi_store_awcache_o, 4, slices) &&
      alike(t.m_axi_store_awprot_o, 3, slices) &&
      (!out->load_arvalid || (alike(t.m_axi_load_araddr_o, 32, slices) &&
                              alike(t.m_axi_load_arlen_o, 8, slices))) &&
      (!out->store_awvalid || (alike(t.m_axi_store_awaddr_o, 32, slices) &&
                               alike(t.m_axi_store_awlen_o, 8, slices))) &&
      (!out->store_wvalid || (alike(t.m_axi_store_wlast_o, 1, slices) &&
                              alike(t.m_axi_store_wstrb_o, in->beat, slices)));
}

// Copies the memory of the tw_ram in `scope`, its words one behind the other; gives its bytes, 0 if there is none.
uint64_t tw_memory(void* handle, const char* scope, uint8_t* out, uint64_t capacity) {
  auto* instance = static_cast<Instance*>(handle);
  const VerilatedScope* found = instance->context.scopeFind(scope);
  VerilatedVar* mem = found ? found->varFind("mem") : nullptr;
  if (!mem) return 0;
  const uint64_t words = mem->unpacked().elements();
  const uint64_t bytes = (mem->packed().elements() + 7) / 8;
  if (words * bytes > capacity) return 0;
  const auto* from = static_cast<const uint8_t*>(mem->datap());
  for (uint64_t i = 0; i < words; ++i) memcpy(out + i * bytes, from + i * mem->entSize(), bytes);
  return words * bytes;
}

void tw_edge(void* handle) {
  Vtw& t = *static_cast<Instance*>(handle)->top;
  t.clk_i = 1;
  t.eval();
}

#ifdef TW_WAVES
// Records all signals as they are, at a time in picoseconds that is later than the last one. Gives the bytes of the wave
// that came to it since then; they stay where they are until the next call.
uint64_t tw_wave(void* handle, uint64_t time, const char** text) {
  auto* instance = static_cast<Instance*>(handle);
  instance->waves.text.clear();
  if (!instance->recorder.isOpen()) {
    instance->top->trace(&instance->recorder, 99);
    instance->recorder.open("");
  }
  instance->recorder.dump(time);
  instance->recorder.flush();
  *text = instance->waves.text.data();
  return instance->waves.text.size();
}
#endif

}  // extern "C"
