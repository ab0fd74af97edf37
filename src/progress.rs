//! Tells a person at a terminal what takes so long: nothing in the first second, nothing in a pipe.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Work under way; dropped when it is done.
pub struct Progress {
    /// Sending nothing: its drop ends the thread.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    bar: ProgressBar,
}

impl Progress {
    /// Begins work of a name. `steps` of 0 means that their number is not known.
    pub fn begin(name: &'static str, steps: u64) -> Progress {
        let bar = ProgressBar::hidden();
        bar.set_message(name);
        if steps > 0 {
            bar.set_length(steps);
        }
        if !std::io::stderr().is_terminal() {
            return Progress { running: None, thread: None, bar };
        }
        let (running, ended) = channel::<()>();
        let shown = bar.clone();
        let thread = std::thread::spawn(move || {
            if ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                show(&shown, steps > 0);
                let _ = ended.recv();
                shown.finish_and_clear();
            }
        });
        Progress { running: Some(running), thread: Some(thread), bar }
    }

    /// One of the steps is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }
}

fn show(bar: &ProgressBar, counted: bool) {
    let form = if counted { "{msg} {bar:30} {pos}/{len}" } else { "{spinner} {msg} {elapsed}" };
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style);
    }
    bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    bar.enable_steady_tick(Duration::from_millis(100));
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.running.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
