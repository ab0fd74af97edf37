//! WHAT the machine obeys: one instruction table, from which encoder, decoder, assembler and packages come.
