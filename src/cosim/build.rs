//! From a folder of SystemVerilog to a shared library, by Verilator and g++.
//!
//! What is built is what lies in the folder, in the order of its `files.f`, with the checkers of its `assertions.f` if it has
//! one; so an edited file is what runs. Libraries are kept in a cache folder under the hash of sources, flags, interface and tool versions; Verilator's runtime is compiled once.

use super::cache::unusable;
use crate::{output, tools};
use ir::diag::Diagnostic;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SHIM: &str = include_str!("shim.cpp");
const SHIM_HEADER: &str = include_str!("shim.hpp");
/// Registers start as seeded noise, and so does what is assigned x: nothing may rest on an initial value. Memories start as
/// zero on both sides, so that legal programs may read what they never wrote.
const VERILATOR: &[&str] = &[
    "--cc",
    "--assert",
    "+define+TW_ZERO_MEMORIES",
    // An edited file may be ugly; whether it is right is for the comparison to say.
    "-Wno-fatal",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "-O3",
    "--top-module",
    "tw_top",
    "--prefix",
    "Vtw",
    "--output-split",
    "30000",
    // g++ takes more than its time for a function of megabytes, which a large machine would be.
    "--output-split-cfuncs",
    "500",
];
const COMPILER: &[&str] = &[
    "-std=gnu++17",
    "-fPIC",
    "-w",
    "-faligned-new",
    "-DVL_PRINTF=tw_print",
    "-DVL_USER_FINISH",
    "-DVL_USER_STOP",
    "-DVL_USER_FATAL",
];
/// Code that runs once per instance, or for the cycles of a wave alone, is not worth optimising.
const SLOW: &str = "-O0";
const FAST: &str = "-O2";
/// What a library is built for: the waves slow it down.
struct Purpose {
    verilator: &'static [&'static str],
    compiler: &'static [&'static str],
    runtime: &'static [&'static str],
}

const COMPARE: Purpose =
    Purpose { verilator: &[], compiler: &[], runtime: &["verilated.cpp", "verilated_threads.cpp"] };
/// Memories are too large for a wave; their ports are in it.
const RECORD: Purpose = Purpose {
    verilator: &["--trace", "--trace-structs", "--trace-max-width", "8192", "--trace-max-array", "32"],
    compiler: &["-DTW_WAVES"],
    runtime: &["verilated.cpp", "verilated_threads.cpp", "verilated_vcd_c.cpp"],
};

/// Builds the hardware in `folder`, or finds it in `cache`; gives the path of the library.
///
/// # Errors
/// A tool is missing, the folder holds no hardware, or a tool refuses it.
pub fn build(folder: &Path, cache: &Path) -> Result<PathBuf, Diagnostic> {
    build_for(&COMPARE, folder, cache)
}

/// As [`build`], hardware that can record waves.
///
/// # Errors
/// As [`build`].
pub fn build_recording(folder: &Path, cache: &Path) -> Result<PathBuf, Diagnostic> {
    build_for(&RECORD, folder, cache)
}

fn build_for(purpose: &Purpose, folder: &Path, cache: &Path) -> Result<PathBuf, Diagnostic> {
    tools::require(&["verilator", "g++"])?;
    let files = file_list(folder)?;
    let version = first_line("verilator", &["--version"])?;
    let key = key(&files, &[purpose.verilator, purpose.compiler, &[&version]].concat());
    let library = cache.join(format!("tw-{key:016x}.so"));
    if library.is_file() {
        return Ok(library);
    }
    let work = output::unfinished(&library);
    fs::create_dir_all(&work).map_err(|e| unusable(&work, &e))?;
    let built = compile(purpose, &files, &work, cache, &version).and_then(|made| {
        fs::rename(&made, &library).map_err(|e| unusable(&library, &e))?;
        Ok(library)
    });
    // What is left of a build is of no use to anyone; failing to remove it harms nobody.
    let _ = fs::remove_dir_all(&work);
    built
}

struct Source {
    path: PathBuf,
    text: String,
}

fn file_list(folder: &Path) -> Result<Vec<Source>, Diagnostic> {
    let list = folder.join("files.f");
    let mut names = fs::read_to_string(&list).map_err(|e| unreadable(&list, &e))?;
    let assertions = folder.join("assertions.f");
    if assertions.is_file() {
        names.push_str(&fs::read_to_string(&assertions).map_err(|e| unreadable(&assertions, &e))?);
    }
    let read = |name: &str| {
        let path = folder.join(name);
        let path = fs::canonicalize(&path).map_err(|e| unreadable(&path, &e))?;
        let text = fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?;
        Ok(Source { path, text })
    };
    names.split_whitespace().map(read).collect()
}

fn key(files: &[Source], more: &[&str]) -> u64 {
    let flags = [VERILATOR, COMPILER, &[FAST, SLOW, SHIM, SHIM_HEADER], more].concat();
    let texts = files.iter().map(|f| f.text.as_str()).chain(flags);
    let bytes = texts.flat_map(|t| t.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn compile(
    purpose: &Purpose,
    files: &[Source],
    work: &Path,
    cache: &Path,
    version: &str,
) -> Result<PathBuf, Diagnostic> {
    let mut verilator = Command::new("verilator");
    verilator
        .args(VERILATOR)
        .args(purpose.verilator)
        .arg("--Mdir")
        .arg(work)
        .args(files.iter().map(|f| &f.path));
    run(&mut verilator, "Verilator refuses the hardware")?;
    let include = include_folder()?;
    write(&work.join("shim.cpp"), SHIM)?;
    write(&work.join("shim.hpp"), SHIM_HEADER)?;
    let runtime = runtime(purpose, &include, work, cache, version)?;
    let (slow, fast) = generated(work)?;
    write(&work.join("slow.cpp"), &slow)?;
    write(&work.join("fast.cpp"), &format!("{fast}#include \"shim.cpp\"\n"))?;
    let mut jobs = Vec::new();
    for (name, level) in [("fast", FAST), ("slow", SLOW)] {
        let object = work.join(format!("{name}.o"));
        let mut compiler = compiler(&include, work, level);
        compiler
            .args(purpose.compiler)
            .arg("-c")
            .arg(work.join(format!("{name}.cpp")))
            .arg("-o")
            .arg(&object);
        jobs.push((object, compiler));
    }
    let objects = run_together(jobs)?;
    let library = work.join("tw.so");
    let mut linker = Command::new("g++");
    linker.arg("-shared").arg("-o").arg(&library).args(&objects).args(&runtime).arg("-lpthread");
    run(&mut linker, "the built hardware cannot be linked")?;
    Ok(library)
}

/// Include lines of the slow and of the fast part of what Verilator wrote.
fn generated(work: &Path) -> Result<(String, String), Diagnostic> {
    let entries = fs::read_dir(work).map_err(|e| unreadable(work, &e))?;
    let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.retain(|n| n.starts_with("Vtw") && n.ends_with(".cpp"));
    names.sort();
    let lines = |slow: bool| {
        names.iter().filter(|n| is_slow(n) == slow).map(|n| format!("#include \"{n}\"\n")).collect::<String>()
    };
    Ok((lines(true), lines(false)))
}

fn is_slow(name: &str) -> bool {
    ["Slow", "__Syms", "__Trace"].iter().any(|part| name.contains(part))
}

/// Objects of Verilator's runtime, compiled on first use; in `work`, because other builds may do the same at once.
fn runtime(
    purpose: &Purpose,
    include: &Path,
    work: &Path,
    cache: &Path,
    version: &str,
) -> Result<Vec<PathBuf>, Diagnostic> {
    let key = key(&[], &[version]);
    let mut objects = Vec::new();
    for source in purpose.runtime {
        let object = cache.join(format!("{source}-{key:016x}.o"));
        if !object.is_file() {
            let made = work.join(format!("{source}.o"));
            let mut compiler = compiler(include, work, FAST);
            compiler.arg("-c").arg(include.join(source)).arg("-o").arg(&made);
            run(&mut compiler, "Verilator's runtime cannot be compiled")?;
            fs::rename(&made, &object).map_err(|e| unusable(&object, &e))?;
        }
        objects.push(object);
    }
    Ok(objects)
}

fn compiler(include: &Path, work: &Path, level: &str) -> Command {
    let mut command = Command::new("g++");
    command.args(COMPILER).arg(level).arg("-include").arg(work.join("shim.hpp"));
    command.arg("-I").arg(work).arg("-I").arg(include).arg("-I").arg(include.join("vltstd"));
    command
}

fn include_folder() -> Result<PathBuf, Diagnostic> {
    Ok(PathBuf::from(first_line("verilator", &["--getenv", "VERILATOR_ROOT"])?).join("include"))
}

fn first_line(command: &str, args: &[&str]) -> Result<String, Diagnostic> {
    let output = Command::new(command).args(args).output().map_err(|e| not_started(command, &e))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("").trim().to_string())
}

fn run(command: &mut Command, what: &str) -> Result<(), Diagnostic> {
    let name = command.get_program().to_string_lossy().to_string();
    let output = command.output().map_err(|e| not_started(&name, &e))?;
    finished(output.status.success(), &output.stderr, what)
}

/// Runs compilers side by side; gives the objects.
fn run_together(jobs: Vec<(PathBuf, Command)>) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut running = Vec::new();
    for (object, mut command) in jobs {
        let child =
            command.stderr(std::process::Stdio::piped()).spawn().map_err(|e| not_started("g++", &e))?;
        running.push((object, child));
    }
    let mut objects = Vec::new();
    for (object, child) in running {
        let output = child.wait_with_output().map_err(|e| not_started("g++", &e))?;
        finished(output.status.success(), &output.stderr, "the built hardware cannot be compiled")?;
        objects.push(object);
    }
    Ok(objects)
}

fn finished(success: bool, stderr: &[u8], what: &str) -> Result<(), Diagnostic> {
    if success {
        return Ok(());
    }
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().take(6).collect();
    Err(Diagnostic::new("cosim-build", what)
        .because(lines.join("\n"))
        .help("if you edited the SystemVerilog, correct it; else emit it again with `tilewright rtl`"))
}

fn write(path: &Path, text: &str) -> Result<(), Diagnostic> {
    fs::write(path, text).map_err(|e| unusable(path, &e))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::new("cosim-folder", "the hardware cannot be read")
        .because(error.to_string())
        .help("give a folder that `tilewright rtl` wrote")
        .in_file(path.display().to_string())
}

fn not_started(command: &str, error: &std::io::Error) -> Diagnostic {
    Diagnostic::new("tool-failed", format!("`{command}` cannot be started"))
        .because(error.to_string())
        .help("`tilewright doctor` lists the tools that are needed")
}
