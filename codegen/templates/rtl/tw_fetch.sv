// Fetches the program in chunks of FETCH_WORDS words into the instruction memory, a ring.
//
// One burst at a time. The request of a chunk is made in the first cycle in which the last beat of
// the chunk before it has come and the ring has room: everything from base_i on is still needed.
// Beats are written as they come. Words with a number below fetched_o are in the memory.
module tw_fetch #(
  parameter int BEAT = 16,
  parameter int IMEM_WORDS = 512,
  parameter int FETCH_WORDS = 8,
  localparam int SLICE_AW = $clog2(IMEM_WORDS * 32 / BEAT)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  // high for one cycle before the run
  input  logic                clear_i,
  input  logic                run_i,
  input  logic [31:0]         addr_i,
  input  logic [31:0]         words_i,
  input  logic [31:0]         base_i,
  output logic [31:0]         fetched_o,
  output logic                idle_o,
  output logic                bus_error_o,
  // instruction memory, in beats
  output logic                w_en_o,
  output logic [SLICE_AW-1:0] w_slice_o,
  output logic [BEAT*8-1:0]   w_data_o,
  // AXI4 read
  output logic [31:0]         m_axi_araddr_o,
  output logic [7:0]          m_axi_arlen_o,
  output logic                m_axi_arvalid_o,
  input  logic                m_axi_arready_i,
  input  logic [BEAT*8-1:0]   m_axi_rdata_i,
  input  logic [1:0]          m_axi_rresp_i,
  input  logic                m_axi_rlast_i,
  input  logic                m_axi_rvalid_i,
  output logic                m_axi_rready_o
);

  typedef enum logic [1:0] {
    IDLE = 2'd0,
    ADDR = 2'd1,
    DATA = 2'd2
  } state_e;

  state_e state_q, state_d;
  logic        run_q, wanted, last;
  logic [31:0] chunk_q, beats_q, left, words, bytes, short_beats;

  // words of this chunk: the last one may be short
  assign left = words_i - chunk_q;
  assign words = (left < 32'(FETCH_WORDS)) ? left : 32'(FETCH_WORDS);
  assign bytes = words << 5;
  assign short_beats = (bytes + 32'(BEAT - 1)) / 32'(BEAT) - 32'd1;

  assign wanted = run_q && (chunk_q < words_i) &&
                  (chunk_q + 32'(FETCH_WORDS) <= base_i + 32'(IMEM_WORDS));
  assign last = m_axi_rvalid_i && m_axi_rlast_i;

  always_comb begin
    state_d = state_q;
    case (state_q)
      IDLE: begin
        if (wanted && m_axi_arready_i) begin
          state_d = DATA;
        end else if (wanted) begin
          state_d = ADDR;
        end
      end
      ADDR: begin
        if (m_axi_arready_i) begin
          state_d = DATA;
        end
      end
      DATA: begin
        if (last) begin
          state_d = IDLE;
        end
      end
      default: state_d = IDLE;
    endcase
  end

  // Once presented, a request stays, even if the run ends meanwhile.
  assign m_axi_arvalid_o = (state_q == ADDR) || (state_q == IDLE && wanted);
  assign m_axi_araddr_o = addr_i + (chunk_q << 5);
  assign m_axi_arlen_o = short_beats[7:0];
  assign m_axi_rready_o = 1'b1;
  assign bus_error_o = m_axi_rvalid_i && (m_axi_rresp_i != 2'b00);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= IDLE;
      run_q   <= 1'b0;
      chunk_q <= '0;
      beats_q <= '0;
    end else begin
      state_q <= state_d;
      run_q   <= run_i;
      if (clear_i) begin
        chunk_q <= '0;
        beats_q <= '0;
      end else if (m_axi_rvalid_i) begin
        beats_q <= beats_q + 32'd1;
        if (m_axi_rlast_i) begin
          chunk_q <= chunk_q + 32'(FETCH_WORDS);
        end
      end
    end
  end

  assign w_en_o = m_axi_rvalid_i;
  assign w_slice_o = beats_q[SLICE_AW-1:0];
  assign w_data_o = m_axi_rdata_i;
  assign fetched_o = (BEAT > 32) ? beats_q << 1 : beats_q / 32'((BEAT > 32) ? 1 : 32 / BEAT);
  assign idle_o = (state_q == IDLE) && !run_q;

  logic unused_beats;
  assign unused_beats = ^short_beats[31:8];

endmodule
