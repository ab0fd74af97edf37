//! Room on the disk for what a run makes of weights, so that it takes no more memory than the system likes to give: parts of a file
//! without a name in the folder for temporary files (`TMPDIR`), which are written out and read back as they are used.

use crate::place::reason;
use bytes::Bytes;
use ir::diag::Diagnostic;
use memmap2::{MmapMut, MmapOptions};
use std::fs::{File, OpenOptions};
use std::io::Result;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Parts begin at multiples of this, which every page size divides. Less than this stays in memory.
const ALIGN: usize = 1 << 16;

/// Zeros that are written at a time.
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

/// A file that ends with the process; made when it is first used.
#[derive(Default)]
pub struct Scratch {
    /// With its length.
    file: Mutex<Option<(File, u64)>>,
}

impl Scratch {
    /// Puts bytes there.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn keep(&self, bytes: Bytes) -> std::result::Result<Bytes, Diagnostic> {
        if bytes.len() < ALIGN {
            return Ok(bytes);
        }
        let map = self.part(bytes.len(), |file, at| file.write_all_at(&bytes, at));
        map.and_then(MmapMut::make_read_only).map(Bytes::from_owner).map_err(|e| refused(bytes.len(), &e))
    }

    /// So many zeros to write over. They are on the disk already: who writes to what a full disk has no room for would be killed.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn room(&self, length: usize) -> std::result::Result<MmapMut, Diagnostic> {
        let zeros = |file: &File, at: u64| {
            let pieces = (0..length).step_by(ZEROS.len());
            pieces.into_iter().try_for_each(|done| {
                file.write_all_at(&ZEROS[..ZEROS.len().min(length - done)], at + done as u64)
            })
        };
        if length == 0 {
            return MmapMut::map_anon(ALIGN).map_err(|e| refused(length, &e));
        }
        self.part(length, zeros).map_err(|e| refused(length, &e))
    }

    /// A part of the file behind all others, which `fill` writes at its place.
    fn part(&self, length: usize, fill: impl Fn(&File, u64) -> Result<()>) -> Result<MmapMut> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, end) = match &mut *file {
            Some(known) => known,
            none => none.insert((nameless(&std::env::temp_dir())?, 0)),
        };
        let at = end.next_multiple_of(ALIGN as u64);
        fill(file, at)?;
        *end = at + length as u64;
        // SAFETY: nobody else finds the file, which has no name, and nobody else has this part of it.
        unsafe { MmapOptions::new().offset(at).len(length).map_mut(&*file) }
    }
}

/// A file that is removed as soon as it is there.
fn nameless(folder: &Path) -> Result<File> {
    for attempt in 0u32.. {
        let path = folder.join(format!(".tilewright-{}-{attempt}", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && attempt < 1000 => {}
            file => {
                let _ = std::fs::remove_file(&path);
                return file;
            }
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}

fn refused(length: usize, error: &std::io::Error) -> Diagnostic {
    let what = format!("there is no room for {length} bytes of weights on the disk");
    Diagnostic::new("scratch-unwritable", what)
        .because(reason(error))
        .help("name a folder with more room for temporary files in TMPDIR")
        .in_file(std::env::temp_dir().display().to_string())
}
