//! Front ends: from model files to graphs. Files are handed in as bytes.

pub mod config;
pub mod layouts;
pub mod onnx;
pub mod safetensors;
