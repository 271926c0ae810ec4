//! SIP for Havre: one lexer, typed headers, transactions, dialogs, digest, registrar; no I/O
