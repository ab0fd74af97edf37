//! What may be chosen about a plan. Choices change time and sizes, never a result.

/// Choices of the compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Positions that the cache holds; as many as fit, up to the model's, if not given.
    pub context: Option<u32>,
    /// Tokens of a prefill step, rounded down to whole output tiles; as many as fit, up to 16, if not given.
    pub chunk: Option<u32>,
    /// A weight chunk takes at most this part of each of its buffers; 4 or more lets loads run ahead of compute, and more in smaller
    /// steps. A single output tile may take all of it.
    pub chunk_part: u32,
    /// Sequences that have a cache each, and take their steps together.
    pub batch: u32,
    /// Weight chunks of a layer that load during the end of the layer before, at least 1.
    pub prefetch: u32,
    /// Load the weights behind attention before the cached keys, which wait for the new ones.
    pub early: bool,
    /// Order instructions by estimated start; otherwise as the network is written down.
    pub reorder: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            context: None,
            chunk: None,
            batch: 1,
            chunk_part: 8,
            prefetch: 4,
            early: true,
            reorder: true,
        }
    }
}
