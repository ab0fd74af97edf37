//! WHAT is computed: the graph, its types, exact numbers, text form, front ends, passes, quantisers and evaluators.

pub mod num;
