//! Files and folders that appear whole or not at all: written under a temporary name beside their place, then renamed.

use crate::place::reason;
use ir::diag::Diagnostic;
use std::fs::File;
use std::io::{BufWriter, Error, Write};
use std::path::{Path, PathBuf};

/// Written into every folder that this program makes, with its name in it; a folder without it is never replaced.
pub const MANIFEST: &str = "manifest.json";

/// Writes a file.
///
/// # Errors
/// The operating system refuses; then nothing is left behind.
pub fn file(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let temporary = sibling(path, "new");
    let written = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        unwritable(path, &e)
    })
}

/// A file that is written piece by piece; it vanishes unless [`Stream::finish`] is reached.
pub struct Stream {
    to: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
}

impl Stream {
    /// Begins the file that is to stand at `path`.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn begin(path: &Path) -> Result<Stream, Diagnostic> {
        let temporary = sibling(path, "new");
        let file = File::create(&temporary).map_err(|e| unwritable(path, &e))?;
        Ok(Stream { to: BufWriter::new(file), temporary, path: path.to_path_buf() })
    }

    /// Writes on.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn write(&mut self, text: &str) -> Result<(), Diagnostic> {
        self.to.write_all(text.as_bytes()).map_err(|e| unwritable(&self.path, &e))
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn finish(mut self) -> Result<(), Diagnostic> {
        let written = self.to.flush().and_then(|()| std::fs::rename(&self.temporary, &self.path));
        written.map_err(|e| unwritable(&self.path, &e))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // After `finish` it is not there any more.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// A folder under construction; it vanishes unless [`Folder::finish`] is reached.
pub struct Folder {
    temporary: PathBuf,
    path: PathBuf,
}

impl Folder {
    /// Begins the folder that is to stand at `path`.
    ///
    /// # Errors
    /// Something stands there that this program has not made, or the operating system refuses.
    pub fn begin(path: &Path) -> Result<Folder, Diagnostic> {
        refuse_foreign(path)?;
        let temporary = sibling(path, "new");
        std::fs::create_dir_all(&temporary).map_err(|e| unwritable(path, &e))?;
        Ok(Folder { temporary, path: path.to_path_buf() })
    }

    /// Writes a file into it; the name may have folders.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn add(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), Diagnostic> {
        let to = self.temporary.join(name);
        let parent = to.parent().unwrap_or(&self.temporary);
        let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&to, bytes));
        written.map_err(|e| unwritable(&self.path.join(name), &e))
    }

    /// Puts the folder in its place, instead of an older one of this program.
    ///
    /// # Errors
    /// The operating system refuses; an older folder then stays.
    pub fn finish(self) -> Result<(), Diagnostic> {
        refuse_foreign(&self.path)?;
        let old = sibling(&self.path, "old");
        let replaced = self.path.exists();
        let moved = if replaced { std::fs::rename(&self.path, &old) } else { Ok(()) };
        moved.and_then(|()| std::fs::rename(&self.temporary, &self.path)).map_err(|e| {
            if replaced && !self.path.exists() {
                let _ = std::fs::rename(&old, &self.path);
            }
            unwritable(&self.path, &e)
        })?;
        if replaced {
            let _ = std::fs::remove_dir_all(&old);
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // After `finish` it is not there any more.
        let _ = std::fs::remove_dir_all(&self.temporary);
    }
}

/// A name beside `path` that no other process uses.
fn sibling(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{what}-{}", std::process::id()))
}

fn refuse_foreign(path: &Path) -> Result<(), Diagnostic> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    let empty = || std::fs::read_dir(path).is_ok_and(|mut d| d.next().is_none());
    if metadata.is_dir() && (is_ours(path) || empty()) {
        return Ok(());
    }
    Err(Diagnostic::new("output-foreign", "the output folder holds something else")
        .because(format!("it exists, is not empty, and has no {MANIFEST} of tilewright"))
        .help("choose another folder, or empty this one")
        .in_file(path.display().to_string()))
}

/// Whether a folder's manifest is one of this program: other programs have files of that name, too.
pub fn is_ours(path: &Path) -> bool {
    let text = std::fs::read_to_string(path.join(MANIFEST)).unwrap_or_default();
    text.contains("\"tilewright\":")
}

fn unwritable(path: &Path, error: &Error) -> Diagnostic {
    Diagnostic::new("file-unwritable", "the file cannot be written")
        .because(reason(error))
        .help("check that its folder exists, that you may write there, and that the disk is not full")
        .in_file(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("tilewright-output-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_folder_appears_whole_replaces_its_older_self_and_nothing_else() {
        let dir = scratch("folder");
        for content in ["one", "two"] {
            let folder = Folder::begin(&dir.join("out")).unwrap();
            folder.add(MANIFEST, "{\"tilewright\": 1}").unwrap();
            folder.add("rtl/a.sv", content).unwrap();
            folder.finish().unwrap();
            assert_eq!(std::fs::read_to_string(dir.join("out/rtl/a.sv")).unwrap(), content);
        }
        assert_eq!(names(&dir), ["out"]);
        std::fs::create_dir(dir.join("mine")).unwrap();
        std::fs::write(dir.join("mine/thesis.txt"), "years").unwrap();
        std::fs::write(dir.join("mine").join(MANIFEST), "{\"name\": \"a browser extension\"}").unwrap();
        assert_eq!(Folder::begin(&dir.join("mine")).err().unwrap().code, "output-foreign");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_abandoned_folder_leaves_nothing() {
        let dir = scratch("abandoned");
        let folder = Folder::begin(&dir.join("out")).unwrap();
        folder.add("a", "b").unwrap();
        drop(folder);
        assert!(names(&dir).is_empty());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
