fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, name, dir] = args.as_slice() else { return Err("usage: emit_rtl MACHINE DIR".into()) };
    let machine = hw::presets::load(name)?;
    std::fs::create_dir_all(dir)?;
    for file in codegen::rtl::emit(&machine)?.into_iter().chain(codegen::rtl::companions(&machine)) {
        std::fs::write(std::path::Path::new(dir).join(file.name), file.text)?;
    }
    Ok(())
}
