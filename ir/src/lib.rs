//! WHAT is computed: the graph, its types, exact numbers, text form, front ends, passes, quantisers and evaluators.
//!
//! | I want to | open |
//! |---|---|
//! | see what a graph is, and what holds of every graph | [`graph`], [`graph::verify`] |
//! | see which operators there are, or add one | [`op`] |
//! | read or write the text form | [`text`] |
//! | read a model file | [`front::onnx`], [`front::config`], [`front::safetensors`] |
//! | rewrite a graph | [`pass`] |
//! | run a graph on tensors | [`eval`] |
//! | take a language model for any number of tokens | [`decoder`] |
//! | quantise a language model | [`quant`] |
//! | read or write text with a model | [`session`] |
//! | measure a model on texts | [`accuracy`] |
//! | see what a machine computes, bit for bit | [`num`] |
//! | report an error to a user | [`diag`] |

#![warn(missing_docs)]

pub mod graph;

pub mod op;

pub mod text;

pub mod front;

pub mod pass;

pub mod eval;

pub mod decoder;

pub mod quant;

pub mod session;

pub mod accuracy;

pub mod num;

pub mod constant;
pub mod pack;
pub mod tensor;
pub mod types;

pub mod diag;

#[cfg(test)]
extern crate self as ir;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod mutation;
