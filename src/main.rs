//! The command line: `tilewright VERB`; see [`tilewright::cli`].

fn main() -> std::process::ExitCode {
    tilewright::cli::main()
}
