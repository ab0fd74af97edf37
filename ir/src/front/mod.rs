//! Front ends: from model files to graphs. Files are handed in as bytes.

pub mod onnx;
