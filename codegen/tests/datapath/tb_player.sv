// Clock, reset and player of a unit's bench: starts the instructions of instr.hex on the unit and prints what it does.
//
// The number of instructions is the argument +count=. Bits 247:0 of a word are the unit's fields; the instruction starts
// bits 255:248 cycles after it could. Prints "start CYCLE", "free CYCLE", "done CYCLE". finished_o rises behind the cycle of
// the last retirement, which is the last one that writes; the bench then writes its memories and ends the simulation.
module tb_player (
  output logic         clk_o,
  output logic         rst_no,
  output logic         start_o,
  output logic [255:0] word_o,
  output logic         finished_o,
  input  logic         free_i,
  input  logic         done_i
);
  logic [255:0] instr [4096];
  int unsigned  count = 0, cycle = 0, next = 0, retired = 0, wait_left = 0, idle = 0;
  logic         busy = 1'b0;

  initial begin
    clk_o = 1'b0;
    rst_no = 1'b0;
    start_o = 1'b0;
    word_o = '0;
    finished_o = 1'b0;
    if (!$value$plusargs("count=%d", count)) count = 0;
    $readmemh("instr.hex", instr, 0, int'(count) - 1);
    wait_left = 32'(instr[0][255:248]);
  end

  always #1 clk_o = !clk_o;

  // Half a cycle before the edge: outputs of the cycle are stable then, and inputs hold until the edge.
  always @(negedge clk_o) begin
    start_o = 1'b0;
    if (cycle == 4) rst_no = 1'b1;
    if (cycle > 5) begin
      if (free_i && busy) $display("free %0d", cycle);
      busy = !free_i;
      if (done_i) begin
        $display("done %0d", cycle);
        retired++;
      end
      if (free_i && next < count) begin
        if (wait_left == 0) begin
          word_o  = instr[next];
          start_o = 1'b1;
          busy    = 1'b1;
          next++;
          wait_left = 32'(instr[next][255:248]);
          $display("start %0d", cycle);
        end else begin
          wait_left--;
        end
      end
    end
    cycle++;
    idle = (retired >= count) ? idle + 1 : 0;
    if (idle == 2) finished_o = 1'b1;
    if (cycle > 20000000) begin
      $display("timeout");
      $finish;
    end
  end
endmodule
