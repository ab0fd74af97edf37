//! `tw_ram` by itself: what a read gives in the cycle in which its word is written.

use std::path::Path;
use std::process::Command;

const BENCH: &str = "
module bench;
  logic clk = 1'b0;
  logic w_en = 1'b1;
  logic [3:0] w_strb = 4'hf;
  logic [31:0] w_data = 32'h33221100;
  logic r_en = 1'b0;
  logic [0:0] r_addr = 1'b1;
  logic [31:0] r_data;
  always #1 clk = ~clk;
  tw_ram #(.WIDTH(32), .DEPTH(2), .STRB(8)) u_ram (
    .clk_i(clk), .w_en_i(w_en), .w_addr_i(1'b1), .w_strb_i(w_strb), .w_data_i(w_data),
    .r_en_i(r_en), .r_addr_i(r_addr), .r_data_o(r_data)
  );
  initial begin
    @(negedge clk) w_strb = 4'b0110; w_data = 32'hffeeddcc; r_en = 1'b1;
    @(negedge clk) $display(\"%h\", r_data);
    w_en = 1'b0;
    @(negedge clk) $display(\"%h\", r_data);
    $finish;
  end
endmodule
";

/// Bytes that are written at the same time are unknown, so that a use of them cannot pass for right; the others hold.
#[test]
fn a_read_of_a_word_that_is_written_knows_the_other_bytes() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ram-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let machine = hw::presets::load("unit").unwrap();
    let ram = codegen::rtl::emit(&machine).unwrap().into_iter().find(|f| f.name == "tw_ram.sv").unwrap();
    std::fs::write(dir.join(&ram.name), ram.text).unwrap();
    std::fs::write(dir.join("bench.sv"), BENCH).unwrap();
    let run = |command: &str, args: &[&str]| {
        let out = Command::new(command).current_dir(&dir).args(args).output().unwrap();
        assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    run("iverilog", &["-g2012", "-s", "bench", "-o", "bench.vvp", "tw_ram.sv", "bench.sv"]);
    let said = run("vvp", &["bench.vvp"]);
    assert_eq!(said.lines().collect::<Vec<_>>(), ["33xxxx00", "33eedd00"]);
    let _ = std::fs::remove_dir_all(&dir);
}
