//! WHAT the machine is: machine description, presets, unit timing contracts. Facts and prices, no decisions.
