//! Files and folders that appear whole or not at all: written under a temporary name beside their place, then renamed. A symbolic
//! link stays one, what it leads to is replaced; what is no file, as a pipe or a device, is written to as it is.

use crate::manifest::{self, FileRecord, Manifest};
use crate::place::reason;
use ir::diag::Diagnostic;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Error, Write};
use std::path::{Path, PathBuf};

/// Writes a file.
///
/// # Errors
/// The operating system refuses; then nothing is left behind.
pub fn file(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let mut stream = Stream::begin(path)?;
    stream.write(bytes)?;
    stream.finish()
}

/// Where a file is to stand, behind symbolic links; nothing if it is written to in place.
fn replaced(path: &Path) -> Option<PathBuf> {
    let target = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()),
        _ => path.to_path_buf(),
    };
    let in_place = std::fs::metadata(&target).is_ok_and(|found| !found.is_file() && !found.is_dir());
    (!in_place).then_some(target)
}

/// A file that is written piece by piece; it vanishes unless [`Stream::finish`] is reached.
pub struct Stream {
    to: BufWriter<File>,
    /// The name that the file has, and the one that it is to have; none if it is written to in place.
    names: Option<(PathBuf, PathBuf)>,
    path: PathBuf,
}

impl Stream {
    /// Begins the file that is to stand at `path`.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn begin(path: &Path) -> Result<Stream, Diagnostic> {
        let names = replaced(path).map(|target| (unfinished(&target), target));
        let opened = match &names {
            Some((temporary, _)) => File::create(temporary),
            None => File::options().write(true).open(path),
        };
        let file = opened.map_err(|e| unwritable(path, &e))?;
        Ok(Stream { to: BufWriter::new(file), names, path: path.to_path_buf() })
    }

    /// Writes on.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Diagnostic> {
        self.to.write_all(bytes.as_ref()).map_err(|e| unwritable(&self.path, &e))
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn finish(mut self) -> Result<(), Diagnostic> {
        let rename = |(from, to): &(PathBuf, PathBuf)| std::fs::rename(from, to);
        let written = self.to.flush().and_then(|()| self.names.as_ref().map_or(Ok(()), rename));
        written.map_err(|e| unwritable(&self.path, &e))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // After `finish` it is not there any more.
        if let Some((temporary, _)) = &self.names {
            let _ = std::fs::remove_file(temporary);
        }
    }
}

/// A folder under construction; it vanishes unless [`Folder::finish`] is reached.
pub struct Folder {
    temporary: PathBuf,
    path: PathBuf,
    files: BTreeMap<String, FileRecord>,
}

impl Folder {
    /// Begins the folder that is to stand at `path`. Nothing is left on the disk before its first file.
    ///
    /// # Errors
    /// Something stands there that this program has not made, or that somebody has changed since, or the operating
    /// system refuses.
    pub fn begin(path: &Path) -> Result<Folder, Diagnostic> {
        refuse_foreign(path)?;
        let folder = Folder { temporary: unfinished(path), path: path.to_path_buf(), files: BTreeMap::new() };
        let tried = std::fs::create_dir_all(&folder.temporary);
        tried.and_then(|()| std::fs::remove_dir(&folder.temporary)).map_err(|e| unwritable(path, &e))?;
        Ok(folder)
    }

    /// Writes a file into it; the name may have folders.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn add(&mut self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), Diagnostic> {
        self.add_parts(name, &[bytes.as_ref()])
    }

    /// The same of parts in order.
    ///
    /// # Errors
    /// As [`Folder::add`].
    pub fn add_parts(&mut self, name: &str, parts: &[&[u8]]) -> Result<(), Diagnostic> {
        let to = self.temporary.join(name);
        let parent = to.parent().unwrap_or(&self.temporary);
        let written = std::fs::create_dir_all(parent).and_then(|()| {
            let mut file = std::fs::File::create(&to)?;
            parts.iter().try_for_each(|part| file.write_all(part))
        });
        written.map_err(|e| unwritable(&self.path.join(name), &e))?;
        self.files.insert(name.into(), FileRecord::of_parts(parts));
        Ok(())
    }

    /// Adds the manifest with a list of the files, and puts the folder in its place, instead of an older one of this
    /// program.
    ///
    /// # Errors
    /// The operating system refuses; an older folder then stays.
    pub fn finish(mut self, about: Manifest) -> Result<(), Diagnostic> {
        let manifest = Manifest { files: std::mem::take(&mut self.files), ..about };
        let text = serde_json::to_string_pretty(&manifest).map_err(|e| unwritable(&self.path, &e.into()))?;
        self.add(manifest::NAME, text + "\n")?;
        refuse_foreign(&self.path)?;
        let old = sibling(&self.path, OLD);
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

/// What a folder is called before it is whole, and after it is replaced.
const NEW: &str = "new";
const OLD: &str = "old";

/// A name beside `path` that no other process uses.
fn sibling(path: &Path, what: &str) -> PathBuf {
    path.with_file_name(format!("{}{}", stem(path, what), std::process::id()))
}

fn stem(path: &Path, what: &str) -> String {
    format!(".{}.{what}-", path.file_name().unwrap_or_default().to_string_lossy())
}

/// The name of what is to stand at `path` and is not whole yet. What killed processes left of their own is removed.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    remove_abandoned(path);
    sibling(path, NEW)
}

/// Removes what a process that was killed had begun for the same place, or was about to remove.
fn remove_abandoned(path: &Path) {
    // Without this folder there is no telling which processes live.
    let processes = Path::new("/proc");
    if !processes.join("self").exists() {
        return;
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let abandoned = |what| {
            let process = name.strip_prefix(&stem(path, what)).and_then(|id| id.parse::<u32>().ok());
            process.is_some_and(|id| !processes.join(id.to_string()).exists())
        };
        // Killed between its two renames, it left the last whole output there.
        let whole = || Manifest::read(&entry.path()).is_ok_and(|m| m.changed(&entry.path()).is_empty());
        if abandoned(OLD) && !path.exists() && whole() {
            let _ = std::fs::rename(entry.path(), path);
        } else if abandoned(NEW) || abandoned(OLD) {
            let _ = std::fs::remove_file(entry.path()).or_else(|_| std::fs::remove_dir_all(entry.path()));
        }
    }
}

fn refuse_foreign(path: &Path) -> Result<(), Diagnostic> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    let empty = || std::fs::read_dir(path).is_ok_and(|mut d| d.next().is_none());
    if metadata.is_dir() && empty() {
        return Ok(());
    }
    if !metadata.is_dir() || !Manifest::marks(path) {
        return Err(Diagnostic::new("output-foreign", "the output folder holds something else")
            .because(format!("it exists, is not empty, and has no {} of tilewright", manifest::NAME))
            .help("choose another folder, or empty this one")
            .in_file(path.display().to_string()));
    }
    let changed = Manifest::read(path)?.changed(path);
    if changed.is_empty() {
        return Ok(());
    }
    let shown = changed.iter().take(SHOWN).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let more = changed.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Diagnostic::new("output-changed", "the output folder holds work that would be lost")
        .because(format!("added or changed since it was written: {shown}{rest}"))
        .help("choose another folder, or move these files away, or remove the folder")
        .in_file(path.display().to_string()))
}

/// Files that a message names.
const SHOWN: usize = 5;

fn unwritable(path: &Path, error: &Error) -> Diagnostic {
    Diagnostic::new("file-unwritable", "the file cannot be written")
        .because(reason(error))
        .help("check that its folder exists, that you may write there, and that the disk is not full")
        .in_file(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

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
        let out = dir.join("out");
        for content in ["one", "two"] {
            let mut folder = Folder::begin(&out).unwrap();
            folder.add("rtl/a.sv", content).unwrap();
            folder.finish(Manifest::new()).unwrap();
            assert_eq!(std::fs::read_to_string(out.join("rtl/a.sv")).unwrap(), content);
        }
        assert_eq!(names(&dir), ["out"]);
        std::fs::create_dir(dir.join("mine")).unwrap();
        std::fs::write(dir.join("mine/thesis.txt"), "years").unwrap();
        std::fs::write(dir.join("mine").join(manifest::NAME), "{\"name\": \"a browser extension\"}").unwrap();
        assert_eq!(Folder::begin(&dir.join("mine")).err().unwrap().code, "output-foreign");
        for (file, was) in [("rtl/a.sv", "two"), ("notes.txt", "")] {
            std::fs::write(out.join(file), "an evening").unwrap();
            let refused = Folder::begin(&out).err().unwrap();
            assert!(refused.code == "output-changed" && refused.to_string().contains(file), "{refused}");
            std::fs::write(out.join(file), was).unwrap();
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_pipes_and_devices_stay_what_they_are() {
        let dir = scratch("links");
        let (link, behind) = (dir.join("link"), dir.join("behind"));
        std::fs::write(&behind, "old").unwrap();
        std::os::unix::fs::symlink(&behind, &link).unwrap();
        file(&link, b"new").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(&behind).unwrap(), b"new");
        let pipe = dir.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read(pipe).unwrap()
        });
        file(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        // A link to a device is no file either; what the device refuses is an error.
        let full = dir.join("full");
        std::os::unix::fs::symlink("/dev/full", &full).unwrap();
        assert_eq!(file(&full, b"lost").err().unwrap().code, "file-unwritable");
        let left: BTreeSet<String> = names(&dir).into_iter().collect();
        assert_eq!(left, ["behind", "full", "link", "pipe"].map(String::from).into());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_abandoned_folder_leaves_nothing() {
        let dir = scratch("abandoned");
        let mut folder = Folder::begin(&dir.join("out")).unwrap();
        assert!(names(&dir).is_empty());
        folder.add("a", "b").unwrap();
        drop(folder);
        assert!(names(&dir).is_empty());
        // What a killed process left goes with the next run; what a living one writes stays.
        let dead = (2u32..).map(|i| u32::MAX / i).find(|id| !Path::new(&format!("/proc/{id}")).exists());
        let (dead, living) = (format!(".out.new-{}", dead.unwrap()), String::from(".out.new-1"));
        for name in [&dead, &living] {
            std::fs::create_dir(dir.join(name)).unwrap();
        }
        Folder::begin(&dir.join("out")).unwrap();
        assert_eq!(names(&dir), [living.as_str()]);
        std::fs::write(dir.join(&dead), "half").unwrap();
        drop(Stream::begin(&dir.join("out")).unwrap());
        assert_eq!(names(&dir), [living.as_str()]);
        std::fs::write(dir.join(&dead), "half").unwrap();
        file(&dir.join("out"), b"whole").unwrap();
        assert_eq!(BTreeSet::from_iter(names(&dir)), BTreeSet::from([living, "out".into()]));
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// A process may be killed between the renames that put a folder in the place of its older self, or right after them.
    #[test]
    fn a_killed_replacement_is_undone_or_ended() {
        let dir = scratch("replacement");
        let out = dir.join("out");
        let dead = (2u32..).map(|i| u32::MAX / i).find(|id| !Path::new(&format!("/proc/{id}")).exists());
        let old = dir.join(format!(".out.old-{}", dead.unwrap()));
        let write = |content: &str| {
            let mut folder = Folder::begin(&out).unwrap();
            folder.add("a", content).unwrap();
            folder.finish(Manifest::new()).unwrap();
        };
        write("one");
        std::fs::rename(&out, &old).unwrap();
        drop(Folder::begin(&out).unwrap());
        assert_eq!((names(&dir), std::fs::read(out.join("a")).unwrap()), (vec!["out".into()], b"one".into()));
        std::fs::rename(&out, &old).unwrap();
        std::fs::remove_file(old.join("a")).unwrap();
        write("two");
        assert_eq!(names(&dir), ["out"]);
        std::fs::create_dir(&old).unwrap();
        write("three");
        assert_eq!(
            (names(&dir), std::fs::read(out.join("a")).unwrap()),
            (vec!["out".into()], b"three".into())
        );
        std::fs::remove_dir_all(dir).unwrap();
    }
}
