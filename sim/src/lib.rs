//! WHAT happens, when: functional and cycle-exact timing simulation of a Program, and memory models.
