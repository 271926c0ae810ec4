//! Dialplans and prompts: parse, check, prove, walk; no I/O
