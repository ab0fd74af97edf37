//! Where built hardware is kept between runs.
//!
//! What lies there is loaded and run, so nobody else may be able to put something there: the user's own cache folder, closed
//! to others, and never a shared one such as that for temporary files.

use ir::diag::Diagnostic;
use std::ffi::OsString;
use std::fs::{DirBuilder, Permissions, set_permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folder of built hardware: the one that is named, which is the user's affair, or else tilewright's own, which only the
/// user may enter. It is made if it is not there.
///
/// # Errors
/// There is no home, or the folder cannot be made or closed.
pub fn cache(named: Option<&Path>) -> Result<PathBuf, Diagnostic> {
    let own = || usual(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"));
    let Some(folder) = named.map(Path::to_path_buf).or_else(own) else {
        return Err(Diagnostic::new("cosim-cache", "there is no place for built hardware")
            .because("neither XDG_CACHE_HOME nor HOME is the path of a folder")
            .help("name a folder with `--cache`"));
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    let closed =
        |()| if named.is_none() { set_permissions(&folder, Permissions::from_mode(0o700)) } else { Ok(()) };
    made.and_then(closed).map_err(|e| unusable(&folder, &e))?;
    Ok(folder)
}

/// tilewright's folder by the rules of the XDG base directories: what is not an absolute path is ignored.
fn usual(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|p| p.is_absolute());
    absolute(xdg).or_else(|| Some(absolute(home)?.join(".cache"))).map(|base| base.join("tilewright"))
}

/// A cache that cannot be used.
pub(super) fn unusable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::new("cosim-cache", "the cache of built hardware cannot be written")
        .because(error.to_string())
        .help("free space, or name a folder that you may write with `--cache`")
        .in_file(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_cache_is_found() {
        let found = |xdg: &str, home: &str| usual(Some(xdg.into()), Some(home.into()));
        assert_eq!(found("/x", "/home/u"), Some("/x/tilewright".into()));
        assert_eq!(found("", "/home/u"), Some("/home/u/.cache/tilewright".into()));
        assert_eq!(found("relative", "/home/u"), Some("/home/u/.cache/tilewright".into()));
        assert_eq!(found("", ""), None);
        assert_eq!(usual(None, None), None);
    }
}
